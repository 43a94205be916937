// pure
/** Requests of the guest's kernel, or of whoever claims to be it: bytes in, checked values out. */

import { type ErrorName, VolumeError } from './errno.ts';
import {
  ATTRIBUTE_BYTES_MAX,
  ATTRIBUTE_NAME_BYTES_MAX,
  GETATTR_FH,
  IN_HEADER_BYTES,
  NAME_BYTES_MAX,
  OPEN_KILL_SUIDGID,
  opcodes,
  PATH_BYTES_MAX,
  WRITE_KILL_SUIDGID,
} from './fuse-protocol.ts';
import { breach } from './message-splitter.ts';

/** What every request begins with. */
export interface FuseHeader {
  readonly opcode: number;
  /** Bytes of the whole message. */
  readonly bytes: number;
  /** Names the request; its reply repeats it. */
  readonly unique: bigint;
  readonly node: number;
  /** Who asks, in the guest. */
  readonly uid: number;
  readonly gid: number;
}

/**
 * `kills`: set-id bits are to go. A number of nodes or bytes beyond 2^53 has lost its last bits: it names nothing, and no file
 * is so large.
 */
export type FuseOperation =
  | { readonly op: 'lookup'; readonly name: Buffer }
  | { readonly op: 'forget'; readonly forgets: readonly Forget[] }
  | { readonly op: 'getattr'; readonly handle: number | null }
  | ({ readonly op: 'setattr' } & SetAttributes)
  | { readonly op: 'readlink' }
  | { readonly op: 'symlink'; readonly name: Buffer; readonly target: Buffer }
  | { readonly op: 'mknod'; readonly name: Buffer; readonly mode: number }
  | { readonly op: 'mkdir'; readonly name: Buffer; readonly mode: number }
  | { readonly op: 'unlink'; readonly name: Buffer }
  | { readonly op: 'rmdir'; readonly name: Buffer }
  | {
      readonly op: 'rename';
      readonly name: Buffer;
      readonly target: number;
      readonly targetName: Buffer;
      readonly flags: number;
    }
  | { readonly op: 'link'; readonly source: number; readonly name: Buffer }
  | { readonly op: 'open'; readonly flags: number; readonly kills: boolean }
  | {
      readonly op: 'read';
      readonly handle: number;
      readonly position: number;
      readonly size: number;
    }
  | {
      readonly op: 'write';
      readonly handle: number;
      readonly position: number;
      readonly data: Uint8Array;
      readonly kills: boolean;
    }
  | { readonly op: 'statfs' }
  | { readonly op: 'release'; readonly handle: number }
  | { readonly op: 'fsync'; readonly handle: number; readonly flags: number }
  | {
      readonly op: 'setxattr';
      readonly attribute: string;
      readonly value: Buffer;
      readonly flags: number;
    }
  | { readonly op: 'getxattr'; readonly attribute: string; readonly size: number }
  | { readonly op: 'listxattr'; readonly size: number }
  | { readonly op: 'removexattr'; readonly attribute: string }
  | { readonly op: 'flush'; readonly handle: number }
  | {
      readonly op: 'init';
      readonly major: number;
      readonly minor: number;
      readonly readahead: number;
      readonly flags: number;
    }
  | { readonly op: 'opendir' }
  | {
      readonly op: 'readdir';
      readonly plus: boolean;
      readonly handle: number;
      readonly position: number;
      readonly size: number;
    }
  | { readonly op: 'releasedir'; readonly handle: number }
  | { readonly op: 'fsyncdir' }
  | { readonly op: 'access' }
  | {
      readonly op: 'create';
      readonly name: Buffer;
      readonly mode: number;
      readonly flags: number;
    }
  | { readonly op: 'interrupt'; readonly interrupted: bigint }
  | { readonly op: 'destroy' }
  | {
      readonly op: 'fallocate';
      readonly handle: number;
      readonly position: number;
      readonly length: number;
      readonly mode: number;
    }
  | {
      readonly op: 'lseek';
      readonly handle: number;
      readonly position: number;
      readonly whence: number;
    }
  | {
      readonly op: 'copyFileRange';
      readonly handle: number;
      readonly position: number;
      readonly targetHandle: number;
      readonly targetPosition: number;
      readonly length: number;
    }
  /** It is well-formed, and yet nothing that can be done. */
  | { readonly op: 'refused'; readonly code: ErrorName }
  | { readonly op: 'unknown' };

