/** Reads a tree of the host's files into an archive, as it goes. */
import { type BigIntStats, constants, type Dirent } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { systemCode } from '../../base/errors.ts';
import { type ArchiveEntry, DEPTH_MAX, encodeEntry, encodeHole, encodeMark } from './archive.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import type { HostDirectory } from './host-directory.ts';

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const MODE = 0o7777n;
const BLOCK = 512n;
const SECOND_NS = 1_000_000_000n;
/** Holes of smaller files are not looked for, nor smaller holes. */
const HOLE_BYTES_MIN = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** How a tree is read. */
export interface HostReaderOptions {
  /** Symbolic links are copied as what they lead to. */
  readonly follow: boolean;
}

export class HostReader {
  readonly #out: ArchiveWriter;
  readonly #follow: boolean;
  /** Numbers of the files with further names, by where they are. */
  readonly #linked = new Map<string, number>();
  /** The directories it is in: a link that leads back to one has no end. */
  readonly #ancestors: string[] = [];
  /** What it works on, for errors. */
  current = '';

  constructor(out: ArchiveWriter, options: HostReaderOptions) {
    this.#out = out;
    this.#follow = options.follow;
  }

  /** One entry, with all below it. Sockets, FIFOs and devices are left out. */
  async entry(directory: HostDirectory, name: Buffer, as = name): Promise<void> {
    this.current = name.toString('utf8');
    const path = directory.at(name);
    const found = await lstat(path, { bigint: true });
    if (found.isSymbolicLink() && !this.#follow) return this.#symlink(path, found, as);
    if (found.isFile()) return this.#file(path, as);
    if (found.isDirectory()) return this.#directory(directory, name, as);
    if (!found.isSymbolicLink()) return;
    // Followed: whatever it leads to is opened as it is.
    const opened = await open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    const target = await opened.stat().finally(() => opened.close());
    if (target.isFile()) await this.#file(path, as);
    else if (target.isDirectory()) await this.#directory(directory, name, as);
  }

  /** A directory with all in it, as an entry of that name; null for what is in it alone. */
  async tree(directory: HostDirectory, as: Buffer | null): Promise<void> {
    if (as === null) return this.#contents(directory);
    const found = await lstat(directory.self, { bigint: true });
    await this.#out.put(encodeEntry(entryOf('directory', as, found)));
    await this.#contents(directory);
    await this.#out.put(encodeMark('up'));
  }

  /** In the order it is listed. What vanishes meanwhile is left out. */
  async #contents(directory: HostDirectory): Promise<void> {
    const { dev, ino } = await directory.stat();
    const identity = `${dev}:${ino}`;
    if (this.#follow && this.#ancestors.includes(identity)) throw coded('ELOOP');
    if (this.#ancestors.length >= DEPTH_MAX) throw coded('ENAMETOOLONG');
    this.#ancestors.push(identity);
    const options = { withFileTypes: true, encoding: 'buffer' } as const;
    for (const { name } of (await readdir(directory.self, options)) as Dirent<Buffer>[]) {
      await this.entry(directory, name).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT' || this.#follow) throw error;
      });
    }
    this.#ancestors.pop();
  }

  async #directory(parent: HostDirectory, name: Buffer, as: Buffer): Promise<void> {
    await using directory = await parent.enter(name, this.#follow);
    await this.tree(directory, as);
  }

  async #symlink(path: Buffer, found: BigIntStats, as: Buffer): Promise<void> {
    const target = await readlink(path, { encoding: 'buffer' });
    await this.#out.put(encodeEntry({ ...entryOf('symlink', as, found), target }));
  }

  async #file(path: Buffer, as: Buffer): Promise<void> {
    const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (this.#follow ? 0 : O_NOFOLLOW);
    await using handle = await open(path, flags);
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) return;
    const link = this.#linkNumber(found);
    await this.#out.put(encodeEntry({ ...entryOf(link.kind, as, found), link: link.number }));
    if (link.kind === 'file') await this.#content(handle, found);
  }

  #linkNumber(found: BigIntStats): { kind: 'file' | 'link'; number: number } {
    if (found.nlink <= 1n) return { kind: 'file', number: 0 };
    const identity = `${found.dev}:${found.ino}`;
    const known = this.#linked.get(identity);
    if (known !== undefined) return { kind: 'link', number: known };
    this.#linked.set(identity, this.#linked.size + 1);
    return { kind: 'file', number: this.#linked.size };
  }

  /** A file's content as it is read, at most what its size was: one that grows does not grow here. */
  async #content(handle: FileHandle, found: BigIntStats): Promise<void> {
    const size = Number(found.size);
    const sparse = size >= HOLE_BYTES_MIN && found.blocks * BLOCK < found.size;
    // What claims to be empty, as in /proc, may have something to say.
    const limit = size === 0 ? Number.POSITIVE_INFINITY : size;
    const read = (buffer: Buffer, offset: number, length: number) =>
      handle.read(buffer, offset, length, null).then(({ bytesRead }) => bytesRead);
    if (!sparse) return this.#out.content(read, limit);
    await this.#sparse(read, size);
  }

  /** Node cannot ask where the holes are, so they are found by their zeros. */
  async #sparse(
    read: (buffer: Buffer, offset: number, length: number) => Promise<number>,
    size: number,
  ): Promise<void> {
    const buffer = Buffer.allocUnsafe(HOLE_BYTES_MIN);
    let hole = 0;
    for (let done = 0; done < size; ) {
      const length = await read(buffer, 0, Math.min(HOLE_BYTES_MIN, size - done));
      if (length === 0) break;
      done += length;
      const piece = buffer.subarray(0, length);
      if (isZero(piece)) {
        hole += length;
        continue;
      }
      if (hole > 0) await this.#out.put(encodeHole(hole));
      hole = 0;
      await this.#out.bytes(piece);
    }
    if (hole > 0) await this.#out.put(encodeHole(hole));
  }
}

const zeros = Buffer.alloc(HOLE_BYTES_MIN);

function isZero(piece: Buffer): boolean {
  return piece.equals(zeros.subarray(0, piece.length));
}

function entryOf(kind: ArchiveEntry['kind'], name: Buffer, found: BigIntStats): ArchiveEntry {
  // Before 1970, seconds are negative and nanoseconds are not.
  const nanoseconds = ((found.mtimeNs % SECOND_NS) + SECOND_NS) % SECOND_NS;
  return {
    kind,
    mode: Number(found.mode & MODE),
    link: 0,
    seconds: Number((found.mtimeNs - nanoseconds) / SECOND_NS),
    nanoseconds: Number(nanoseconds),
    name,
    target: NOTHING,
  };
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}
