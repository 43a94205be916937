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

/** A block for pieces that are not small. */
const LARGE_BLOCK_BYTES = 64 * 1024;
/** Blocks that are kept for the next ones to come. */
const SPARE_BLOCKS_MAX = 16;

/** Large blocks that are used again and again: each new one would be garbage soon, which costs more than copying. */
export class BlockPool {
  #spare: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(LARGE_BLOCK_BYTES);
  }

  /** Nobody may have any part of it any more. */
  giveBack(block: Uint8Array): void {
    if (block.length === LARGE_BLOCK_BYTES && this.#spare.length < SPARE_BLOCKS_MAX) {
      this.#spare.push(block);
    }
  }

  /** Lets go of what is not in use. */
  clear(): void {
    this.#spare = [];
  }
}

/** Bytes in the order they came. What it takes in memory is in proportion to its length, however small the pieces. */
export class ByteQueue {
  #blocks: Block[] = [];
  /** Blocks before this one are gone; the array is shortened now and then. */
  #first = 0;
  #length = 0;
  readonly #pool: BlockPool | null;

  /** With a pool, what {@link take} or {@link slices} gave may not be looked at once it has been dropped. */
  constructor(pool: BlockPool | null = null) {
    this.#pool = pool;
  }

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

  /** Adds a copy of the bytes. */
  copy(piece: Uint8Array): void {
    this.#length += piece.length;
    for (let rest = piece; rest.length > 0; ) {
      const block = this.#blockWithRoom(rest.length);
      const part = rest.subarray(0, block.bytes.length - block.end);
      block.bytes.set(part, block.end);
      block.end += part.length;
      rest = rest.subarray(part.length);
    }
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
      if (block.ours) this.#pool?.giveBack(block.bytes);
      this.#blocks[this.#first++] = NO_BLOCK;
    }
    this.#shorten();
  }

  /** A block of ours with room for all at the end. */
  #blockFor(length: number): Block {
    const last = this.#last();
    if (last?.ours === true && last.bytes.length - last.end >= length) return last;
    const size = Math.max(length, last === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
    return this.#push(new Uint8Array(size));
  }

  /** A block of ours with some room at the end. */
  #blockWithRoom(length: number): Block {
    const last = this.#last();
    if (last?.ours === true && last.end < last.bytes.length) return last;
    if (this.#pool === null || length < LARGE_BLOCK_BYTES / 2) return this.#blockFor(length);
    return this.#push(this.#pool.take());
  }

  #last(): Block | undefined {
    return this.#blocks.length > this.#first ? this.#blocks.at(-1) : undefined;
  }

  #push(bytes: Uint8Array): Block {
    const block = { bytes, start: 0, end: 0, ours: true };
    this.#blocks.push(block);
    return block;
  }

  #shorten(): void {
    if (this.#first < 32 && this.#first < this.#blocks.length) return;
    this.#blocks = this.#blocks.slice(this.#first);
    this.#first = 0;
  }
}
