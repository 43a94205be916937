import { ARCHIVE_HEADER_BYTES, putArchiveHeader } from './archive.ts';

/** As much as one frame holds. */
const CHUNK_BYTES = 256 * 1024;
/** Less room than this is not worth a read of its own. */
const ROOM_BYTES_MIN = 16 * 1024;

/** Collects records into chunks. One is on its way while the next is filled. */
export class ArchiveWriter {
  readonly #send: (chunk: Uint8Array) => Promise<void>;
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #used = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(send: (chunk: Uint8Array) => Promise<void>) {
    this.#send = send;
  }

  /** Puts a whole record, which is smaller than a chunk. */
  async put(record: Buffer): Promise<void> {
    if (CHUNK_BYTES - this.#used < record.length) await this.flush();
    this.#used += record.copy(this.#chunk, this.#used);
  }

  /** Puts content, which is smaller than a chunk. */
  async bytes(piece: Buffer): Promise<void> {
    const length = ARCHIVE_HEADER_BYTES + piece.length;
    if (CHUNK_BYTES - this.#used < length) await this.flush();
    putArchiveHeader(this.#chunk, this.#used, 'bytes', piece.length);
    piece.copy(this.#chunk, this.#used + ARCHIVE_HEADER_BYTES);
    this.#used += length;
  }

  /** Puts content that is read where it goes out, until `limit` or until nothing comes. */
  async content(
    read: (buffer: Buffer, offset: number, length: number) => Promise<number>,
    limit: number,
  ): Promise<void> {
    for (let done = 0; done < limit; ) {
      const least = ARCHIVE_HEADER_BYTES + Math.min(limit - done, ROOM_BYTES_MIN);
      if (CHUNK_BYTES - this.#used < least) await this.flush();
      const start = this.#used + ARCHIVE_HEADER_BYTES;
      const length = await read(this.#chunk, start, Math.min(CHUNK_BYTES - start, limit - done));
      if (length === 0) return;
      putArchiveHeader(this.#chunk, this.#used, 'bytes', length);
      this.#used = start + length;
      done += length;
    }
  }

  /** Sends what has been collected, once what was sent before is on its way. */
  async flush(): Promise<void> {
    await this.#sending;
    if (this.#used === 0) return;
    this.#sending = this.#send(this.#chunk.subarray(0, this.#used));
    // It is waited for later.
    this.#sending.catch(() => undefined);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
  }

  /** Resolves when all is on its way. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#sending;
  }
}
