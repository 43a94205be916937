// pure
/**
 * A file system as plain data: what the layers of an image, or a directory, come to, before it is
 * written as an EROFS image.
 *
 * Names, link targets and attribute names are bytes, not text. They are kept as *byte strings*: one
 * character of code 0..255 for each byte (Node's `latin1`). Such a string is a map key, sorts as its
 * bytes do, and takes one byte a character in memory.
 *
 * A file with several hard links is one node found under several names.
 */
import { printable } from './json-document.ts';

/** One character of code 0..255 for each byte. */
export type ByteString = string;

export interface Xattr {
  /** With its prefix, `security.capability`. */
  readonly name: ByteString;
  readonly value: Uint8Array;
}

/** What every node has. */
export interface Attributes {
  /** The low twelve bits of `st_mode`: permissions, set-id and sticky. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Modification time: whole seconds since 1970, rounded down, may be negative. */
  readonly seconds: number;
  /** The rest of the modification time, 0..999 999 999. */
  readonly nanoseconds: number;
  readonly xattrs: readonly Xattr[];
}

/** Where a file's bytes are. */
export interface Content {
  /** All but the tail: where it begins in the image file, a block's number. 0 if there is nothing. */
  readonly block: number;
  /** With the tail. */
  readonly size: number;
  /** The last bytes, less than a block of them, if they are to lie beside the inode. */
  readonly tail: Buffer | null;
}

export interface Directory {
  readonly kind: 'directory';
  attributes: Attributes;
  readonly entries: Map<ByteString, Node>;
}

export interface RegularFile {
  readonly kind: 'file';
  attributes: Attributes;
  readonly content: Content;
}

export interface Symlink {
  readonly kind: 'symlink';
  attributes: Attributes;
  readonly target: ByteString;
}

export interface Device {
  readonly kind: 'character' | 'block';
  attributes: Attributes;
  readonly major: number;
  readonly minor: number;
}

export interface Special {
  readonly kind: 'fifo' | 'socket';
  attributes: Attributes;
}

export type Node = Directory | RegularFile | Symlink | Device | Special;

/** The bytes a byte string stands for. */
export function bytesOf(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The byte string that stands for these bytes. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** A byte string as people read it: UTF-8 where it is, bounded, quoted. */
export function display(text: ByteString): string {
  return JSON.stringify(printable(bytesOf(text).toString('utf8')));
}
