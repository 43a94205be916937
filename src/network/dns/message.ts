// pure
/**
 * DNS messages (RFC 1035, RFC 6891) as far as a forwarder has to understand them: the question, and of an answer
 * the addresses and the places of its times to live. The rest passes as the bytes it came in, so that records of any
 * type do. Both sides are hostile: every length is checked, a name ends, and a pointer only points back.
 */
import { formatIpAddress } from '../../spec/ip-address.ts';

export const HEADER_BYTES = 12;
/** What UDP carries where nobody says otherwise (RFC 1035, 4.2.1). */
const UDP_BYTES_DEFAULT = 512;
/** The largest message there can be: TCP gives its length in 16 bits. */
export const MESSAGE_BYTES_MAX = 65_535;
/** RFC 1035, 2.3.4, with all the length bytes. */
const NAME_BYTES_MAX = 255;
/** Type and class. */
const QUESTION_TAIL_BYTES = 4;
/** More records than any answer has that somebody waits for. */
const RECORDS_MAX = 2_048;

export const recordTypes = {
  A: 1,
  SOA: 6,
  AAAA: 28,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
export const resultCodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const;
export const CLASS_INTERNET = 1;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE_MASK = 0x7800;

/** What is asked. */
export interface DnsQuestion {
  /** Lower case, without a final dot; bytes that no host name has as `\ddd`. The root is empty. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Name, type and class as they came. */
  readonly bytes: Uint8Array;
}

/** A request to resolve something. */
export interface DnsQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly question: DnsQuestion;
  /** Bytes of an answer the asker takes by UDP. */
  readonly udpBytesMax: number;
  /** Whether it speaks EDNS at all. */
  readonly extended: boolean;
}

/** A record of an answer that is given without asking anybody. */
export interface DnsAddressRecord {
  readonly type: number;
  readonly address: readonly number[];
  readonly ttlSeconds: number;
}

/** An answer, and where in it is what. */
export interface DnsAnswer {
  readonly code: number;
  readonly truncated: boolean;
  /** Canonical text, of the answer section alone. */
  readonly addresses: readonly string[];
  /** Where the times to live stand; OPT has none. */
  readonly ttlOffsets: readonly number[];
  /** The smallest of them, in seconds; null if there is none. */
  readonly ttlSeconds: number | null;
}

/** The question of a message that is one, or null. */
export function parseQuery(message: Uint8Array): DnsQuery | null {
  const header = readHeader(message);
  if (header === null || (header.flags & FLAG_RESPONSE) !== 0) return null;
  if (header.counts[0] !== 1 || header.counts[1] !== 0 || header.counts[2] !== 0) return null;
  const question = readQuestion(message);
  if (question === null) return null;
  let offset = HEADER_BYTES + question.bytes.length;
  let udpBytesMax = UDP_BYTES_DEFAULT;
  let extended = false;
  for (let left = header.counts[3]; left > 0; left--) {
    const record = readRecord(message, offset);
    if (record === null || left > RECORDS_MAX) return null;
    if (record.type === recordTypes.OPT) {
      extended = true;
      udpBytesMax = Math.max(UDP_BYTES_DEFAULT, record.class);
    }
    offset = record.end;
  }
  return {
    id: header.id,
    opcode: (header.flags & OPCODE_MASK) >> 11,
    recursionDesired: (header.flags & FLAG_RECURSION_DESIRED) !== 0,
    question,
    udpBytesMax,
    extended,
  };
}

/** What a server answered to this question under this id; null if it is no answer to it. */
export function parseAnswer(
  message: Uint8Array,
  id: number,
  question: DnsQuestion,
): DnsAnswer | null {
  const header = readHeader(message);
  if (header === null || (header.flags & FLAG_RESPONSE) === 0 || header.id !== id) return null;
  if (header.counts[0] !== 1 || message.length > MESSAGE_BYTES_MAX) return null;
  const asked = readQuestion(message);
  if (asked === null || !sameQuestion(asked, question)) return null;
  const truncated = (header.flags & FLAG_TRUNCATED) !== 0;
  const code = header.flags & 0xf;
  // Whoever asked for it again by TCP does not need what there is of it.
  if (truncated) return { code, truncated, addresses: [], ttlOffsets: [], ttlSeconds: null };
  const records = readRecords(message, HEADER_BYTES + asked.bytes.length, header.counts);
  return records === null ? null : { code, truncated, ...records };
}