/** A node is known that many times less. */
export interface Forget {
  readonly node: number;
  readonly lookups: number;
}

/** Which of them count, `valid` says. */
export interface SetAttributes {
  readonly valid: number;
  readonly handle: number;
  readonly size: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A whole request. */
export type FuseRequest = FuseHeader & FuseOperation;

/** The request with one operation's fields. */
export type RequestOf<Op extends FuseOperation['op']> = FuseHeader &
  Extract<FuseOperation, { op: Op }>;

/**
 * Reads one message, as {@link MessageSplitter} cuts them. Unknown operations are `unknown`.
 * @throws BoxliteError `Portal` if it is none that a kernel would write: cut short, with bytes to spare, or with a
 * name that is no name.
 */
export function decodeRequest(message: Uint8Array): FuseRequest {
  const reader = new Reader(message);
  const bytes = reader.u32();
  const opcode = reader.u32();
  const unique = reader.big();
  const node = reader.u64();
  const [uid, gid] = [reader.u32(), reader.u32()];
  // The process, and where extensions begin, of which we ask for none.
  reader.skip(8);
  if (bytes !== message.length) throw breach('a request of another length than it says');
  const header = { opcode, bytes, unique, node, uid, gid };
  const operation = decoders.get(opcode);
  if (operation === undefined) return { ...header, op: 'unknown' };
  try {
    const request = { ...header, ...operation(reader, node) };
    reader.end();
    return request;
  } catch (error) {
    if (error instanceof VolumeError) return { ...header, op: 'refused', code: error.code };
    throw error;
  }
}

type Decode = (reader: Reader, node: number) => FuseOperation;

const decoders: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [opcodes.lookup, (reader) => ({ op: 'lookup', name: reader.name() })],
  [
    opcodes.forget,
    (reader, node) => ({ op: 'forget', forgets: [{ node, lookups: reader.u64() }] }),
  ],
  [opcodes.batchForget, decodeBatchForget],
  [opcodes.getattr, decodeGetattr],
  [opcodes.setattr, decodeSetattr],
  [opcodes.readlink, () => ({ op: 'readlink' })],
  [
    opcodes.symlink,
    (reader) => ({ op: 'symlink', name: reader.name(), target: reader.text(PATH_BYTES_MAX) }),
  ],
  [
    opcodes.mknod,
    (reader) => {
      const mode = reader.u32();
      // The device's number, the umask (already applied), padding.
      reader.skip(12);
      return { op: 'mknod', mode, name: reader.name() };
    },
  ],
  [
    opcodes.mkdir,
    (reader) => {
      const mode = reader.u32();
      reader.skip(4);
      return { op: 'mkdir', mode, name: reader.name() };
    },
  ],
  [opcodes.unlink, (reader) => ({ op: 'unlink', name: reader.name() })],
  [opcodes.rmdir, (reader) => ({ op: 'rmdir', name: reader.name() })],
  [
    opcodes.rename,
    (reader) => {
      const target = reader.u64();
      return { op: 'rename', target, flags: 0, name: reader.name(), targetName: reader.name() };
    },
  ],
  [
    opcodes.rename2,
    (reader) => {
      const target = reader.u64();
      const flags = reader.u32();
      reader.skip(4);
      return { op: 'rename', target, flags, name: reader.name(), targetName: reader.name() };
    },
  ],
  [opcodes.link, (reader) => ({ op: 'link', source: reader.u64(), name: reader.name() })],
  [opcodes.open, (reader) => ({ op: 'open', ...openIn(reader) })],
  [
    opcodes.opendir,
    (reader) => {
      reader.skip(8);
      return { op: 'opendir' };
    },
  ],
  [opcodes.read, (reader) => ({ op: 'read', ...readIn(reader) })],
  [opcodes.readdir, (reader) => ({ op: 'readdir', plus: false, ...readIn(reader) })],
  [opcodes.readdirplus, (reader) => ({ op: 'readdir', plus: true, ...readIn(reader) })],
  [opcodes.write, decodeWrite],
  [opcodes.statfs, () => ({ op: 'statfs' })],
  [opcodes.release, (reader) => ({ op: 'release', ...handleAnd(reader, 16) })],
  [opcodes.releasedir, (reader) => ({ op: 'releasedir', ...handleAnd(reader, 16) })],
  [opcodes.flush, (reader) => ({ op: 'flush', ...handleAnd(reader, 16) })],
  [opcodes.fsync, (reader) => ({ op: 'fsync', ...fsyncIn(reader) })],
  [opcodes.fsyncdir, (reader) => ({ op: 'fsyncdir', ...fsyncIn(reader) })],
  [opcodes.setxattr, decodeSetxattr],
  [
    opcodes.getxattr,
    (reader) => {
      const size = sizeIn(reader);
      return { op: 'getxattr', size, attribute: reader.attribute() };
    },
  ],
  [opcodes.listxattr, (reader) => ({ op: 'listxattr', size: sizeIn(reader) })],
  [opcodes.removexattr, (reader) => ({ op: 'removexattr', attribute: reader.attribute() })],
  [opcodes.init, decodeInit],
  [
    opcodes.access,
    (reader) => {
      reader.skip(8);
      return { op: 'access' };
    },
  ],
  [
    opcodes.create,
    (reader) => {
      const flags = reader.u32();
      const mode = reader.u32();
      // The umask, which has been applied already, and what to take away from a file that is there already.
      reader.skip(8);
      return { op: 'create', flags, mode, name: reader.name() };
    },
  ],
  [opcodes.interrupt, (reader) => ({ op: 'interrupt', interrupted: reader.big() })],
  [opcodes.destroy, () => ({ op: 'destroy' })],
  [
    opcodes.fallocate,
    (reader) => {
      const [handle, position, length] = [reader.u64(), reader.u64(), reader.u64()];
      const mode = reader.u32();
      reader.skip(4);
      return { op: 'fallocate', handle, position, length, mode };
    },
  ],
  [
    opcodes.lseek,
    (reader) => {
      const [handle, position] = [reader.u64(), reader.u64()];
      const whence = reader.u32();
      reader.skip(4);
      return { op: 'lseek', handle, position, whence };
    },
  ],
  [opcodes.copyFileRange, decodeCopyFileRange],
]);

