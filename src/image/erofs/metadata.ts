// pure
/** The bytes of everything that comes after the data area, as `layout.ts` has placed it. */
import { type ByteString, bytesOf, type Directory, type Node } from '../tree.ts';
import { type DirectoryEntry, encodeDirectory } from './directory-blocks.ts';
import * as format from './format.ts';
import { alignBlock, headOf, type Layout, type Placed, tailOf } from './layout.ts';
import { encodeXattrs } from './xattrs.ts';

const { INODE_BYTES, SLOT_BYTES } = format;
/** How much of the inodes is put together at a time. */
const PIECE_BYTES = 1 << 16;

/** Everything after the data area, in pieces: first the blocks of directories and long links. */
export function* metadataOf(layout: Layout): Generator<Buffer> {
  for (const placed of layout.placed.values()) {
    const bytes = placed.size - tailOf(placed.node, placed.size);
    if (bytes === 0 || !isMadeHere(placed.node)) continue;
    yield contentOf(layout, placed).subarray(0, bytes);
    yield padding(bytes);
  }
  yield* inodeArea(layout);
}

/** A file's content was written when it came. */
function isMadeHere({ kind }: Node): boolean {
  return kind === 'directory' || kind === 'symlink';
}

/** The inodes in the order of their places, some in one piece. */
function* inodeArea(layout: Layout): Generator<Buffer> {
  const placed = [...layout.placed.values()].sort((a, b) => a.offset - b.offset);
  let start = 0;
  let batch: Placed[] = [];
  for (const next of placed) {
    if (next.offset - start >= PIECE_BYTES) {
      yield encodeBatch(layout, batch, start, next.offset);
      start = next.offset;
      batch = [];
    }
    batch.push(next);
  }
  const last = placed.at(-1);
  const end = last === undefined ? 0 : last.offset + lengthOf(last);
  yield encodeBatch(layout, batch, start, alignBlock(end));
}

function encodeBatch(layout: Layout, batch: readonly Placed[], start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start);
  for (const placed of batch) {
    const at = placed.offset - start;
    encodeNode(layout, placed, bytes.subarray(at, at + lengthOf(placed)));
  }
  return bytes;
}

/** What a node takes in the metadata area. */
function lengthOf({ node, size }: Placed): number {
  return headOf(node) + tailOf(node, size);
}

/** Zeros up to the next block. */
function padding(length: number): Buffer {
  return Buffer.alloc(alignBlock(length) - length);
}

/** The inode, its extended attributes and its tail, which fill `into`. */
function encodeNode(layout: Layout, placed: Placed, into: Buffer): void {
  const { node, size } = placed;
  const head = headOf(node);
  const tailBytes = into.length - head;
  format.encodeInode(into, 0, {
    kind: node.kind,
    attributes: node.attributes,
    layout: tailBytes > 0 ? format.LAYOUT_INLINE : format.LAYOUT_PLAIN,
    size,
    links: placed.links,
    location: placed.location,
    xattrBytes: head - INODE_BYTES,
    serial: placed.offset / SLOT_BYTES,
  });
  if (head > INODE_BYTES) encodeXattrs(node.attributes.xattrs).copy(into, INODE_BYTES);
  if (tailBytes > 0) tailContent(layout, placed, tailBytes).copy(into, head);
}

/** The last bytes of a content. */
function tailContent(layout: Layout, placed: Placed, bytes: number): Buffer {
  const { node } = placed;
  if (node.kind === 'file' && node.content.tail !== null) return node.content.tail;
  return contentOf(layout, placed).subarray(placed.size - bytes);
}

/** The whole content of a directory or symbolic link. */
function contentOf(layout: Layout, placed: Placed): Buffer {
  const { node } = placed;
  if (node.kind === 'symlink') return bytesOf(node.target);
  if (node.kind !== 'directory') throw new Error(`a ${node.kind} has no content in the metadata`);
  const entries = placed.names.map((name) => entryOf(layout, placed, node, name));
  return encodeDirectory(entries, placed.size);
}

function entryOf(
  layout: Layout,
  placed: Placed,
  directory: Directory,
  name: ByteString,
): DirectoryEntry {
  const node = name === '..' ? placed.parent : (directory.entries.get(name) ?? directory);
  const target = layout.placed.get(node);
  if (target === undefined) throw new Error('an entry was not placed');
  return { name, nid: target.offset / SLOT_BYTES, type: format.entryType(node.kind) };
}
