// pure
/** What goes back to the guest's kernel. */

import type {
  VolumeEntry,
  VolumeFileType,
  VolumeSpace,
  VolumeStat,
} from '../spec/volume-provider.ts';
import {
  FUSE_MAJOR,
  FUSE_MINOR,
  modeTypes,
  NAME_BYTES_MAX,
  NOTIFY_INVAL_INODE,
  OUT_HEADER_BYTES,
} from './fuse-protocol.ts';

const ATTR_BYTES = 88;
const ENTRY_BYTES = 40 + ATTR_BYTES;
const INIT_BYTES = 64;
const STATFS_BYTES = 80;
const DIRENT_BYTES = 24;
const NS = 1_000_000_000n;
/** What a file's size takes in `st_blocks`. */
const BLOCK_BYTES = 512;
/** Large enough that nobody reads a volume in small pieces. */
const PREFERRED_BYTES = 128 * 1024;

/** A node as stat() in the guest shows it. */
export interface Attributes {
  readonly stat: VolumeStat;
  readonly inode: bigint;
  readonly uid: number;
  readonly gid: number;
}

/** How long the kernel may believe something, in ms. */
export interface Validity {
  readonly entryMs: number;
  readonly attributesMs: number;
}

/**
 * A reply without a body, or with an error: a negative number for the kernel. It is made in `room`, if that is given; what is in
 * its place there already stays.
 */
export function encodeReply(
  unique: bigint,
  errno: number,
  body: readonly Uint8Array[],
  room?: Uint8Array,
): Uint8Array {
  const length = body.reduce((sum, part) => sum + part.length, OUT_HEADER_BYTES);
  const reply = room?.subarray(0, length) ?? new Uint8Array(length);
  const view = viewOf(reply);
  view.setUint32(0, length, true);
  view.setInt32(4, -errno, true);
  view.setBigUint64(8, unique, true);
  let at = OUT_HEADER_BYTES;
  for (const part of body) {
    const isThere = part.buffer === reply.buffer && part.byteOffset === reply.byteOffset + at;
    if (!isThere) reply.set(part, at);
    at += part.length;
  }
  return reply;
}

/**
 * fuse_notify_inval_inode_out: the kernel asks for a node's attributes before it uses them again, and for the pages of a file
 * if those have changed. That it drops no pages by itself keeps it from waiting for a reply of ours meanwhile.
 */
export function encodeInvalidation(node: number): Uint8Array {
  const bytes = new Uint8Array(OUT_HEADER_BYTES + 24);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, true);
  view.setInt32(4, NOTIFY_INVAL_INODE, true);
  view.setBigUint64(OUT_HEADER_BYTES, BigInt(node), true);
  view.setBigInt64(OUT_HEADER_BYTES + 8, -1n, true);
  return bytes;
}

/** fuse_init_out. */
export function encodeInit(answer: {
  readonly minor: number;
  readonly readahead: number;
  readonly flags: number;
  readonly maxWrite: number;
  readonly maxPages: number;
  readonly background: number;
}): Uint8Array {
  const bytes = new Uint8Array(INIT_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, FUSE_MAJOR, true);
  view.setUint32(4, Math.min(answer.minor, FUSE_MINOR), true);
  view.setUint32(8, answer.readahead, true);
  view.setUint32(12, answer.flags, true);
  view.setUint16(16, answer.background, true);
  // When the kernel begins to wait before it sends more in the background.
  view.setUint16(18, Math.floor((answer.background * 3) / 4), true);
  view.setUint32(20, answer.maxWrite, true);
  // Times are kept to the nanosecond.
  view.setUint32(24, 1, true);
  view.setUint16(28, answer.maxPages, true);
  return bytes;
}

/** fuse_entry_out: a node that has been looked up once more. */
export function encodeEntry(node: number, attributes: Attributes, validity: Validity): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  putEntry(bytes, 0, node, attributes, validity);
  return bytes;
}

/** fuse_attr_out. */
export function encodeAttributes(attributes: Attributes, validity: Validity): Uint8Array {
  const bytes = new Uint8Array(16 + ATTR_BYTES);
  putSpan(bytes, 0, 8, validity.attributesMs);
  putAttributes(bytes, 16, attributes);
  return bytes;
}

/** fuse_open_out. */
export function encodeOpen(handle: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(handle), true);
  view.setUint32(8, flags, true);
  return bytes;
}

/** fuse_write_out and fuse_getxattr_out. */
export function encodeSize(size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, size, true);
  return bytes;
}

