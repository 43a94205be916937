// pure
/**
 * The content of an EROFS directory: blocks, each an array of entries and then their names. All
 * entries, `.` and `..` among them, are in byte order, which the kernel's binary search relies on.
 */
import { type ByteString, bytesOf } from '../tree.ts';
import { BLOCK_BYTES, DIRENT_BYTES } from './format.ts';

export interface DirectoryEntry {
  readonly name: ByteString;
  readonly nid: number;
  /** FT_* */
  readonly type: number;
}

/** The names of a directory as its blocks hold them: with `.` and `..`, in byte order. */
export function sortedNames(names: Iterable<ByteString>): ByteString[] {
  return ['.', '..', ...names].sort(byBytes);
}

/** Byte strings compare as their bytes do. */
function byBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Length of a directory with these names: every block but the last counts as full. */
export function directorySize(names: readonly ByteString[]): number {
  let size = 0;
  let used = 0;
  for (const name of names) {
    const bytes = DIRENT_BYTES + name.length;
    if (used + bytes > BLOCK_BYTES) {
      size += BLOCK_BYTES;
      used = 0;
    }
    used += bytes;
  }
  return size + used;
}

/** The directory's content, of exactly {@link directorySize} bytes. */
export function encodeDirectory(entries: readonly DirectoryEntry[], size: number): Buffer {
  const content = Buffer.alloc(size);
  let start = 0;
  for (let first = 0; first < entries.length; start += BLOCK_BYTES) {
    const end = endOfBlock(entries, first);
    encodeBlock(content.subarray(start), entries.slice(first, end));
    first = end;
  }
  return content;
}

/** Index after the last entry that fits in a block beginning with entry `first`. */
function endOfBlock(entries: readonly DirectoryEntry[], first: number): number {
  let used = 0;
  for (let index = first; index < entries.length; index++) {
    used += DIRENT_BYTES + (entries[index]?.name.length ?? 0);
    if (used > BLOCK_BYTES) return index;
  }
  return entries.length;
}

/** struct erofs_dirent for each entry, then the names. */
function encodeBlock(block: Buffer, entries: readonly DirectoryEntry[]): void {
  let nameAt = entries.length * DIRENT_BYTES;
  for (const [index, { name, nid, type }] of entries.entries()) {
    const at = index * DIRENT_BYTES;
    block.writeBigUInt64LE(BigInt(nid), at);
    block.writeUInt16LE(nameAt, at + 8);
    block.writeUInt8(type, at + 10);
    block.set(bytesOf(name), nameAt);
    nameAt += name.length;
  }
}