function decodeBatchForget(reader: Reader): FuseOperation {
  const count = reader.u32();
  reader.skip(4);
  if (count * 16 !== reader.left) throw breach('a batch of another length than it says');
  const forgets = Array.from({ length: count }, () => ({
    node: reader.u64(),
    lookups: reader.u64(),
  }));
  return { op: 'forget', forgets };
}

function decodeGetattr(reader: Reader): FuseOperation {
  const flags = reader.u32();
  reader.skip(4);
  const handle = reader.u64();
  return { op: 'getattr', handle: (flags & GETATTR_FH) !== 0 ? handle : null };
}

function decodeSetattr(reader: Reader): FuseOperation {
  const valid = reader.u32();
  reader.skip(4);
  const [handle, size] = [reader.u64(), reader.u64()];
  reader.skip(8);
  const [atime, mtime] = [reader.signed(), reader.signed()];
  // The time of the change itself is the host's to say.
  reader.skip(8);
  const [atimeNs, mtimeNs] = [instant(atime, reader.u32()), instant(mtime, reader.u32())];
  reader.skip(4);
  const mode = reader.u32();
  reader.skip(4);
  const [uid, gid] = [reader.u32(), reader.u32()];
  reader.skip(4);
  return { op: 'setattr', valid, handle, size, atimeNs, mtimeNs, mode, uid, gid };
}

