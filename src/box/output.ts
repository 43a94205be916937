import type { BoxliteError } from '../base/errors.ts';

/** What is kept of output that nobody has taken: the newest. */
const UNTAKEN_BYTES_MAX = 1024 * 1024;

/** A piece smaller than this part of the memory it came in is copied out, so as not to hold the rest. */
const COPY_BELOW = 1 / 4;

/** Keeps the program alive while `work` goes on, which an idle box does not. */
export interface KeepAlive {
  busy<T>(work: Promise<T>): Promise<T>;
}

/**
 * Output on its way from the wire to whoever reads it. Until somebody takes it, it is drained and only its
 * newest 1 MiB is kept, so that it never blocks the program. Once taken, a piece counts as used when it
 * is read, so that a slow reader slows the program.
 */
export class OutputBuffer {
  readonly #used: (bytes: number) => void;
  readonly #host: KeepAlive;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes of #pieces that have been counted as used already. */
  #usedAhead = 0;
  #taken = false;
  #ended = false;
  #failure: BoxliteError | null = null;
  #waiting: (() => void) | null = null;

  /**
   * `used` is told how many bytes the other side may send again. The host keeps the program alive while
   * somebody waits for output, which may come after the command's end.
   */
  constructor(used: (bytes: number) => void, host: KeepAlive) {
    this.#used = used;
    this.#host = host;
  }

  push(piece: Uint8Array): void {
    const sparse = piece.length < piece.buffer.byteLength * COPY_BELOW;
    this.#pieces.push(sparse ? Uint8Array.from(piece) : piece);
    this.#bytes += piece.length;
    if (!this.#taken) {
      this.#used(piece.length);
      this.#usedAhead += piece.length;
      this.#trim();
    }
    this.#wake();
  }

  /** No more will come. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** No more will come, and a reader should be told why once it has read what did. */
  fail(reason: BoxliteError): void {
    if (this.#ended) return;
    this.#failure = reason;
    this.end();
  }

  /** From now on the reader sets the pace. */
  take(): void {
    this.#taken = true;
  }

  /** The next piece, null at the end. @throws BoxliteError what {@link fail} was given. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#bytes -= piece.length;
        const ahead = Math.min(this.#usedAhead, piece.length);
        this.#usedAhead -= ahead;
        if (piece.length > ahead) this.#used(piece.length - ahead);
        return piece;
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#ended) return null;
      const more = Promise.withResolvers<void>();
      this.#waiting = more.resolve;
      await this.#host.busy(more.promise);
    }
  }

  /** The reader has gone: what comes is drained again, and nothing of it is kept. */
  abandon(): void {
    this.#used(this.#bytes - this.#usedAhead);
    this.#pieces = [];
    this.#bytes = 0;
    this.#usedAhead = 0;
    this.#taken = false;
  }

  #trim(): void {
    while (this.#bytes > UNTAKEN_BYTES_MAX) {
      const [oldest] = this.#pieces;
      if (oldest === undefined) return;
      const surplus = Math.min(this.#bytes - UNTAKEN_BYTES_MAX, oldest.length);
      if (surplus === oldest.length) this.#pieces.shift();
      else this.#pieces[0] = oldest.subarray(surplus);
      this.#bytes -= surplus;
      this.#usedAhead -= surplus;
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
