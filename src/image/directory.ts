/** A directory of the host as an image disk. */
import type { BigIntStats } from 'node:fs';
import { constants, lstat, open, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { ImageFile } from './erofs/image-file.ts';
import { checkNode } from './erofs/limits.ts';
import type { Attributes, ByteString, Content, Directory, Node, Xattr } from './tree.ts';
import { byteStringOf, bytesOf, display } from './tree.ts';

export interface DirectoryOptions {
  /**
   * Extended attributes by path relative to the directory (`''` is the directory itself). Node has
   * no call that reads them, so whoever can (see `parseGetfattr()`) passes them in.
   */
  readonly xattrs?: ReadonlyMap<ByteString, readonly Xattr[]>;
  readonly signal?: AbortSignal;
}

const READ_BYTES = 1 << 20;

/**
 * Writes a read-only EROFS image of `directory` to `destination`, which appears complete or not at
 * all. The same directory gives the same bytes. Owners, modes and times are those that lstat(2)
 * shows; hard links within the directory are kept.
 *
 * @throws BoxliteError `InvalidArgument` if there is no such directory or the destination lies in
 * it; `Image` if something in it cannot be read
 */
export async function imageFromDirectory(
  directory: string,
  destination: string,
  options: DirectoryOptions = {},
): Promise<void> {
  await checkPlaces(directory, destination);
  await using image = await ImageFile.create(destination);
  const root = await new Walk(directory, image, options).run();
  await image.finish(root);
}

async function checkPlaces(directory: string, destination: string): Promise<void> {
  const found = await stat(directory).catch(() => null);
  if (!found?.isDirectory()) {
    throw new BoxliteError(
      'InvalidArgument',
      `Cannot make an image of "${directory}": expected a directory that exists`,
    );
  }
  const inner = join(await realpath(dirname(destination)), basename(destination));
  if (inner.startsWith((await realpath(directory)).replace(/\/*$/, sep))) {
    throw new BoxliteError(
      'InvalidArgument',
      `Cannot make an image of "${directory}" inside itself, at "${destination}"`,
    );
  }
}

/** One walk over a directory tree, in byte order of the names. */
class Walk {
  readonly #top: Buffer;
  readonly #image: ImageFile;
  readonly #options: DirectoryOptions;
  /** Files with several names, by device and inode number. */
  readonly #linked = new Map<string, Node>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  constructor(top: string, image: ImageFile, options: DirectoryOptions) {
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
      const [path, directory] = next;
      const inside: typeof pending = [];
      for (const name of await this.#namesIn(path)) {
        this.#options.signal?.throwIfAborted();
        const inner = path === '' ? name : `${path}/${name}`;
        const node = await this.#read(inner);
        directory.entries.set(name, node);
        if (node.kind === 'directory') inside.push([inner, node]);
      }
      pending.push(...inside.reverse());
    }
    return root;
  }

  async #namesIn(path: ByteString): Promise<ByteString[]> {
    const names = await this.#attempt(path, (at) => readdir(at, { encoding: 'buffer' }));
    return names.map(byteStringOf).sort();
  }

  async #read(path: ByteString): Promise<Node> {
    const found = await this.#attempt(path, (at) => lstat(at, { bigint: true }));
    const shared = found.nlink > 1n && !found.isDirectory();
    const key = `${found.dev}:${found.ino}`;
    const before = shared ? this.#linked.get(key) : undefined;
    if (before !== undefined) return before;
    const node = await this.#nodeOf(path, found);
    checkNode(path, node);
    if (shared) this.#linked.set(key, node);
    return node;
  }

  async #nodeOf(path: ByteString, found: BigIntStats): Promise<Node> {
    const attributes = this.#attributes(path, found);
    if (found.isDirectory()) return directoryNode(attributes);
    if (found.isFile()) {
      return { kind: 'file', attributes, content: await this.#copy(path, Number(found.size)) };
    }
    if (found.isSymbolicLink()) {
      const target = await this.#attempt(path, (at) => readlink(at, { encoding: 'buffer' }));
      return { kind: 'symlink', attributes, target: byteStringOf(target) };
    }
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

  /** Copies a file's content into the image. */
  async #copy(path: ByteString, size: number): Promise<Content> {
    const content = this.#image.reserve(size);
    if (size === 0) return content;
    const writer = this.#image.fill(content);
    await using file = await this.#attempt(path, (at) =>
      open(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
    );
    while (writer.missing > 0) {
      this.#options.signal?.throwIfAborted();
      const length = Math.min(writer.missing, READ_BYTES);
      const { bytesRead } = await file.read(this.#buffer, 0, length, null);
      if (bytesRead === 0) throw unreadable(path, 'it became shorter while it was read', null);
      await writer.write(this.#buffer.subarray(0, bytesRead));
    }
    await writer.end();
    return content;
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
