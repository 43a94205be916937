/** Buffered writing at chosen offsets: small neighbouring writes become few large ones. */
import type { FileHandle } from 'node:fs/promises';
import { BoxliteError, messageOf } from '../../base/errors.ts';

const BUFFER_BYTES = 1 << 20;

export class BlockFile {
  readonly #handle: FileHandle;
  /** For messages. */
  readonly #path: string;
  /** One is filled while the other is being written. */
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #spare = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #writing: Promise<unknown> = Promise.resolve();
  /** File offset of the buffer's first byte. */
  #start = 0;
  #used = 0;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Writes `bytes` at `offset`. They are copied: the caller may reuse them at once. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    if (offset !== this.#start + this.#used) {
      await this.#flush();
      this.#start = offset;
    }
    let done = 0;
    while (done < bytes.length) {
      const piece = bytes.subarray(done, done + BUFFER_BYTES - this.#used);
      this.#buffer.set(piece, this.#used);
      this.#used += piece.length;
      done += piece.length;
      if (this.#used === BUFFER_BYTES) await this.#flush();
    }
  }

  /** Waits until everything has been handed to the operating system. */
  async drain(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  /** Starts writing the buffer out, after the write before it. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#used === 0) return;
    const full = this.#buffer;
    this.#writing = this.#writeAll(full.subarray(0, this.#used), this.#start);
    // Whoever waits next meets the failure; nobody may be waiting when it happens.
    this.#writing.catch(() => {});
    this.#buffer = this.#spare;
    this.#spare = full;
    this.#start += this.#used;
    this.#used = 0;
  }

  /** write(2) may take less than it was given. */
  async #writeAll(bytes: Buffer, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const left = bytes.length - done;
        done += (await this.#handle.write(bytes, done, left, offset + done)).bytesWritten;
      }
    } catch (cause) {
      throw cannotWrite(this.#path, cause);
    }
  }
}

/** What a failed write of an image disk is called. */
export function cannotWrite(path: string, cause: unknown): BoxliteError {
  const message = `Cannot write the image disk "${path}": ${messageOf(cause)}`;
  return new BoxliteError('Storage', `${message}; make room or choose another directory`, {
    cause,
  });
}
