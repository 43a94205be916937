// pure
/**
 * The archive in which trees of files cross the wire, either way; `guest/archive.h` is its twin, and the tests of
 * both read test/vectors/archive.txt. It is a walk through the tree, told while it goes: a directory is entered,
 * what is in it follows, and it is left. So there are no paths, only names of one component, which lead nowhere.
 *
 *     length u32 | kind u8 | payload                     little-endian
 *     entry: mode u16 | link u32 | seconds i64 | nanoseconds u32 | name [NUL target]
 *
 * A file's content follows it as BYTES and HOLEs, and ends with the next record of another kind. `link` numbers the
 * files that have further names, from 1 in their order, for LINKs to name them by. Owners are not told: they are
 * the receiver's to choose.
 */
import type { BoxliteError } from '../../base/errors.ts';
import { violation } from '../../portal/frame.ts';

export const ARCHIVE_HEADER_BYTES = 5;
const ENTRY_BYTES = 18;
/** What a name in a directory may have on Linux. */
export const NAME_BYTES_MAX = 255;
/** What a symbolic link may lead to: a path without its NUL. */
const TARGET_BYTES_MAX = 4095;
/** Of one record of content. */
const CONTENT_BYTES_MAX = 1024 * 1024;
/** Directories inside one another: each takes a descriptor on either side. */
export const DEPTH_MAX = 1000;
const MODE_MAX = 0o7777;
const NANOSECONDS_MAX = 999_999_999;
const SLASH = 0x2f;

/** What kinds of records there are, by their numbers. */
export const archiveKinds = {
  directory: 1,
  file: 2,
  symlink: 3,
  link: 4,
  bytes: 5,
  hole: 6,
  up: 7,
  end: 8,
} as const;

/** A file, directory or link. */
export interface ArchiveEntry {
  readonly kind: 'directory' | 'file' | 'symlink' | 'link';
  readonly mode: number;
  readonly link: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly name: Buffer;
  /** Of a symbolic link, empty otherwise. */
  readonly target: Buffer;
}

/** Whatever an archive tells. Bytes come in pieces, as they arrive. */
export type ArchiveRecord =
  | ArchiveEntry
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'hole'; readonly length: number }
  | { readonly kind: 'up' }
  | { readonly kind: 'end' };

type Kind = keyof typeof archiveKinds;

const kindNames = new Map(
  Object.entries(archiveKinds).map(([name, number]) => [number as number, name as Kind]),
);

/** The least and the most a payload of each kind may have. */
const lengths: Readonly<Record<Kind, readonly [least: number, most: number]>> = {
  directory: [ENTRY_BYTES + 1, ENTRY_BYTES + NAME_BYTES_MAX],
  file: [ENTRY_BYTES + 1, ENTRY_BYTES + NAME_BYTES_MAX],
  symlink: [ENTRY_BYTES + 3, ENTRY_BYTES + NAME_BYTES_MAX + 1 + TARGET_BYTES_MAX],
  link: [ENTRY_BYTES + 1, ENTRY_BYTES + NAME_BYTES_MAX],
  bytes: [1, CONTENT_BYTES_MAX],
  hole: [8, 8],
  up: [0, 0],
  end: [0, 0],
};

/** Whether a name is of one component and leads nowhere else. */
export function isArchiveName(name: Buffer): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) return false;
  if (name.includes(SLASH) || name.includes(0)) return false;
  return !name.equals(Buffer.from('.')) && !name.equals(Buffer.from('..'));
}

/** Writes a record's header at `at`. */
export function putArchiveHeader(out: Buffer, at: number, kind: Kind, length: number): void {
  out.writeUInt32LE(length, at);
  out.writeUInt8(archiveKinds[kind], at + 4);
}

/** A whole record of an entry. */
export function encodeEntry(entry: ArchiveEntry): Buffer {
  const { kind, name, target } = entry;
  const isLink = kind === 'symlink';
  const length = ENTRY_BYTES + name.length + (isLink ? 1 + target.length : 0);
  const out = Buffer.alloc(ARCHIVE_HEADER_BYTES + length);
  putArchiveHeader(out, 0, kind, length);
  out.writeUInt16LE(entry.mode, 5);
  out.writeUInt32LE(entry.link, 7);
  out.writeBigInt64LE(BigInt(entry.seconds), 11);
  out.writeUInt32LE(entry.nanoseconds, 19);
  name.copy(out, ARCHIVE_HEADER_BYTES + ENTRY_BYTES);
  if (isLink) target.copy(out, ARCHIVE_HEADER_BYTES + ENTRY_BYTES + name.length + 1);
  return out;
}

/** A record without a payload. */
export function encodeMark(kind: 'up' | 'end'): Buffer {
  const out = Buffer.alloc(ARCHIVE_HEADER_BYTES);
  putArchiveHeader(out, 0, kind, 0);
  return out;
}

/** As many zeros that need no room. */
export function encodeHole(length: number): Buffer {
  const out = Buffer.alloc(ARCHIVE_HEADER_BYTES + 8);
  putArchiveHeader(out, 0, 'hole', 8);
  out.writeBigUInt64LE(BigInt(length), ARCHIVE_HEADER_BYTES);
  return out;
}

/** The header of a record: its kind, and how much follows. */
export function decodeHeader(bytes: Buffer): { kind: Kind; length: number } {
  const length = bytes.readUInt32LE(0);
  const kind = kindNames.get(bytes.readUInt8(4));
  if (kind === undefined) throw breach('a record of unknown kind');
  const [least, most] = lengths[kind];
  if (length < least || length > most)
    throw breach(`a record of wrong length (${kind}, ${length})`);
  return { kind, length };
}

/** The payload of an entry. */
export function decodeEntry(kind: ArchiveEntry['kind'], payload: Buffer): ArchiveEntry {
  const mode = payload.readUInt16LE(0);
  const link = payload.readUInt32LE(2);
  const nanoseconds = payload.readUInt32LE(14);
  if (mode > MODE_MAX || nanoseconds > NANOSECONDS_MAX) throw breach('a mode or time that is none');
  const numbered = kind === 'link' ? link > 0 : kind === 'file' || link === 0;
  if (!numbered) throw breach('a link number where none belongs');
  const text = payload.subarray(ENTRY_BYTES);
  const end = kind === 'symlink' ? text.indexOf(0) : text.length;
  if (end < 0) throw breach('a symbolic link without a target');
  const name = text.subarray(0, end);
  const target = text.subarray(end + 1);
  if (!isArchiveName(name)) throw breach('a bad name');
  const goodTarget = target.length > 0 && target.length <= TARGET_BYTES_MAX && !target.includes(0);
  if (kind === 'symlink' && !goodTarget) throw breach('a bad target of a symbolic link');
  const seconds = Number(payload.readBigInt64LE(6));
  return { kind, mode, link, seconds, nanoseconds, name, target };
}

/** The error for an archive that is none. */
function breach(what: string): BoxliteError {
  return violation(`its archive has ${what}`);
}
