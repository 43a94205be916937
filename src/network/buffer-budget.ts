// pure
/** What a connection buffers at most in each direction where there is enough for all, and where there is not. */
export const LARGEST_BYTES = 512 * 1024;
export const SMALLEST_BYTES = 16 * 1024;
/** What all connections of a box share. Those that come when it has gone get the smallest part nonetheless. */
export const TOTAL_BYTES = 64 * 1024 * 1024;
/** A new connection gets no more than this part of what is left, so that there is always some for the next. */
const PART = 8;

/** Shares memory among connections: generous to the first ones, and never without some for the last. */
export class BufferBudget {
  #left = TOTAL_BYTES;

  /** How much a new connection may buffer. */
  take(): number {
    const bytes = Math.max(
      SMALLEST_BYTES,
      Math.min(LARGEST_BYTES, Math.floor(this.#left / PART / SMALLEST_BYTES) * SMALLEST_BYTES),
    );
    this.#left -= bytes;
    return bytes;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}
