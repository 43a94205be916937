// pure
/** IP addresses: only the spellings that every program reads alike. */

/** An address as its 4 or 16 bytes, in network order. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
}

const DECIMAL_BYTE = /^(?:0|[1-9][0-9]{0,2})$/;
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;
/** RFC 4291, 2.5.5.2: how IPv6 spells an IPv4 address. */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * The address that a text spells, or null. No octal, hexadecimal or shortened IPv4 and no zones. An
 * IPv4-mapped IPv6 address is the IPv4 address it stands for.
 */
export function parseIpAddress(text: string): IpAddress | null {
  const v4 = parseV4(text);
  if (v4 !== null) return { family: 4, bytes: v4 };
  const v6 = parseV6(text);
  if (v6 === null) return null;
  return MAPPED_PREFIX.every((byte, i) => v6[i] === byte)
    ? { family: 4, bytes: v6.slice(12) }
    : { family: 6, bytes: v6 };
}

/** The canonical text of an address (RFC 5952 for IPv6). */
export function formatIpAddress(address: IpAddress): string {
  return address.family === 4 ? address.bytes.join('.') : formatV6(address.bytes);
}

/** The address with all but its first `prefix` bits zero. */
export function networkOf(address: IpAddress, prefix: number): IpAddress {
  const bytes = address.bytes.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, prefix - i * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
  return { family: address.family, bytes };
}

/** Whether listening on both addresses, in their canonical text, is listening twice: `::` is also all of IPv4. */
export function overlap(one: string, other: string): boolean {
  if (one === other || one === '::' || other === '::') return true;
  const v6 = one.includes(':') || other.includes(':');
  return !v6 && (one === '0.0.0.0' || other === '0.0.0.0');
}

function parseV4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => DECIMAL_BYTE.test(part))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function parseV6(text: string): number[] | null {
  const halves = text.split('::');
  const [head, tail] = [groups(halves[0] ?? ''), groups(halves[1] ?? '')];
  if (head === null || tail === null) return null;
  if (halves.length === 1) return head.length === 16 ? head : null;
  // "::" stands for one group of zeros or more. An IPv4 part may only be the last.
  const missing = 16 - head.length - tail.length;
  if (halves.length !== 2 || missing < 2 || halves[0]?.includes('.')) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The bytes of colon-separated groups, of which the last may be an IPv4 address. */
function groups(text: string): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const bytes: number[] = [];
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 ? parseV4(part) : null;
    if (v4 !== null) bytes.push(...v4);
    else if (HEX_GROUP.test(part)) bytes.push(...splitGroup(Number.parseInt(part, 16)));
    else return null;
  }
  return bytes;
}

function splitGroup(group: number): [number, number] {
  return [group >> 8, group & 0xff];
}

function formatV6(bytes: readonly number[]): string {
  const words = Array.from({ length: 8 }, (_, i) => {
    return (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16);
  });
  const run = longestZeroRun(words);
  if (run.length < 2) return words.join(':');
  return `${words.slice(0, run.start).join(':')}::${words.slice(run.start + run.length).join(':')}`;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(words: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let end = start;
    while (words[end] === '0') end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}
