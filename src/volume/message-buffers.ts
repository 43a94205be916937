// pure
import { MESSAGE_BYTES_MAX } from './fuse-protocol.ts';

/** Less than this is made anew each time. */
const LARGE_BYTES_MIN = 32 * 1024;
/** Buffers that are kept for the next messages. */
const KEPT_MAX = 8;

/**
 * Memory for messages, of which the large ones is used again: what is given up by the hundred megabytes costs the garbage
 * collector more time than it takes to fill it. It comes with whatever was in it before.
 */
export class MessageBuffers {
  readonly #kept: Buffer[] = [];
  readonly #taken = new WeakSet<ArrayBufferLike>();

  /** `length` is at most that of the largest message. */
  take(length: number): Uint8Array {
    if (length < LARGE_BYTES_MIN) return Buffer.allocUnsafe(length);
    const buffer = this.#kept.pop() ?? Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX);
    this.#taken.add(buffer.buffer);
    return buffer.subarray(0, length);
  }

  /** Nobody uses these bytes any more. What was not taken from here, or was given already, is nothing to keep. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer) || this.#kept.length === KEPT_MAX) return;
    this.#kept.push(Buffer.from(buffer as ArrayBuffer));
  }
}
