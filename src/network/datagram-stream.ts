// pure
/** Datagrams in a stream of bytes, as guest/datagram.h has them: 16 bits of length, low byte first, and the bytes. */

const PREFIX_BYTES = 2;

/** A datagram behind its length. */
export function encodeDatagram(datagram: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + datagram.length);
  bytes[0] = datagram.length & 0xff;
  bytes[1] = datagram.length >> 8;
  bytes.set(datagram, PREFIX_BYTES);
  return bytes;
}

/** Finds the datagrams in a stream, however it was cut. Holds one of them at most, 64 KiB. */
export class DatagramReader {
  /** Room for what is being collected: a prefix, or a datagram behind one. Null between two. */
  #held: Uint8Array | null = null;
  #filled = 0;

  /** The datagrams that are whole with this piece. They are parts of it, or of memory of their own. */
  *push(piece: Uint8Array): Generator<Uint8Array> {
    let rest = piece;
    while (rest.length > 0) {
      const size = this.#held === null ? wholeSize(rest) : null;
      if (size !== null && size <= rest.length) {
        yield rest.subarray(PREFIX_BYTES, size);
        rest = rest.subarray(size);
      } else {
        rest = this.#collect(rest);
        const datagram = this.#takeWhole();
        if (datagram !== null) yield datagram;
      }
    }
  }

  /** Takes what is still missing from the front, and returns what is left. */
  #collect(bytes: Uint8Array): Uint8Array {
    this.#held ??= new Uint8Array(PREFIX_BYTES);
    const used = bytes.subarray(0, this.#held.length - this.#filled);
    this.#held.set(used, this.#filled);
    this.#filled += used.length;
    return bytes.subarray(used.length);
  }

  #takeWhole(): Uint8Array | null {
    const held = this.#held;
    if (held === null || this.#filled < held.length) return null;
    const size = wholeSize(held) ?? PREFIX_BYTES;
    if (held.length < size) {
      this.#held = new Uint8Array(size);
      this.#held.set(held);
      return null;
    }
    this.#held = null;
    this.#filled = 0;
    return held.subarray(PREFIX_BYTES);
  }
}

/** Bytes of the datagram at the beginning, its prefix included; null before that can be said. */
function wholeSize(bytes: Uint8Array): number | null {
  const [low, high] = bytes;
  return low === undefined || high === undefined ? null : PREFIX_BYTES + low + high * 256;
}
