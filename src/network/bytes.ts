// pure
/** Bytes put together, and taken apart from their start on. */

/** All of them behind one another. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A big-endian number. */
export function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Takes numbers and parts from the start on. What is read past the end is empty, and noted. */
export class ByteReader {
  /** Whether something was to be read past the end: nothing is read any more then. */
  failed = false;
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.offset;
  }

  take(count: number): Uint8Array {
    this.failed ||= count > this.left;
    const from = this.offset;
    if (!this.failed) this.offset += count;
    return this.#bytes.subarray(from, this.offset);
  }

  /** A big-endian number of so many bytes. */
  number(bytes: number): number {
    return numberOf(this.take(bytes));
  }

  /** What stands behind its length, which has so many bytes. */
  vector(lengthBytes: number): Uint8Array {
    return this.take(this.number(lengthBytes));
  }
}
