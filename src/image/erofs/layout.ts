// pure
/**
 * Decides where every inode and directory goes.
 *
 *     block 0        superblock
 *     data area      file contents, each from a block boundary on, already written as they came
 *     directories    full blocks of directories, and of links too long to lie beside their inode
 *     metadata       inodes, each followed by its extended attributes and by the last part of its
 *                    content, if that is short ("inline tail")
 *
 * The data comes first because the sizes of the rest are known only when everything has been seen;
 * that is what lets file contents stream to the disk. An inline tail may not cross a block; the gap
 * an inode leaves when it moves to the next block is filled by smaller ones that follow.
 */
import { BoxliteError } from '../../base/errors.ts';
import type { ByteString, Directory, Node } from '../tree.ts';
import { directorySize, sortedNames } from './directory-blocks.ts';
import * as format from './format.ts';
import { xattrBytes } from './xattrs.ts';

const { BLOCK_BYTES, INODE_BYTES, SLOT_BYTES } = format;
/**
 * A larger tail gets a block of its own: the less a block would waste, the less it is worth the
 * memory in which a file's tail waits, and the gaps it leaves.
 */
export const TAIL_BYTES_MAX = BLOCK_BYTES / 4;
/** How many gaps are remembered. More would be filled, but looking for one takes time. */
const GAPS_MAX = 16;
/** Nothing is at 0: an inode with number 0 looks like a deleted entry to programs. */
const FIRST_INODE = SLOT_BYTES;
/** Blocks are counted in 32 bits. */
const BLOCKS_MAX = 0xffffffff;

/** Where a node is. */
export interface Placed {
  readonly node: Node;
  readonly size: number;
  /** First block of the content that is not inline, or the device number. */
  readonly location: number;
  /** Offset in the metadata area. */
  readonly offset: number;
  links: number;
  /** What `..` is, for directories. */
  readonly parent: Directory;
  /** The names of a directory, in order. */
  readonly names: readonly ByteString[];
}

/** Where everything is. */
export interface Layout {
  readonly superblock: format.SuperblockFields;
  /** First block of what comes after the data area. */
  readonly firstBlock: number;
  readonly placed: ReadonlyMap<Node, Placed>;
}

/** Places a whole tree after `dataBlocks` blocks (the superblock's included). */
export function layOut(root: Directory, dataBlocks: number): Layout {
  const placer = new Placer(dataBlocks);
  placer.place(root, root);
  const pending: Directory[] = [root];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    pending.push(...placer.placeEntries(at).reverse());
  }
  return placer.finish(root, dataBlocks);
}

class Placer {
  readonly #placed = new Map<Node, Placed>();
  #nextBlock: number;
  #end = FIRST_INODE;
  /** Gaps left between inodes, from the one left first on. */
  readonly #gaps: { from: number; to: number }[] = [];

  constructor(dataBlocks: number) {
    this.#nextBlock = dataBlocks;
  }

  /** Places the entries of a directory side by side. Returns its directories, in order. */
  placeEntries(directory: Directory): Directory[] {
    const own = this.#known(directory);
    const inner: Directory[] = [];
    for (const name of own.names) {
      const node = directory.entries.get(name);
      if (node === undefined) continue;
      const before = this.#placed.get(node);
      if (before !== undefined) before.links++;
      else this.place(node, directory);
      if (node.kind === 'directory') {
        own.links++;
        inner.push(node);
      }
    }
    return inner;
  }