/** fuse_lseek_out. */
export function encodePosition(position: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(position), true);
  return bytes;
}

/** fuse_statfs_out. */
export function encodeSpace(space: VolumeSpace): Uint8Array {
  const bytes = new Uint8Array(STATFS_BYTES);
  const view = viewOf(bytes);
  const counts = [
    ...[space.blocks, space.freeBlocks, space.availableBlocks],
    ...[space.files, space.freeFiles],
  ];
  for (const [i, count] of counts.entries()) view.setBigUint64(8 * i, whole(count), true);
  view.setUint32(40, space.blockSize, true);
  view.setUint32(44, NAME_BYTES_MAX, true);
  view.setUint32(48, space.blockSize, true);
  return bytes;
}

/** Entries of a directory, as many as fit: fuse_dirent, and fuse_direntplus where their nodes are told too. */
export class DirectoryWriter {
  readonly #bytes: Uint8Array;
  readonly #plus: number;
  #at = 0;

  constructor(size: number, plus: boolean) {
    this.#bytes = new Uint8Array(size);
    this.#plus = plus ? ENTRY_BYTES : 0;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  fits(name: Uint8Array): boolean {
    return this.#at + this.#length(name) <= this.#bytes.length;
  }

  /** `next` is the position behind it; `node` is 0 if nothing but the name is told. */
  add(
    { name, type, inode }: VolumeEntry,
    next: number,
    node: { id: number; attributes: Attributes; validity: Validity } | null,
  ): void {
    if (node !== null && this.#plus > 0) {
      putEntry(this.#bytes, this.#at, node.id, node.attributes, node.validity);
    }
    const at = this.#at + this.#plus;
    const view = viewOf(this.#bytes);
    view.setBigUint64(at, inode ?? 1n, true);
    view.setBigUint64(at + 8, BigInt(next), true);
    view.setUint32(at + 16, name.length, true);
    view.setUint32(at + 20, modeTypes[type] >> 12, true);
    this.#bytes.set(name, at + DIRENT_BYTES);
    this.#at += this.#length(name);
  }

  #length(name: Uint8Array): number {
    return this.#plus + Math.ceil((DIRENT_BYTES + name.length) / 8) * 8;
  }
}

function putEntry(
  bytes: Uint8Array,
  at: number,
  node: number,
  attributes: Attributes,
  validity: Validity,
): void {
  viewOf(bytes).setBigUint64(at, BigInt(node), true);
  // The generation at 8 stays 0: numbers of nodes are not used again.
  putSpan(bytes, at + 16, at + 32, validity.entryMs);
  putSpan(bytes, at + 24, at + 36, validity.attributesMs);
  putAttributes(bytes, at + 40, attributes);
}

function putSpan(bytes: Uint8Array, secondsAt: number, nanosecondsAt: number, ms: number): void {
  const view = viewOf(bytes);
  view.setBigUint64(secondsAt, BigInt(Math.floor(ms / 1000)), true);
  view.setUint32(nanosecondsAt, (ms % 1000) * 1_000_000, true);
}

function putAttributes(bytes: Uint8Array, at: number, attributes: Attributes): void {
  const { stat, inode, uid, gid } = attributes;
  const view = viewOf(bytes);
  const size = stat.size ?? 0;
  view.setBigUint64(at, inode, true);
  view.setBigUint64(at + 8, whole(size), true);
  view.setBigUint64(at + 16, whole(stat.blocks ?? Math.ceil(size / BLOCK_BYTES)), true);
  for (const [i, time] of [stat.atimeNs, stat.mtimeNs, stat.ctimeNs].entries()) {
    const ns = time ?? 0n;
    const fraction = ((ns % NS) + NS) % NS;
    view.setBigInt64(at + 24 + 8 * i, (ns - fraction) / NS, true);
    view.setUint32(at + 48 + 4 * i, Number(fraction), true);
  }
  view.setUint32(at + 60, modeOf(stat.type, stat.mode), true);
  view.setUint32(at + 64, stat.links ?? 1, true);
  view.setUint32(at + 68, uid, true);
  view.setUint32(at + 72, gid, true);
  // The device's number at 76 stays 0: there is no device to be reached through a volume.
  view.setUint32(at + 80, PREFERRED_BYTES, true);
}

/** `st_mode`. */
function modeOf(type: VolumeFileType, permissions: number): number {
  return modeTypes[type] | (permissions & 0o7777);
}

/** A provider may say anything. */
function whole(count: number): bigint {
  return Number.isFinite(count) && count > 0 ? BigInt(Math.floor(count)) : 0n;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
