/**
 * Reads EROFS images, strictly: an independent second opinion on what the writer makes, for where
 * the kernel's driver is out of reach. Written from Linux's fs/erofs/erofs_fs.h.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const BLOCK = 4096;
const TYPES = ['', 'file', 'directory', 'character', 'block', 'fifo', 'socket', 'symlink'];
/** S_IFMT. */
const FORMATS = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o020000, 'character'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
  [0o120000, 'symlink'],
]);
const PREFIXES = [
  '',
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  '',
  'security.',
];

/** What lstat(2) and its like say of a file. Byte strings throughout. */
export interface Seen {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  /** Of files and symbolic links. */
  readonly size: number;
  readonly seconds: bigint;
  readonly nanoseconds: number;
  readonly device: string | null;
  readonly target: string | null;
  readonly sha256: string | null;
  readonly xattrs: Readonly<Record<string, string>>;
  /** The same for all names of one file. */
  readonly inode: number;
}

/** Everything in an image by path, `` being the root. */
export function readErofs(image: Buffer): Map<string, Seen> {
  const reader = new Reader(image);
  const seen = new Map<string, Seen>();
  reader.walk('', reader.rootNid, reader.rootNid, seen);
  reader.checkLinks(seen);
  return seen;
}

class Reader {
  readonly rootNid: number;
  readonly #image: Buffer;
  readonly #metadata: number;
  readonly #inodes: bigint;
  /** Files with many names are read once. */
  readonly #known = new Map<number, { file: Seen; content: Buffer }>();

  constructor(image: Buffer) {
    this.#image = image;
    const sb = image.subarray(1024, 1024 + 128);
    assert.equal(sb.readUInt32LE(0), 0xe0f5e1e2);
    assert.ok(image.subarray(0, 1024).every((byte) => byte === 0));
    assert.equal(sb.readUInt32LE(4), checksum(image.subarray(1024, BLOCK)));
    assert.equal(sb.readUInt32LE(8), 1, 'feature_compat');
    assert.equal(sb.readUInt32LE(80), 0, 'feature_incompat');
    assert.equal(2 ** sb.readUInt8(12), BLOCK);
    assert.equal(sb.readUInt32LE(36) * BLOCK, image.length);
    this.rootNid = sb.readUInt16LE(14);
    this.#inodes = sb.readBigUInt64LE(16);
    this.#metadata = sb.readUInt32LE(40) * BLOCK;
  }

  walk(path: string, nid: number, parent: number, seen: Map<string, Seen>): void {
    const { file, content } = this.#inode(nid);
    seen.set(path, file);
    if (file.type !== 'directory') return;
    const entries = directoryEntries(content);
    const names = entries.map((entry) => entry.name);
    assert.deepEqual(
      names,
      [...new Set(names)].sort((a, b) => (a < b ? -1 : 1)),
      `order in ${path}`,
    );
    assert.equal(entries.find(({ name }) => name === '.')?.nid, nid);
    assert.equal(entries.find(({ name }) => name === '..')?.nid, parent);
    for (const entry of entries) {
      if (entry.name === '.' || entry.name === '..') continue;
      const inner = path === '' ? entry.name : `${path}/${entry.name}`;
      this.walk(inner, entry.nid, nid, seen);
      assert.equal(seen.get(inner)?.type, entry.type, inner);
    }
  }

  /** Link counts are what the tree says, and no inode is left over. */
  checkLinks(seen: ReadonlyMap<string, Seen>): void {
    const counts = new Map<number, number>();
    const add = (inode: number, by: number) => counts.set(inode, (counts.get(inode) ?? 0) + by);
    for (const [path, file] of seen) {
      add(file.inode, file.type === 'directory' ? 2 : 1);
      const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
      if (file.type === 'directory' && path !== '') add(seen.get(parent)?.inode ?? -1, 1);
    }
    for (const [path, file] of seen) assert.equal(file.links, counts.get(file.inode), path);
    assert.equal(BigInt(counts.size), this.#inodes);
  }

  #inode(nid: number): { file: Seen; content: Buffer } {
    const known = this.#known.get(nid) ?? this.#readInode(nid);
    if (known.file.links > 1 && known.file.type !== 'directory') this.#known.set(nid, known);
    return known;
  }

