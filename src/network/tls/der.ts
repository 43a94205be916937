// pure
/** Writes the distinguished encoding of ASN.1 (X.690). What is written here is all ours. */
import { concat } from '../bytes.ts';

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  bmpString: 0x1e,
  generalizedTime: 0x18,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;
/** RFC 5280, 4.1.2.5: years from here on are written in full. */
const FULL_YEAR_FROM = 2050;

export function sequence(...items: Uint8Array[]): Uint8Array {
  return element(TAG.sequence, ...items);
}

export function set(...items: Uint8Array[]): Uint8Array {
  return element(TAG.set, ...items);
}

/** What stands in a place of that number, of a context's own. */
export function explicit(number: number, item: Uint8Array): Uint8Array {
  return element(0xa0 | number, item);
}

/** The bytes of a place of that number, without a tag of their own. */
export function implicit(number: number, bytes: Uint8Array): Uint8Array {
  return element(0x80 | number, bytes);
}

export function boolean(value: boolean): Uint8Array {
  return element(TAG.boolean, Uint8Array.of(value ? 0xff : 0));
}

/** A number that is not negative, big-endian. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const sign = (digits[0] ?? 0) > 0x7f ? Uint8Array.of(0) : new Uint8Array();
  return element(TAG.integer, sign, digits);
}

/** `unused` is the number of bits at the end that do not count. */
export function bitString(bytes: Uint8Array, unused = 0): Uint8Array {
  return element(TAG.bitString, Uint8Array.of(unused), bytes);
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return element(TAG.octetString, bytes);
}

export function utf8String(text: string): Uint8Array {
  return element(TAG.utf8String, new TextEncoder().encode(text));
}

/** Text in UTF-16, big-endian. */
export function bmpString(text: string): Uint8Array {
  return element(TAG.bmpString, Buffer.from(text, 'utf16le').swap16());
}

/** `2.5.29.17` */
export function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(TAG.objectId, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** To the second, as certificates have it. */
export function time(date: Date): Uint8Array {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const full = date.getUTCFullYear() >= FULL_YEAR_FROM;
  const text = new TextEncoder().encode(full ? digits : digits.slice(2));
  return element(full ? TAG.generalizedTime : TAG.utcTime, text);
}

function element(tag: number, ...content: Uint8Array[]): Uint8Array {
  const body = concat(...content);
  return concat(Uint8Array.of(tag, ...length(body.length)), body);
}

function length(count: number): number[] {
  if (count < 0x80) return [count];
  const bytes: number[] = [];
  for (let rest = count; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >> 7; rest > 0; rest >>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}
