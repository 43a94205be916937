/** Reads a directory of the host into a tree, and the contents of its files into an image. */
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants, lstat, open, readdir, readlink } from 'node:fs/promises';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { ContentWriter, ImageFile } from './erofs/image-file.ts';
import { checkNode } from './erofs/limits.ts';
import type { Attributes, ByteString, Content, Directory, Node, Xattr } from './tree.ts';
import { byteStringOf, bytesOf, display } from './tree.ts';

const READ_BYTES = 1 << 20;
/** Files up to this size are read ahead, so many at a time: asking for one takes longer than reading it. */
const SMALL_BYTES_MAX = 1 << 16;
const AHEAD_MAX = 32;

/** What is known of a path before its turn comes. */
interface Inspected {
  readonly path: ByteString;
  readonly found: BigIntStats;
  /** Where a symbolic link leads, or the content of a small file. */
  readonly bytes: Buffer | null;
}

export interface WalkOptions {
  readonly xattrs?: ReadonlyMap<ByteString, readonly Xattr[]>;
  readonly signal?: AbortSignal;
}

/** One walk over a directory tree, in byte order of the names. */
export class DirectoryWalk {
  readonly #top: Buffer;
  readonly #image: ImageFile;
  readonly #options: WalkOptions;
  /** Files with several names, by device and inode number. */
  readonly #linked = new Map<string, Node>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  constructor(top: string, image: ImageFile, options: WalkOptions) {
    // The slash makes lstat() follow a symbolic link that leads to the directory.
    this.#top = Buffer.from(`${top}/`);
    this.#image = image;
    this.#options = options;
  }

  async run(): Promise<Directory> {
    const found = await lstat(this.#top, { bigint: true });
    const root = directoryNode(this.#attributes('', found));
    const pending: [ByteString, Directory][] = [['', root]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      pending.push(...(await this.#fill(...next)).reverse());
    }
    return root;
  }

  /** Reads what is in a directory. Returns the directories there, which are still to be read. */
  async #fill(path: ByteString, directory: Directory): Promise<[ByteString, Directory][]> {
    const names = await this.#attempt(path, (at) => readdir(at, { encoding: 'buffer' }));
    const sorted = names.map(byteStringOf).sort();
    const inside: [ByteString, Directory][] = [];
    for (let first = 0; first < sorted.length; first += AHEAD_MAX) {
      this.#options.signal?.throwIfAborted();
      const some = sorted.slice(first, first + AHEAD_MAX);
      const paths = some.map((name) => (path === '' ? name : `${path}/${name}`));
      const inspected = await Promise.all(paths.map((inner) => this.#inspect(inner)));
      for (const [i, each] of inspected.entries()) {
        const node = await this.#read(each);
        directory.entries.set(some[i] ?? '', node);
        if (node.kind === 'directory') inside.push([each.path, node]);
      }
    }
    return inside;
  }

  async #inspect(path: ByteString): Promise<Inspected> {
    const found = await this.#attempt(path, (at) => lstat(at, { bigint: true }));
    if (found.isSymbolicLink()) {
      const read = (at: Buffer) => readlink(at, { encoding: 'buffer' });
      return { path, found, bytes: await this.#attempt(path, read) };
    }
    const isSmall = found.isFile() && found.size > 0n && found.size <= SMALL_BYTES_MAX;
    return { path, found, bytes: isSmall ? await this.#readSmall(path, Number(found.size)) : null };
  }

  async #readSmall(path: ByteString, size: number): Promise<Buffer> {
    await using file = await this.#open(path);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(size), 0, size, 0);
    if (bytesRead < size) throw unreadable(path, 'it became shorter while it was read', null);
    return buffer;
  }

  async #read(inspected: Inspected): Promise<Node> {
    const { path, found } = inspected;
    const shared = found.nlink > 1n && !found.isDirectory();
    const key = `${found.dev}:${found.ino}`;
    const before = shared ? this.#linked.get(key) : undefined;
    if (before !== undefined) return before;
    const node = await this.#nodeOf(inspected);
    checkNode(path, node);
    if (shared) this.#linked.set(key, node);
    return node;
  }

  async #nodeOf({ path, found, bytes }: Inspected): Promise<Node> {
    const attributes = this.#attributes(path, found);
    if (found.isDirectory()) return directoryNode(attributes);
    if (found.isFile()) {
      return {
        kind: 'file',
        attributes,
        content: await this.#copy(path, Number(found.size), bytes),
      };
    }
    if (bytes !== null) return { kind: 'symlink', attributes, target: byteStringOf(bytes) };
    if (found.isFIFO()) return { kind: 'fifo', attributes };
    if (found.isSocket()) return { kind: 'socket', attributes };
    const kind = found.isBlockDevice() ? 'block' : 'character';
    return { kind, attributes, ...deviceNumbers(found.rdev) };
  }

  #attributes(path: ByteString, found: BigIntStats): Attributes {
    const nanoseconds = Number(mod(found.mtimeNs, NANOSECONDS));
    return {
      permissions: Number(found.mode) & 0o7777,
      uid: Number(found.uid),
      gid: Number(found.gid),
      seconds: Number((found.mtimeNs - BigInt(nanoseconds)) / NANOSECONDS),
      nanoseconds,
      xattrs: this.#options.xattrs?.get(path) ?? [],
    };
  }

  /** Copies a file's content, which may have been read already, into the image. */
  async #copy(path: ByteString, size: number, bytes: Buffer | null): Promise<Content> {
    const content = this.#image.reserve(size);
    const writer = this.#image.fill(content);
    if (bytes !== null) await writer.write(bytes);
    else if (size > 0) await this.#stream(path, writer);
    await writer.end();
    return content;
  }

  async #stream(path: ByteString, writer: ContentWriter): Promise<void> {
    await using file = await this.#open(path);
    while (writer.missing > 0) {
      this.#options.signal?.throwIfAborted();
      const length = Math.min(writer.missing, READ_BYTES);
      const { bytesRead } = await file.read(this.#buffer, 0, length, null);
      if (bytesRead === 0) throw unreadable(path, 'it became shorter while it was read', null);
      await writer.write(this.#buffer.subarray(0, bytesRead));
    }
  }

  /** Opens what was a regular file a moment ago, without following or waiting for what it is now. */
  #open(path: ByteString): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return this.#attempt(path, (at) => open(at, flags));
  }

  async #attempt<T>(path: ByteString, action: (at: Buffer) => Promise<T>): Promise<T> {
    try {
      return await action(Buffer.concat([this.#top, bytesOf(path)]));
    } catch (cause) {
      throw unreadable(path, messageOf(cause), cause);
    }
  }
}

const NANOSECONDS = 1_000_000_000n;

/** The remainder that is never negative. */
function mod(value: bigint, by: bigint): bigint {
  return ((value % by) + by) % by;
}

function directoryNode(attributes: Attributes): Directory {
  return { kind: 'directory', attributes, entries: new Map() };
}

/** gnu_dev_major() and gnu_dev_minor(): 32 bits each, folded into 64. */
function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

function unreadable(path: ByteString, why: string, cause: unknown): BoxliteError {
  return new BoxliteError(
    'Image',
    `Cannot read ${display(path)} for an image: ${why}; make it readable, or leave it out`,
    { cause },
  );
}
