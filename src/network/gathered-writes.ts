import type { Writable } from 'node:stream';

/** A piece of at least this size is passed on as it is, unless it lies in much more memory. */
const OWN_BYTES_MIN = 16 * 1024;
/** A smaller part of the memory it came in is copied out, so as not to hold the rest. */
const COPY_BELOW = 1 / 4;
/** Smaller pieces share memory of this size. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Writes to a socket, one batch at a time. What comes meanwhile is gathered, so that the memory it takes is about
 * that of its bytes, however small the pieces are that a hostile box sends.
 */
export class GatheredWrites {
  readonly #socket: Writable;
  readonly #written: (bytes: number) => void;
  #writing = false;
  #waiting: Uint8Array[] = [];
  /** The block that small pieces go to, the last of #waiting, and how full it is. */
  #block: Uint8Array | null = null;
  #filled = 0;

  /** `written` is told of bytes that have left. */
  constructor(socket: Writable, written: (bytes: number) => void) {
    this.#socket = socket;
    this.#written = written;
  }

  push(piece: Uint8Array): void {
    if (!this.#writing) this.#write([piece]);
    else if (standsAlone(piece)) this.#append(piece);
    else this.#gather(piece);
  }

  /** Ends the socket behind what was pushed. */
  end(): void {
    if (this.#writing) this.#flush();
    this.#socket.end();
  }

  #append(piece: Uint8Array): void {
    this.#closeBlock();
    this.#waiting.push(piece);
  }

  #gather(piece: Uint8Array): void {
    for (let rest = piece; rest.length > 0; ) {
      this.#block ??= new Uint8Array(BLOCK_BYTES);
      const part = rest.subarray(0, BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === BLOCK_BYTES) this.#closeBlock();
    }
  }

  #closeBlock(): void {
    if (this.#block !== null) this.#waiting.push(this.#block.subarray(0, this.#filled));
    this.#block = null;
    this.#filled = 0;
  }

  #write(pieces: readonly Uint8Array[]): void {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    this.#writing = true;
    this.#socket.cork();
    for (const piece of pieces.slice(0, -1)) this.#socket.write(piece);
    this.#socket.write(pieces.at(-1) ?? new Uint8Array(0), (error) => {
      this.#writing = false;
      // A socket that has failed takes nothing more, and nobody needs to be told.
      if (error !== null && error !== undefined) return;
      this.#written(bytes);
      this.#flush();
    });
    this.#socket.uncork();
  }

  #flush(): void {
    this.#closeBlock();
    const pieces = this.#waiting;
    this.#waiting = [];
    if (pieces.length > 0) this.#write(pieces);
  }
}

function standsAlone(piece: Uint8Array): boolean {
  return piece.length >= OWN_BYTES_MIN && piece.length >= piece.buffer.byteLength * COPY_BELOW;
}
