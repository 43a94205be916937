// pure
/** TCP's sequence numbers: 32 bits that wrap around. */

/** `number + bytes`. */
export function advance(number: number, bytes: number): number {
  return (number + bytes) >>> 0;
}

/** How many bytes `later` is ahead of `earlier`; below zero if it is behind. */
export function distance(earlier: number, later: number): number {
  return (later - earlier) | 0;
}
