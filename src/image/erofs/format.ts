// pure
/**
 * The EROFS on-disk structures we write, as in Linux's fs/erofs/erofs_fs.h (6.1). Little-endian.
 * Uncompressed, one device, extended inodes only: a compact inode has no time of its own.
 */
import type { Attributes, Node } from '../tree.ts';

export const BLOCK_BYTES = 4096;
/** EROFS_SUPER_OFFSET: what precedes is left to boot loaders, and is zero. */
const SUPERBLOCK_OFFSET = 1024;
const MAGIC = 0xe0f5e1e2;
/** EROFS_FEATURE_COMPAT_SB_CHKSUM. */
const FEATURE_CHECKSUM = 1;

/** struct erofs_inode_extended. */
export const INODE_BYTES = 64;
/** A node's number (`nid`) counts these from the start of the metadata area. */
export const SLOT_BYTES = 32;
/** struct erofs_dirent, without the name. */
export const DIRENT_BYTES = 12;

/** enum: EROFS_INODE_FLAT_PLAIN, EROFS_INODE_FLAT_INLINE. */
export const LAYOUT_PLAIN = 0;
export const LAYOUT_INLINE = 2;
/** Bit 0 of i_format: extended. */
const FORMAT_EXTENDED = 1;
const FORMAT_LAYOUT_SHIFT = 1;

interface TypeCodes {
  /** S_IFMT bits of st_mode. */
  readonly mode: number;
  /** file_type of a directory entry, FT_* of include/linux/fs_types.h. */
  readonly entry: number;
}

const TYPE_CODES: Record<Node['kind'], TypeCodes> = {
  file: { mode: 0o100000, entry: 1 },
  directory: { mode: 0o040000, entry: 2 },
  character: { mode: 0o020000, entry: 3 },
  block: { mode: 0o060000, entry: 4 },
  fifo: { mode: 0o010000, entry: 5 },
  socket: { mode: 0o140000, entry: 6 },
  symlink: { mode: 0o120000, entry: 7 },
};

/** The file_type code of a directory entry. */
export function entryType(kind: Node['kind']): number {
  return TYPE_CODES[kind].entry;
}

export interface SuperblockFields {
  readonly rootNid: number;
  readonly inodes: number;
  readonly blocks: number;
  /** First block of the area that holds the inodes. */
  readonly metadataBlock: number;
}

/** Block 0 of the image: struct erofs_super_block at byte 1024, with its checksum. */
export function encodeSuperblock(fields: SuperblockFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const at = SUPERBLOCK_OFFSET;
  block.writeUInt32LE(MAGIC, at);
  block.writeUInt32LE(FEATURE_CHECKSUM, at + 8);
  block.writeUInt8(Math.log2(BLOCK_BYTES), at + 12);
  block.writeUInt16LE(fields.rootNid, at + 14);
  block.writeBigUInt64LE(BigInt(fields.inodes), at + 16);
  block.writeUInt32LE(fields.blocks, at + 36);
  block.writeUInt32LE(fields.metadataBlock, at + 40);
  block.writeUInt32LE(crc32c(block.subarray(at)), at + 4);
  return block;
}

export interface InodeFields {
  readonly kind: Node['kind'];
  readonly attributes: Attributes;
  readonly layout: number;
  readonly size: number;
  readonly links: number;
  /** First block of the data, or the device number. */
  readonly location: number;
  /** Length of the extended attributes that follow, 0 if none. */
  readonly xattrBytes: number;
  /** Unique number, for 32-bit stat only. */
  readonly serial: number;
}

/** struct erofs_inode_extended, written at `at`. */
export function encodeInode(target: Buffer, at: number, fields: InodeFields): void {
  const { attributes } = fields;
  target.writeUInt16LE(FORMAT_EXTENDED | (fields.layout << FORMAT_LAYOUT_SHIFT), at);
  target.writeUInt16LE(xattrCount(fields.xattrBytes), at + 2);
  target.writeUInt16LE(TYPE_CODES[fields.kind].mode | attributes.permissions, at + 4);
  target.writeBigUInt64LE(BigInt(fields.size), at + 8);
  target.writeUInt32LE(fields.location, at + 16);
  target.writeUInt32LE(fields.serial, at + 20);
  target.writeUInt32LE(attributes.uid, at + 24);
  target.writeUInt32LE(attributes.gid, at + 28);
  target.writeBigInt64LE(BigInt(attributes.seconds), at + 32);
  target.writeUInt32LE(attributes.nanoseconds, at + 40);
  target.writeUInt32LE(fields.links, at + 44);
}

/** i_xattr_icount: the header counts as one, then each four bytes. */
function xattrCount(bytes: number): number {
  return bytes === 0 ? 0 : (bytes - XATTR_HEADER_BYTES) / 4 + 1;
}

/** struct erofs_xattr_ibody_header. */
export const XATTR_HEADER_BYTES = 12;
/** struct erofs_xattr_entry, without name and value. */
export const XATTR_ENTRY_BYTES = 4;
/** i_xattr_icount is 16 bits. */
export const XATTR_BYTES_MAX = XATTR_HEADER_BYTES + (0xffff - 1) * 4;

/** new_encode_dev() of include/linux/kdev_t.h: 12 bits of major, 20 bits of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export const MAJOR_MAX = 0xfff;
export const MINOR_MAX = 0xfffff;

/** CRC-32C from ~0 without the final inversion, as erofs_superblock_csum_verify() computes it. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc >>> 0;
}