function instant(seconds: bigint, nanoseconds: number): bigint {
  return seconds * 1_000_000_000n + BigInt(nanoseconds);
}

function decodeWrite(reader: Reader): FuseOperation {
  const { handle, position, size, flags } = readIn(reader);
  if (size !== reader.left) throw breach('a write of another length than it says');
  const kills = (flags & WRITE_KILL_SUIDGID) !== 0;
  return { op: 'write', handle, position, kills, data: reader.bytes(size) };
}

function decodeSetxattr(reader: Reader): FuseOperation {
  const [size, flags] = [reader.u32(), reader.u32()];
  const attribute = reader.attribute();
  if (size !== reader.left || size > ATTRIBUTE_BYTES_MAX) {
    throw breach('an attribute of another length than it says');
  }
  return { op: 'setxattr', attribute, flags, value: Buffer.from(reader.bytes(size)) };
}

function decodeInit(reader: Reader): FuseOperation {
  const [major, minor] = [reader.u32(), reader.u32()];
  const [readahead, flags] = [reader.u32(), reader.u32()];
  // Newer kernels say more.
  reader.skip(reader.left);
  return { op: 'init', major, minor, readahead, flags };
}

function decodeCopyFileRange(reader: Reader): FuseOperation {
  const [handle, position] = [reader.u64(), reader.u64()];
  // The target's node, which its handle tells already.
  reader.skip(8);
  const [targetHandle, targetPosition, length] = [reader.u64(), reader.u64(), reader.u64()];
  reader.skip(8);
  return { op: 'copyFileRange', handle, position, targetHandle, targetPosition, length };
}

function openIn(reader: Reader) {
  const flags = reader.u32();
  return { flags, kills: (reader.u32() & OPEN_KILL_SUIDGID) !== 0 };
}

/** The beginning of READ, WRITE and READDIR, which is alike. */
function readIn(reader: Reader) {
  const [handle, position] = [reader.u64(), reader.u64()];
  const size = reader.u32();
  const flags = reader.u32();
  reader.skip(16);
  return { handle, position, size, flags };
}

function handleAnd(reader: Reader, more: number) {
  const handle = reader.u64();
  reader.skip(more);
  return { handle };
}

function fsyncIn(reader: Reader) {
  const handle = reader.u64();
  const flags = reader.u32();
  reader.skip(4);
  return { handle, flags };
}

function sizeIn(reader: Reader): number {
  const size = reader.u32();
  reader.skip(4);
  return size;
}

/** Takes a message apart from its start; every step is within it, or a breach. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    if (bytes.length < IN_HEADER_BYTES) throw breach('a request without a header');
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Inexact beyond 2^53. */
  u64(): number {
    return Number(this.big());
  }

  big(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  signed(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  skip(length: number): void {
    this.#take(length);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Bytes up to a NUL. The copy outlives the message. */
  text(limit: number): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0 || end === this.#at) throw breach('a text without an end, or without a beginning');
    if (end - this.#at > limit) throw breach(`a text of more than ${limit} bytes`);
    const text = Buffer.from(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  /** A name in a directory: one component, and no way up. */
  name(): Buffer {
    const name = this.text(PATH_BYTES_MAX);
    // The kernel leaves it to us to say that.
    if (name.length > NAME_BYTES_MAX) throw new VolumeError('ENAMETOOLONG');
    if (!isName(name)) throw breach(`the name ${JSON.stringify(name.toString('latin1'))}`);
    return name;
  }

  attribute(): string {
    return this.text(ATTRIBUTE_NAME_BYTES_MAX).toString('latin1');
  }

  end(): void {
    if (this.left > 0) throw breach(`${this.left} bytes behind a request`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.left) throw breach('a request that is cut short');
    this.#at += length;
    return at;
  }
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether these bytes name an entry of a directory, and nothing else. */
export function isName(name: Uint8Array): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) return false;
  if (name.includes(SLASH) || name.includes(0)) return false;
  return name.length > 2 || name.some((byte) => byte !== DOT);
}
