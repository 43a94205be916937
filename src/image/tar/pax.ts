// pure
/** Extended headers (POSIX.1-2001 "pax"): records of `LENGTH KEY=VALUE\n`. */
import { type ByteString, byteStringOf, type Xattr } from '../tree.ts';
import { tarError } from './entry.ts';

/** Keys and values, both byte strings. */
export type PaxRecords = Map<ByteString, ByteString>;

/** The most an extended header may take, as in Go's archive/tar. */
export const PAX_BYTES_MAX = 1 << 20;

const XATTR_PREFIX = 'SCHILY.xattr.';

/**
 * Reads the content of an extended header.
 * @throws BoxliteError `Image`
 */
export function parsePax(content: Buffer, position: number): PaxRecords {
  const records: PaxRecords = new Map();
  const places: ByteString[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const digits = space < 0 ? '' : content.toString('latin1', at, space);
    const end = at + Number(/^[0-9]{1,7}$/.test(digits) ? digits : 0);
    if (end < space + 2 || end > content.length || content[end - 1] !== 0x0a) {
      throw tarError(position, 'an extended header has a record of a wrong length');
    }
    addRecord(byteStringOf(content.subarray(space + 1, end - 1)), records, places, position);
    at = end;
  }
  if (places.length > 0) records.set('GNU.sparse.map', places.join(','));
  return records;
}

function addRecord(record: ByteString, into: PaxRecords, places: ByteString[], position: number) {
  const equals = record.indexOf('=');
  const key = record.slice(0, equals);
  const value = record.slice(equals + 1);
  const isText = key === 'path' || key === 'linkpath' || key === 'GNU.sparse.name';
  if (equals < 1 || (isText ? value : key).includes('\0')) {
    throw tarError(position, 'an extended header has a record that is not "key=value"');
  }
  // The first sparse format repeats a pair of keys for each place.
  if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
    if ((places.length % 2 === 0) !== (key === 'GNU.sparse.offset') || value.includes(',')) {
      throw tarError(position, 'the places of a sparse file are not pairs');
    }
    places.push(value);
  } else {
    into.set(key, value);
  }
}

/** A record as a whole number, or undefined if it is absent or empty. */
export function paxInteger(records: PaxRecords, key: string, position: number): number | undefined {
  const value = records.get(key);
  if (value === undefined || value === '') return undefined;
  if (!/^[+-]?[0-9]{1,20}$/.test(value)) {
    throw tarError(position, `the extended header's ${key} is not a number`);
  }
  return Number(value);
}

/** A time as whole seconds, rounded down, and nanoseconds; digits beyond those are dropped. */
export function paxTime(
  records: PaxRecords,
  position: number,
): { seconds: number; nanoseconds: number } | undefined {
  const value = records.get('mtime');
  if (value === undefined || value === '') return undefined;
  const match = /^([+-]?)([0-9]{1,20})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw tarError(position, "the extended header's mtime is not a time");
  const [, sign, whole = '0', fraction = ''] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign !== '-') return { seconds, nanoseconds };
  if (nanoseconds === 0) return { seconds: 0 - seconds, nanoseconds };
  return { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

const NO_XATTRS: readonly Xattr[] = [];

/** Extended attributes. Empty values mean "not set", as they do for every tool written in Go. */
export function paxXattrs(records: PaxRecords): readonly Xattr[] {
  if (records.size === 0) return NO_XATTRS;
  const xattrs: Xattr[] = [];
  for (const [key, value] of records) {
    if (!key.startsWith(XATTR_PREFIX) || value === '') continue;
    xattrs.push({ name: key.slice(XATTR_PREFIX.length), value: Buffer.from(value, 'latin1') });
  }
  return xattrs;
}