/** Asks for it. The name goes in lower case, so that its letters' case carries nothing out. */
export function encodeQuery(id: number, question: DnsQuestion, udpBytesMax: number): Uint8Array {
  const option = [0, 0, recordTypes.OPT, udpBytesMax >> 8, udpBytesMax & 0xff, 0, 0, 0, 0, 0, 0];
  const message = new Uint8Array(HEADER_BYTES + question.bytes.length + option.length);
  writeHeader(message, id, FLAG_RECURSION_DESIRED, [1, 0, 0, 1]);
  message.set(question.bytes, HEADER_BYTES);
  // A length is below 64, and upper case letters are not.
  const name = question.bytes.subarray(0, -QUESTION_TAIL_BYTES);
  message.set(name.map(lowerCase), HEADER_BYTES);
  message.set(option, HEADER_BYTES + question.bytes.length);
  return message;
}

/** An answer of ours: a code, and addresses if there are any. */
export function encodeAnswer(
  query: DnsQuery,
  code: number,
  records: readonly DnsAddressRecord[] = [],
): Uint8Array {
  const { bytes } = query.question;
  const size = records.reduce((sum, { address }) => sum + 12 + address.length, 0);
  const message = new Uint8Array(HEADER_BYTES + bytes.length + size);
  writeHeader(message, query.id, answerFlags(query) | code, [1, records.length, 0, 0]);
  message.set(bytes, HEADER_BYTES);
  const view = viewOf(message);
  let offset = HEADER_BYTES + bytes.length;
  for (const { type, address, ttlSeconds } of records) {
    // The name is the question's: a pointer to it.
    view.setUint16(offset, 0xc000 | HEADER_BYTES);
    view.setUint16(offset + 2, type);
    view.setUint16(offset + 4, CLASS_INTERNET);
    view.setUint32(offset + 6, ttlSeconds);
    view.setUint16(offset + 10, address.length);
    message.set(address, offset + 12);
    offset += 12 + address.length;
  }
  return message;
}

/**
 * A server's answer as the answer to this query: its id and its spelling of the name, and the times to live less
 * the time that the answer was kept.
 */
export function answerTo(
  query: DnsQuery,
  message: Uint8Array,
  { ttlOffsets }: Pick<DnsAnswer, 'ttlOffsets'>,
  ageSeconds: number,
): Uint8Array {
  // Not `slice`, which in a Buffer is no copy: what is kept must stay as it is.
  const copy = new Uint8Array(message);
  const view = viewOf(copy);
  view.setUint16(0, query.id);
  copy.set(query.question.bytes, HEADER_BYTES);
  for (const offset of ttlOffsets) {
    view.setUint32(offset, Math.max(0, ttlAt(view, offset) - ageSeconds));
  }
  return copy;
}

/** What UDP carries of a message: all of it, or word that it has to be asked for by TCP. */
export function fitted(message: Uint8Array, query: DnsQuery): Uint8Array {
  if (message.length <= query.udpBytesMax) return message;
  const flags = viewOf(message).getUint16(2);
  const short = new Uint8Array(HEADER_BYTES + query.question.bytes.length);
  writeHeader(short, query.id, flags | FLAG_TRUNCATED, [1, 0, 0, 0]);
  short.set(query.question.bytes, HEADER_BYTES);
  return short;
}

/** Says that a message cannot be understood; null if not even its id is there. */
export function malformedAnswer(message: Uint8Array): Uint8Array | null {
  if (message.length < HEADER_BYTES) return null;
  const view = viewOf(message);
  // An answer to an answer would go round for ever.
  if ((view.getUint16(2) & FLAG_RESPONSE) !== 0) return null;
  const answer = new Uint8Array(HEADER_BYTES);
  const flags = (view.getUint16(2) & OPCODE_MASK) | FLAG_RESPONSE | resultCodes.FORMERR;
  writeHeader(answer, view.getUint16(0), flags, [0, 0, 0, 0]);
  return answer;
}

function answerFlags({ opcode, recursionDesired }: DnsQuery): number {
  const desired = recursionDesired ? FLAG_RECURSION_DESIRED : 0;
  return FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | desired | (opcode << 11);
}

type Counts = readonly [number, number, number, number];

function readHeader(message: Uint8Array) {
  if (message.length < HEADER_BYTES) return null;
  const view = viewOf(message);
  const counts: Counts = [
    view.getUint16(4),
    view.getUint16(6),
    view.getUint16(8),
    view.getUint16(10),
  ];
  return { id: view.getUint16(0), flags: view.getUint16(2), counts };
}

