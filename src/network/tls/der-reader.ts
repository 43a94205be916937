// pure
/** Takes the distinguished encoding of ASN.1 (X.690) apart, one level at a time. */
import { numberOf } from '../bytes.ts';

/** One value with its tag. */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The content with what is in front of it. */
  readonly whole: Uint8Array;
}

/** Bytes of a length: of no more than 4 GiB. */
const LENGTH_BYTES_MAX = 4;

/** Values beside one another: more than any keystore has. */
const ELEMENTS_MAX = 10_000;

/** The values that stand one behind the other in some bytes; null if these are not made of such, or of too many. */
export function elementsOf(bytes: Uint8Array): Element[] | null {
  const elements: Element[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const element = firstElement(rest);
    if (element === null || elements.length === ELEMENTS_MAX) return null;
    elements.push(element);
    rest = rest.subarray(element.whole.length);
  }
  return elements;
}

function firstElement(bytes: Uint8Array): Element | null {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return null;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  // No length at all (0x80) is not distinguished encoding.
  if (first === 0x80 || lengthBytes > LENGTH_BYTES_MAX) return null;
  const start = 2 + lengthBytes;
  const length = numberOf(bytes.subarray(2, start));
  const end = start + (first < 0x80 ? first : length);
  if (end > bytes.length) return null;
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(0, end) };
}
