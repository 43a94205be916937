// pure
/** A member's header and the extended headers before it, made one description. */
import type { ByteString } from '../tree.ts';
import { type TarEntry, type TarEntryType, tarError } from './entry.ts';
import type { RawHeader } from './header.ts';
import * as pax from './pax.ts';

/** What the members before an entry say about it. */
export interface Extensions {
  readonly records: pax.PaxRecords;
  readonly longName: ByteString;
  readonly longLink: ByteString;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  // Contiguous files, and GNU's old sparse ones.
  '7': 'file',
  S: 'file',
};

/** How many bytes the member takes in the archive, if it is one with a content. */
export function storedSize(raw: RawHeader, extensions: Extensions, position: number): number {
  const size = pax.paxInteger(extensions.records, 'size', position) ?? raw.size;
  return boundedSize(size, position);
}

/** The entry, of `stored` bytes if it is a file. */
export function buildEntry(
  raw: RawHeader,
  extensions: Extensions,
  stored: number,
  position: number,
): TarEntry {
  const { records } = extensions;
  const name = extensions.longName || records.get('path') || raw.name;
  const type = typeOf(raw.flag, name, position);
  const time = pax.paxTime(records, position) ?? { seconds: raw.mtime, nanoseconds: 0 };
  return {
    type,
    name,
    linkName: extensions.longLink || records.get('linkpath') || raw.linkName,
    attributes: {
      permissions: permissionsOf(raw.mode),
      uid: pax.paxInteger(records, 'uid', position) ?? raw.uid,
      gid: pax.paxInteger(records, 'gid', position) ?? raw.gid,
      seconds: clampTime(time.seconds),
      nanoseconds: time.nanoseconds,
      xattrs: pax.paxXattrs(records),
    },
    size: type === 'file' ? stored : 0,
    major: raw.major,
    minor: raw.minor,
  };
}

function typeOf(flag: string, name: ByteString, position: number): TarEntryType {
  // Before ustar, a directory was a file whose name ends with a slash.
  if (flag === '\0' && name.endsWith('/')) return 'directory';
  const type = TYPES[flag];
  if (type !== undefined) return type;
  throw tarError(position, `a member of the unknown type ${JSON.stringify(flag)}`);
}

/** Old tars wrote the type among these bits. */
function permissionsOf(mode: number): number {
  return ((mode % 0o10000) + 0o10000) % 0o10000;
}

/** A size that a number counts exactly. */
export function boundedSize(size: number, position: number): number {
  if (size >= 0 && Number.isSafeInteger(size)) return size;
  throw tarError(position, `a member claims a size of ${size} bytes`);
}

/** Times beyond what a number counts exactly, 285 million years, are as good as that. */
function clampTime(seconds: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, seconds));
}