function writeHeader(message: Uint8Array, id: number, flags: number, counts: Counts): void {
  const view = viewOf(message);
  view.setUint16(0, id);
  view.setUint16(2, flags);
  counts.forEach((count, i) => {
    view.setUint16(4 + 2 * i, count);
  });
}

/** The first question. One whose name has a pointer is none: there is nothing yet to point to. */
function readQuestion(message: Uint8Array): DnsQuestion | null {
  const labels: string[] = [];
  let offset = HEADER_BYTES;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > 63) return null;
    offset += 1 + length;
    if (offset - HEADER_BYTES > NAME_BYTES_MAX || offset > message.length) return null;
    if (length === 0) break;
    labels.push(labelText(message.subarray(offset - length, offset)));
  }
  if (offset + 4 > message.length) return null;
  const view = viewOf(message);
  return {
    name: labels.join('.'),
    type: view.getUint16(offset),
    class: view.getUint16(offset + 2),
    bytes: new Uint8Array(message.subarray(HEADER_BYTES, offset + 4)),
  };
}

function readRecords(message: Uint8Array, start: number, counts: Counts) {
  const total = counts[1] + counts[2] + counts[3];
  if (total > RECORDS_MAX) return null;
  const view = viewOf(message);
  const addresses: string[] = [];
  const ttlOffsets: number[] = [];
  let ttlSeconds: number | null = null;
  let offset = start;
  for (let i = 0; i < total; i++) {
    const record = readRecord(message, offset);
    if (record === null) return null;
    offset = record.end;
    if (record.type === recordTypes.OPT) continue;
    ttlOffsets.push(record.ttlOffset);
    ttlSeconds = Math.min(ttlSeconds ?? Number.POSITIVE_INFINITY, ttlAt(view, record.ttlOffset));
    const address = i < counts[1] ? addressOf(record) : null;
    if (address !== null) addresses.push(address);
  }
  return { addresses, ttlOffsets, ttlSeconds };
}

interface RawRecord {
  readonly type: number;
  readonly class: number;
  readonly ttlOffset: number;
  readonly data: Uint8Array;
  readonly end: number;
}

function readRecord(message: Uint8Array, start: number): RawRecord | null {
  const offset = skipName(message, start);
  if (offset === null || offset + 10 > message.length) return null;
  const view = viewOf(message);
  const data = offset + 10;
  const end = data + view.getUint16(offset + 8);
  if (end > message.length) return null;
  return {
    type: view.getUint16(offset),
    class: view.getUint16(offset + 2),
    ttlOffset: offset + 4,
    data: message.subarray(data, end),
    end,
  };
}

/** The end of a name; its letters are of no interest. A pointer ends it, and must point back. */
function skipName(message: Uint8Array, start: number): number | null {
  let offset = start;
  for (;;) {
    const length = message[offset];
    if (length === undefined || offset - start > NAME_BYTES_MAX) return null;
    if (length === 0) return offset + 1;
    if (length >= 0xc0) {
      const low = message[offset + 1];
      if (low === undefined) return null;
      const target = ((length & 0x3f) << 8) | low;
      return target >= HEADER_BYTES && target < start ? offset + 2 : null;
    }
    if (length > 63) return null;
    offset += 1 + length;
  }
}

function addressOf({ type, class: kind, data }: RawRecord): string | null {
  if (kind !== CLASS_INTERNET) return null;
  if (type === recordTypes.A && data.length === 4) {
    return formatIpAddress({ family: 4, bytes: [...data] });
  }
  if (type === recordTypes.AAAA && data.length === 16) return canonicalV6([...data]);
  return null;
}

/** An IPv4-mapped address is the IPv4 address it stands for, as everywhere. */
function canonicalV6(bytes: number[]): string {
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff;
  if (mapped && bytes[11] === 0xff) return formatIpAddress({ family: 4, bytes: bytes.slice(12) });
  return formatIpAddress({ family: 6, bytes });
}

/** RFC 2181, 8: one with the highest bit set is zero. */
function ttlAt(view: DataView, offset: number): number {
  const ttl = view.getUint32(offset);
  return ttl > 0x7fff_ffff ? 0 : ttl;
}

function sameQuestion(one: DnsQuestion, other: DnsQuestion): boolean {
  return one.name === other.name && one.type === other.type && one.class === other.class;
}

function labelText(label: Uint8Array): string {
  return Array.from(label, (byte) => {
    const character = String.fromCharCode(lowerCase(byte));
    return /[a-z0-9_-]/.test(character) ? character : `\\${String(byte).padStart(3, '0')}`;
  }).join('');
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
