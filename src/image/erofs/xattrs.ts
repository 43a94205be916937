// pure
/** Extended attributes as EROFS keeps them after an inode: inline, name prefixes as numbers. */
import { type ByteString, bytesOf, display, type Xattr } from '../tree.ts';
import { XATTR_BYTES_MAX, XATTR_ENTRY_BYTES, XATTR_HEADER_BYTES } from './format.ts';

/** EROFS_XATTR_INDEX_*. The two access lists are whole names; the others are followed by more. */
const PREFIXES: readonly (readonly [prefix: ByteString, index: number])[] = [
  ['user.', 1],
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['trusted.', 4],
  ['security.', 6],
];
/** e_name_len is one byte, e_value_size two. */
const NAME_BYTES_MAX = 255;
const VALUE_BYTES_MAX = 65535;

/** Whether EROFS has a way to store an attribute of this name. */
export function isStorable(name: ByteString): boolean {
  return split(name) !== null;
}

function split(name: ByteString): { index: number; rest: ByteString } | null {
  for (const [prefix, index] of PREFIXES) {
    const isPrefix = prefix.endsWith('.');
    if (isPrefix ? name.startsWith(prefix) && name.length > prefix.length : name === prefix) {
      return { index, rest: name.slice(prefix.length) };
    }
  }
  return null;
}

/** Length of what {@link encodeXattrs} gives. */
export function xattrBytes(xattrs: readonly Xattr[]): number {
  if (xattrs.length === 0) return 0;
  let bytes = XATTR_HEADER_BYTES;
  for (const { name, value } of xattrs) {
    const rest = split(name)?.rest.length ?? name.length;
    bytes += align4(XATTR_ENTRY_BYTES + rest + value.length);
  }
  return bytes;
}

/** struct erofs_xattr_ibody_header and the entries, in byte order of their names. */
export function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  const body = Buffer.alloc(xattrBytes(xattrs));
  let at = XATTR_HEADER_BYTES;
  for (const { name, value } of xattrs.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const parts = split(name);
    if (parts === null) throw new Error(`unchecked attribute name ${display(name)}`);
    body.writeUInt8(parts.rest.length, at);
    body.writeUInt8(parts.index, at + 1);
    body.writeUInt16LE(value.length, at + 2);
    bytesOf(parts.rest).copy(body, at + XATTR_ENTRY_BYTES);
    body.set(value, at + XATTR_ENTRY_BYTES + parts.rest.length);
    at += align4(XATTR_ENTRY_BYTES + parts.rest.length + value.length);
  }
  return body;
}

/** Why the format cannot hold these attributes, or null if it can. */
export function xattrProblem(xattrs: readonly Xattr[]): string | null {
  for (const { name, value } of xattrs) {
    const rest = split(name)?.rest;
    if (rest === undefined) return `EROFS has no attributes named ${display(name)}`;
    if (rest.length > NAME_BYTES_MAX || value.length > VALUE_BYTES_MAX) {
      return (
        `its attribute ${display(name)} has ${rest.length} bytes of name and ${value.length} of ` +
        `value, at most ${NAME_BYTES_MAX} and ${VALUE_BYTES_MAX} are allowed`
      );
    }
  }
  const total = xattrBytes(xattrs);
  if (total <= XATTR_BYTES_MAX) return null;
  return `it has ${total} bytes of attributes, at most ${XATTR_BYTES_MAX} are allowed`;
}

function align4(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
