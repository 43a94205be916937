// pure
/** Below this a piece is copied: it may be a few bytes of a large buffer, and many of them are one block. */
const COPIED_BYTES_MAX = 4096;
/** A block for small pieces, where there is nothing else yet and where there is. */
const FIRST_BLOCK_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;

interface Block {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  /** Whether more can be copied behind `end`. */
  readonly ours: boolean;
}

const NO_BLOCK: Block = { bytes: new Uint8Array(0), start: 0, end: 0, ours: false };

/** Bytes in the order they came. What it takes in memory is in proportion to its length, however small the pieces. */
export class ByteQueue {
  #blocks: Block[] = [];
  /** Blocks before this one are gone; the array is shortened now and then. */
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds bytes, which must not change afterwards. */
  append(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (piece.length > COPIED_BYTES_MAX) {
      this.#blocks.push({ bytes: piece, start: 0, end: piece.length, ours: false });
      return;
    }
    const block = this.#blockFor(piece.length);
    block.bytes.set(piece, block.end);
    block.end += piece.length;
  }

  /** Up to `length` bytes from `offset` on, as parts of what is kept. */
  slices(offset: number, length: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let skip = offset;
    let missing = length;
    for (let i = this.#first; i < this.#blocks.length && missing > 0; i++) {
      const { bytes, start, end } = this.#blocks[i] as Block;
      const size = end - start;
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const slice = bytes.subarray(start + skip, Math.min(end, start + skip + missing));
      found.push(slice);
      missing -= slice.length;
      skip = 0;
    }
    return found;
  }

  /** Takes the bytes that are at hand in one piece; null if there are none. */
  take(): Uint8Array | null {
    const block = this.#blocks[this.#first];
    if (block === undefined) return null;
    const piece = block.bytes.subarray(block.start, block.end);
    this.drop(piece.length);
    return piece;
  }

  /** Forgets the first `length` bytes. */
  drop(length: number): void {
    let rest = Math.min(length, this.#length);
    this.#length -= rest;
    while (rest > 0) {
      const block = this.#blocks[this.#first] as Block;
      const size = block.end - block.start;
      if (rest < size) {
        block.start += rest;
        return;
      }
      rest -= size;
      this.#blocks[this.#first++] = NO_BLOCK;
    }
    this.#shorten();
  }

  /** A block of ours with room at the end. */
  #blockFor(length: number): Block {
    const last = this.#blocks.length > this.#first ? this.#blocks.at(-1) : undefined;
    if (last?.ours === true && last.bytes.length - last.end >= length) return last;
    const size = Math.max(length, last === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
    const block = { bytes: new Uint8Array(size), start: 0, end: 0, ours: true };
    this.#blocks.push(block);
    return block;
  }

  #shorten(): void {
    if (this.#first < 32 && this.#first < this.#blocks.length) return;
    this.#blocks = this.#blocks.slice(this.#first);
    this.#first = 0;
  }
}
