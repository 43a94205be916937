import type { ImageRecord, ImageRecords } from '../spec/image-info.ts';

/** Records of images that last as long as this process. */
export class MemoryImageRecords implements ImageRecords {
  readonly #records = new Map<string, ImageRecord>();

  put(record: ImageRecord): void {
    this.#records.set(record.reference, record);
  }
  get(reference: string): ImageRecord | null {
    return this.#records.get(reference) ?? null;
  }
  list(): ImageRecord[] {
    return [...this.#records.values()].reverse();
  }
  remove(reference: string): boolean {
    return this.#records.delete(reference);
  }
  usersOf(): string[] {
    return [];
  }
}