  #readInode(nid: number): { file: Seen; content: Buffer } {
    const at = this.#metadata + nid * 32;
    const inode = this.#image.subarray(at, at + 64);
    assert.equal(inode.readUInt16LE(0) & 1, 1, 'extended inode');
    const layout = inode.readUInt16LE(0) >> 1;
    const units = inode.readUInt16LE(2);
    const xattrBytes = units === 0 ? 0 : 12 + (units - 1) * 4;
    const mode = inode.readUInt16LE(4);
    const type = FORMATS.get(mode & 0o170000);
    assert.ok(type !== undefined, `mode ${mode.toString(8)}`);
    const size = Number(inode.readBigUInt64LE(8));
    const isDevice = type === 'character' || type === 'block';
    const where = isDevice ? 0 : inode.readUInt32LE(16);
    const content = this.#content(layout, size, where, at + 64 + xattrBytes);
    if (type === 'symlink' && layout === 2) checkFastSymlink(at, xattrBytes + size);
    const hasBytes = type === 'file' || type === 'symlink';
    const file = {
      type,
      mode: mode & 0o7777,
      uid: inode.readUInt32LE(24),
      gid: inode.readUInt32LE(28),
      links: inode.readUInt32LE(44),
      size: hasBytes ? size : 0,
      seconds: inode.readBigInt64LE(32),
      nanoseconds: inode.readUInt32LE(40),
      device: isDevice ? deviceOf(inode.readUInt32LE(16)) : null,
      target: type === 'symlink' ? content.toString('latin1') : null,
      sha256: type === 'file' ? createHash('sha256').update(content).digest('hex') : null,
      xattrs: xattrsOf(this.#image.subarray(at + 64, at + 64 + xattrBytes)),
      inode: nid,
    };
    return { file, content };
  }

  #content(layout: number, size: number, block: number, inlineAt: number): Buffer {
    const tail = layout === 2 ? size % BLOCK : 0;
    assert.ok(layout === 0 || (layout === 2 && tail > 0), `layout ${layout}`);
    assert.ok(tail === 0 || (inlineAt % BLOCK) + tail <= BLOCK, 'a tail stays in one block');
    const full = size - tail;
    assert.ok(full === 0 || block > 0);
    const end = block * BLOCK + full;
    assert.ok(end <= this.#image.length);
    const rest = this.#image.subarray(end, Math.ceil(end / BLOCK) * BLOCK);
    assert.ok(
      full === 0 || rest.every((byte) => byte === 0),
      'the last block is filled with zeros',
    );
    return Buffer.concat([
      this.#image.subarray(block * BLOCK, end),
      this.#image.subarray(inlineAt, inlineAt + tail),
    ]);
  }
}

/** erofs_fill_symlink() of Linux 6.1: the target is in the block in which the inode ends. */
function checkFastSymlink(inodeAt: number, bytesAfter: number): void {
  const end = ((inodeAt + 63) % BLOCK) + 1;
  assert.ok(end + bytesAfter <= BLOCK, 'inline data cross block boundary');
}

function directoryEntries(content: Buffer): { name: string; nid: number; type: string }[] {
  const entries = [];
  for (let start = 0; start < content.length; start += BLOCK) {
    const block = content.subarray(start, start + BLOCK);
    const count = block.readUInt16LE(8) / 12;
    assert.ok(Number.isInteger(count) && count > 0);
    for (let i = 0; i < count; i++) {
      const from = block.readUInt16LE(i * 12 + 8);
      const to = i + 1 < count ? block.readUInt16LE((i + 1) * 12 + 8) : block.length;
      const raw = block.toString('latin1', from, to);
      const name = i + 1 < count ? raw : (raw.split('\0')[0] ?? '');
      assert.ok(name !== '' && !name.includes('\0'));
      const type = TYPES[block.readUInt8(i * 12 + 10)] ?? '';
      entries.push({ name, nid: Number(block.readBigUInt64LE(i * 12)), type });
    }
  }
  return entries;
}

function xattrsOf(body: Buffer): Record<string, string> {
  const xattrs: Record<string, string> = {};
  if (body.length === 0) return xattrs;
  assert.equal(body.readUInt8(4), 0, 'no shared attributes');
  for (let at = 12; at < body.length; ) {
    const nameBytes = body.readUInt8(at);
    const valueBytes = body.readUInt16LE(at + 2);
    const name = body.toString('latin1', at + 4, at + 4 + nameBytes);
    const value = body.subarray(at + 4 + nameBytes, at + 4 + nameBytes + valueBytes);
    xattrs[`${PREFIXES[body.readUInt8(at + 1)]}${name}`] = value.toString('hex');
    at += Math.ceil((4 + nameBytes + valueBytes) / 4) * 4;
  }
  return xattrs;
}

function deviceOf(code: number): string {
  const minor = ((code & 0xff) | ((code >>> 12) & 0xfff00)) >>> 0;
  return `${(code >>> 8) & 0xfff}:${minor}`;
}

/** CRC-32C without the final inversion, of the superblock with its own field zero. */
function checksum(superblock: Buffer): number {
  let crc = 0xffffffff;
  for (const [at, byte] of superblock.entries()) {
    crc ^= at >= 4 && at < 8 ? 0 : byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return crc >>> 0;
}
