// pure
/**
 * The 512-byte header of a tar member (POSIX.1-1988 ustar, GNU tar's tar.h).
 * What is accepted follows Go's archive/tar, which is what container tools read layers with.
 */
import { type ByteString, byteStringOf } from '../tree.ts';
import { BLOCK_BYTES } from './demand.ts';
import { tarError } from './entry.ts';
import type { Fragment } from './sparse.ts';

/** Numbers beyond what a double counts exactly are rounded; nobody takes them as they are. */
export interface RawHeader {
  /** The character that says what the member is; `\0` is an old `0`. */
  readonly flag: string;
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
  readonly isGnu: boolean;
}

type Dialect = 'v7' | 'ustar' | 'star' | 'gnu';

/**
 * Reads a header block that is not all zeros.
 * @throws BoxliteError `Image`
 */
export function parseHeader(block: Buffer, position: number): RawHeader {
  if (!hasChecksum(block)) throw tarError(position, 'the header has a wrong checksum');
  const dialect = dialectOf(block);
  const number = (from: number, length: number, what: string) => {
    const value = parseNumber(block.subarray(from, from + length));
    if (value === null) throw tarError(position, `the header's ${what} is not a number`);
    return value;
  };
  const size = number(124, 12, 'size');
  if (size < 0) throw tarError(position, `the header's size is negative: ${size}`);
  return {
    flag: String.fromCharCode(block.readUInt8(156)),
    name: joinPrefix(prefixOf(block, dialect), text(block, 0, 100)),
    linkName: text(block, 157, 100),
    mode: number(100, 8, 'mode'),
    uid: number(108, 8, 'uid'),
    gid: number(116, 8, 'gid'),
    size,
    mtime: number(136, 12, 'mtime'),
    major: dialect === 'v7' ? 0 : number(329, 8, 'devmajor'),
    minor: dialect === 'v7' ? 0 : number(337, 8, 'devminor'),
    isGnu: dialect === 'gnu',
  };
}

/** Whether a block is all zeros, as the two that end an archive are. */
export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZERO_BLOCK);
}
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** The sum of all bytes, with spaces for the sum itself. Old tars added up signed bytes. */
function hasChecksum(block: Buffer): boolean {
  const expected = parseOctal(block.subarray(148, 156));
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] ?? 0;
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  return expected === unsigned || expected === signed;
}

function dialectOf(block: Buffer): Dialect {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar  \0') return 'gnu';
  if (!magic.startsWith('ustar\0')) return 'v7';
  return block.toString('latin1', 508, 512) === 'tar\0' ? 'star' : 'ustar';
}

function prefixOf(block: Buffer, dialect: Dialect): ByteString {
  if (dialect === 'ustar') return text(block, 345, 155);
  if (dialect === 'star') return text(block, 345, 131);
  return dialect === 'gnu' ? misplacedPrefix(block) : '';
}

/**
 * GNU keeps times where ustar has the prefix. Go before 1.8, which old Docker images were made
 * with, wrote a prefix there all the same: it shows by not being two numbers.
 */
function misplacedPrefix(block: Buffer): ByteString {
  const isTime = (from: number) =>
    block[from] === 0 || parseNumber(block.subarray(from, from + 12)) !== null;
  if (isTime(345) && isTime(357)) return '';
  const prefix = text(block, 345, 155);
  return [...prefix].every((character) => character < '\x80') ? prefix : '';
}

function joinPrefix(prefix: ByteString, name: ByteString): ByteString {
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** A field up to its first zero byte. */
function text(block: Buffer, from: number, length: number): ByteString {
  return untilZero(block.subarray(from, from + length));
}

/** Everything before the first zero byte. */
export function untilZero(bytes: Buffer): ByteString {
  const end = bytes.indexOf(0);
  return byteStringOf(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or a binary number marked by the first bit (GNU, star). Null if it is neither. */
function parseNumber(field: Buffer): number | null {
  const first = field[0] ?? 0;
  if ((first & 0x80) === 0) return parseOctal(field);
  let value = BigInt(first & 0x7f);
  for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
  value = BigInt.asIntN(8 * field.length - 1, value);
  return value === BigInt.asIntN(64, value) ? Number(value) : null;
}

const SPACE = 0x20;
const ZERO = 0x30;

/** Octal digits among spaces and zero bytes; nothing at all is zero. */
function parseOctal(field: Buffer): number | null {
  let start = 0;
  let end = field.length;
  while (start < end && isPadding(field[start])) start++;
  while (end > start && isPadding(field[end - 1])) end--;
  let value = 0;
  for (let at = start; at < end && field[at] !== 0; at++) {
    const digit = (field[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 7) return null;
    value = value * 8 + digit;
  }
  return value;
}

function isPadding(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}

/** The part of an old GNU sparse file's header that says where its data belong. */
export interface OldSparse {
  readonly fragments: Fragment[];
  /** Whether a block with more of them follows. */
  readonly continues: boolean;
}

/** Four places from byte 386 on, and byte 482. */
export function parseOldSparse(block: Buffer, position: number): OldSparse & { realSize: number } {
  const realSize = parseNumber(block.subarray(483, 495));
  if (realSize === null) throw tarError(position, 'the size of a sparse file is not a number');
  return { ...places(block, 386, 4, position), continues: block[482] !== 0, realSize };
}

/** A block of 21 places, and byte 504. */
export function parseMoreSparse(block: Buffer, position: number): OldSparse {
  return { ...places(block, 0, 21, position), continues: block[504] !== 0 };
}

function places(block: Buffer, from: number, count: number, position: number) {
  const fragments: Fragment[] = [];
  for (let at = from; at < from + count * 24 && block[at] !== 0; at += 24) {
    const offset = parseNumber(block.subarray(at, at + 12));
    const length = parseNumber(block.subarray(at + 12, at + 24));
    if (offset === null || length === null) {
      throw tarError(position, 'a place in a sparse file is not a number');
    }
    fragments.push({ offset, length });
  }
  return { fragments };
}