  place(node: Node, parent: Directory): void {
    const names = node.kind === 'directory' ? sortedNames(node.entries.keys()) : NO_NAMES;
    const size = sizeOf(node, names);
    const tailBytes = tailOf(node, size);
    this.#placed.set(node, {
      node,
      size,
      location: this.#locate(node, size - tailBytes),
      offset: this.#reserve(...partsOf(node, tailBytes)),
      links: node.kind === 'directory' ? 2 : 1,
      parent,
      names,
    });
  }

  finish(root: Directory, firstBlock: number): Layout {
    const blocks = this.#nextBlock + Math.ceil(this.#end / BLOCK_BYTES);
    if (blocks > BLOCKS_MAX) {
      throw new BoxliteError(
        'Image',
        `cannot write an image of ${blocks} blocks: EROFS holds 2^32`,
      );
    }
    const superblock = {
      rootNid: this.#known(root).offset / SLOT_BYTES,
      inodes: this.#placed.size,
      blocks,
      metadataBlock: this.#nextBlock,
    };
    return { superblock, firstBlock, placed: this.#placed };
  }

  #known(node: Node): Placed {
    const placed = this.#placed.get(node);
    if (placed === undefined) throw new Error('a directory was entered before it was placed');
    return placed;
  }

  /** What i_u holds: the first block of the content, or the device number. */
  #locate(node: Node, bytesInBlocks: number): number {
    if (node.kind === 'file') return node.content.block;
    if (node.kind === 'character' || node.kind === 'block') {
      return format.encodeDevice(node.major, node.minor);
    }
    if (bytesInBlocks === 0) return 0;
    const first = this.#nextBlock;
    this.#nextBlock += Math.ceil(bytesInBlocks / BLOCK_BYTES);
    return first;
  }

  /** Finds room for a head and a tail that stays within one block. */
  #reserve(headBytes: number, tailBytes: number): number {
    const inGap = this.#reserveInGap(headBytes, tailBytes);
    if (inGap !== null) return inGap;
    let offset = this.#end;
    if (!tailStaysInBlock(offset + headBytes, tailBytes)) {
      offset = alignSlot(alignBlock(offset + headBytes) - headBytes);
      this.#gaps.push({ from: this.#end, to: offset });
      if (this.#gaps.length > GAPS_MAX) this.#gaps.shift();
    }
    this.#end = alignSlot(offset + headBytes + tailBytes);
    return offset;
  }

  #reserveInGap(headBytes: number, tailBytes: number): number | null {
    const bytes = headBytes + tailBytes;
    const fits = ({ from, to }: { from: number; to: number }) =>
      from + bytes <= to && tailStaysInBlock(from + headBytes, tailBytes);
    const index = this.#gaps.findIndex(fits);
    const gap = this.#gaps[index];
    if (gap === undefined) return null;
    const offset = gap.from;
    gap.from = alignSlot(offset + bytes);
    if (gap.to - gap.from < INODE_BYTES) this.#gaps.splice(index, 1);
    return offset;
  }
}

const NO_NAMES: readonly ByteString[] = [];

/** Length of the inode with its extended attributes. */
export function headOf(node: Node): number {
  return INODE_BYTES + xattrBytes(node.attributes.xattrs);
}

function sizeOf(node: Node, names: readonly ByteString[]): number {
  if (node.kind === 'directory') return directorySize(names);
  if (node.kind === 'file') return node.content.size;
  return node.kind === 'symlink' ? node.target.length : 0;
}

/**
 * What may lie across blocks, and what may not. Linux 6.1 as it came out refuses a symbolic link whose
 * inline target is not in the block of its inode.
 */
function partsOf(node: Node, tailBytes: number): [head: number, tail: number] {
  const head = headOf(node);
  return node.kind === 'symlink' && tailBytes > 0 ? [0, head + tailBytes] : [head, tailBytes];
}

/** How many bytes of the content go inline. */
export function tailOf(node: Node, size: number): number {
  if (node.kind === 'file') return node.content.tail?.length ?? 0;
  if (node.kind === 'symlink') return headOf(node) + size <= BLOCK_BYTES ? size : 0;
  const tail = node.kind === 'directory' ? size % BLOCK_BYTES : 0;
  return tail <= TAIL_BYTES_MAX ? tail : 0;
}

function tailStaysInBlock(offset: number, bytes: number): boolean {
  return bytes === 0 || (offset % BLOCK_BYTES) + bytes <= BLOCK_BYTES;
}

function alignSlot(offset: number): number {
  return Math.ceil(offset / SLOT_BYTES) * SLOT_BYTES;
}

/** Up to the next block. */
export function alignBlock(offset: number): number {
  return Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
}
