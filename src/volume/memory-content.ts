// pure
import { VolumeError } from './errno.ts';

/** Content is kept in pieces of this size, so that a large file with little in it is small. */
const PIECE_BYTES = 64 * 1024;
/** Largest size of a file: pieces are numbered, and what is to be found in them is gone through. */
const FILE_BYTES_MAX = 2 ** 43;

/** Mode bits of fallocate(2). */
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 0x10;

/** What the files of one volume may take together. */
export class MemoryBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** @throws VolumeError `ENOSPC` */
  take(bytes: number): void {
    if (this.#used + bytes > this.limit) throw new VolumeError('ENOSPC');
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** A file's bytes. What was never written takes no memory and reads as zeros. */
export class MemoryContent {
  readonly #budget: MemoryBudget;
  readonly #pieces = new Map<number, Buffer>();
  #size = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory it takes. */
  get allocated(): number {
    return this.#pieces.size * PIECE_BYTES;
  }

  read(length: number, position: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.#size - position)));
    this.#each(position, bytes.length, (piece, from, to, at) => {
      this.#pieces.get(piece)?.copy(bytes, at, from, to);
    });
    return bytes;
  }

  /** @throws VolumeError `EFBIG`, `ENOSPC`; what came before it is written then. */
  write(bytes: Uint8Array, position: number): void {
    requireSize(position + bytes.length);
    this.#each(position, bytes.length, (piece, from, to, at) => {
      this.#piece(piece).set(bytes.subarray(at, at + to - from), from);
      this.#size = Math.max(this.#size, position + at + to - from);
    });
  }

  /** @throws VolumeError `EFBIG` */
  resize(size: number): void {
    requireSize(size);
    if (size < this.#size) {
      this.#clear(size, this.#size - size);
      const first = Math.ceil(size / PIECE_BYTES);
      for (const piece of [...this.#pieces.keys()]) if (piece >= first) this.#free(piece);
    }
    this.#size = size;
  }

  /** fallocate(2). @throws VolumeError `EOPNOTSUPP` for other modes than to reserve, to zero and to punch a hole. */
  allocate(mode: number, position: number, length: number): void {
    const action = mode & ~KEEP_SIZE;
    requireSize(position + length);
    if (action === PUNCH_HOLE)
      return this.#clear(position, Math.min(length, this.#size - position));
    if (action !== 0 && action !== ZERO_RANGE) throw new VolumeError('EOPNOTSUPP');
    if (action === ZERO_RANGE) this.#clear(position, length);
    // Behind the end nothing is reserved: resizing to there is what makes it count.
    const end = mode & KEEP_SIZE ? Math.min(position + length, this.#size) : position + length;
    this.#each(position, end - position, (piece) => this.#piece(piece));
    this.#size = Math.max(this.#size, end);
  }

  /** @throws VolumeError `ENXIO` */
  seek(what: 'data' | 'hole', position: number): number {
    if (position >= this.#size) throw new VolumeError('ENXIO');
    const start = Math.floor(position / PIECE_BYTES);
    if (what === 'hole') {
      let piece = start;
      while (this.#pieces.has(piece)) piece++;
      return Math.min(this.#size, Math.max(position, piece * PIECE_BYTES));
    }
    let next = Number.POSITIVE_INFINITY;
    for (const piece of this.#pieces.keys()) if (piece >= start) next = Math.min(next, piece);
    if (next * PIECE_BYTES >= this.#size) throw new VolumeError('ENXIO');
    return Math.max(position, next * PIECE_BYTES);
  }

  /** Whole pieces are freed, parts are zeroed. */
  #clear(position: number, length: number): void {
    this.#eachThere(position, length, (piece, from, to) => {
      if (to - from === PIECE_BYTES) this.#free(piece);
      else this.#pieces.get(piece)?.fill(0, from, to);
    });
  }

  #piece(piece: number): Buffer {
    const there = this.#pieces.get(piece);
    if (there !== undefined) return there;
    this.#budget.take(PIECE_BYTES);
    const made = Buffer.alloc(PIECE_BYTES);
    this.#pieces.set(piece, made);
    return made;
  }

  #free(piece: number): void {
    if (this.#pieces.delete(piece)) this.#budget.give(PIECE_BYTES);
  }

  /** Goes through the pieces of a range: which one, from where to where in it, and where in the range. */
  #each(
    position: number,
    length: number,
    visit: (piece: number, from: number, to: number, at: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const from = (position + at) % PIECE_BYTES;
      const to = Math.min(PIECE_BYTES, from + length - at);
      visit(Math.floor((position + at) / PIECE_BYTES), from, to, at);
      at += to - from;
    }
  }

  /** The same for those that are there, however long the range is. */
  #eachThere(
    position: number,
    length: number,
    visit: (piece: number, from: number, to: number) => void,
  ): void {
    for (const piece of [...this.#pieces.keys()]) {
      const start = piece * PIECE_BYTES;
      const from = Math.max(position - start, 0);
      const to = Math.min(position + length - start, PIECE_BYTES);
      if (to > from) visit(piece, from, to);
    }
  }
}

function requireSize(size: number): void {
  if (size > FILE_BYTES_MAX) throw new VolumeError('EFBIG');
}
