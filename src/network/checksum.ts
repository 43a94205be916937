// pure
/** The Internet checksum (RFC 1071). */

/** The sum of the 16-bit words of `bytes`, not folded; a last odd byte counts as the upper half of a word. */
export function wordSum(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let sum = 0;
  let at = start;
  // 2^16 words of 2^16 stay far below 2^53.
  for (; at + 1 < end; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (at < end) sum += (bytes[at] ?? 0) << 8;
  return sum;
}

/** A sum as 16 bits, its carries added back. */
export function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest % 0x10000) + Math.floor(rest / 0x10000);
  return rest;
}

/** What goes into a packet whose words, without it, have this sum. */
export function checksum(sum: number): number {
  return ~folded(sum) & 0xffff;
}
