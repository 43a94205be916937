// pure
import { violation } from '../../portal/frame.ts';
import {
  ARCHIVE_HEADER_BYTES,
  type ArchiveEntry,
  type ArchiveRecord,
  DEPTH_MAX,
  decodeEntry,
  decodeHeader,
} from './archive.ts';

/**
 * Reads an archive however it was cut, and lets through only what makes sense: content belongs to a file,
 * directories are left as often as they are entered, links name what was there, nothing follows the end. What is
 * held between two pieces is one entry at most.
 * @throws BoxliteError `Portal` on anything else; the reader is of no use afterwards.
 */
export class ArchiveReader {
  readonly #held = Buffer.alloc(8 * 1024);
  #heldBytes = 0;
  #header: { kind: ArchiveRecord['kind']; length: number } | null = null;
  /** Content bytes of the current record still to come. */
  #contentLeft = 0;
  #depth = 0;
  #inFile = false;
  #fileSize = 0;
  #links = 0;
  #ended = false;

  /** The records that are complete now. Bytes are views of `piece`; the rest may be kept. */
  *push(piece: Uint8Array): Generator<ArchiveRecord> {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    while (rest.length > 0) {
      if (this.#contentLeft > 0) {
        const bytes = rest.subarray(0, this.#contentLeft);
        rest = rest.subarray(bytes.length);
        this.#contentLeft -= bytes.length;
        yield { kind: 'bytes', bytes };
        continue;
      }
      const wanted = this.#header === null ? ARCHIVE_HEADER_BYTES : this.#header.length;
      rest = this.#hold(rest, wanted);
      if (this.#heldBytes < wanted) return;
      const record = this.#header === null ? this.#takeHeader() : this.#takePayload(this.#header);
      if (record !== null) yield record;
    }
  }

  /** To be called when no more will come. */
  finish(): void {
    if (!this.#ended) throw violation('its archive is cut off');
  }

  #hold(bytes: Buffer, wanted: number): Buffer {
    const taken = Math.min(wanted - this.#heldBytes, bytes.length);
    bytes.copy(this.#held, this.#heldBytes, 0, taken);
    this.#heldBytes += taken;
    return bytes.subarray(taken);
  }

  #takeHeader(): ArchiveRecord | null {
    if (this.#ended) throw violation('its archive goes on after its end');
    const header = decodeHeader(this.#held);
    this.#heldBytes = 0;
    if (header.kind === 'bytes') {
      this.#grow(header.length);
      this.#contentLeft = header.length;
      return null;
    }
    if (header.length === 0) return this.#takeMark(header.kind);
    this.#header = header;
    return null;
  }

  #takeMark(kind: ArchiveRecord['kind']): ArchiveRecord {
    this.#inFile = false;
    if (kind === 'up') {
      if (this.#depth === 0) throw violation('its archive leaves what it did not enter');
      this.#depth--;
      return { kind: 'up' };
    }
    if (this.#depth > 0) throw violation('its archive ends inside a directory');
    this.#ended = true;
    return { kind: 'end' };
  }

  #takePayload({ kind, length }: { kind: ArchiveRecord['kind']; length: number }): ArchiveRecord {
    // Entries are kept by their receiver.
    const payload = Buffer.from(this.#held.subarray(0, length));
    this.#header = null;
    this.#heldBytes = 0;
    if (kind !== 'hole') return this.#check(decodeEntry(kind as ArchiveEntry['kind'], payload));
    const size = payload.readBigUInt64LE();
    this.#grow(size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(size));
    return { kind: 'hole', length: Number(size) };
  }

  #check(entry: ArchiveEntry): ArchiveEntry {
    this.#inFile = entry.kind === 'file';
    this.#fileSize = 0;
    if (entry.kind === 'directory' && ++this.#depth > DEPTH_MAX) {
      throw violation(`its archive is more than ${DEPTH_MAX} directories deep`);
    }
    if (entry.kind === 'link' && entry.link > this.#links) {
      throw violation('its archive has a link to what was not there');
    }
    if (entry.kind === 'file' && entry.link > 0 && entry.link !== ++this.#links) {
      throw violation('its archive counts files wrongly');
    }
    return entry;
  }

  #grow(bytes: number): void {
    if (!this.#inFile) throw violation('its archive has content without a file');
    this.#fileSize += bytes;
    if (!Number.isSafeInteger(this.#fileSize)) throw violation('its archive has a file too large');
  }
}
