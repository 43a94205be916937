import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { BoxliteError } from '../../base/errors.ts';
import { violation } from '../../portal/frame.ts';
import { BoxDirectory, listAll } from './box-directory.ts';
import type { BoxDirent } from './box-dirent.ts';
import { type BoxStats, parseStats } from './box-stats.ts';
import { type FileData, pieces } from './file-content.ts';
import { fileError } from './file-error.ts';
import { BoxFileHandle } from './file-handle.ts';
import {
  decodingOf,
  type EncodingOption,
  type FileTime,
  flagNumber,
  modeNumber,
  type OpenFlags,
  READ_BYTES_MAX,
  type ReaddirOptions,
  type ReadFileOptions,
  timeFields,
  type WriteFileOptions,
  wholeNumber,
  withEncoding,
} from './file-options.ts';
import { type FilePath, PATH_BYTES_MAX, pathBytes } from './file-path.ts';
import type { FileService } from './file-service.ts';
import {
  createReadStream,
  createWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from './file-streams.ts';
import { FileWatch, type WatchOptions } from './file-watch.ts';

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;
/** `access()` asks whether a file exists. */
const F_OK = 0;
/** The largest uid and gid; chown() takes it for "leave it". */
const ID_MAX = 2 ** 32 - 1;
/** Every answer but content: a path, or a link's target. */
const TEXT_BYTES_MAX = PATH_BYTES_MAX;

/**
 * The files of a box, in the shape of `node:fs/promises`. Paths resolve in the box, symbolic links included, and a
 * relative one is seen from `/`; work is done as root. A box that is not running is booted.
 *
 * What fails is a `BoxliteError` whose `systemCode` is Node's code: `ENOENT` is of the kind `NotFound`, `EEXIST` of
 * `AlreadyExists`, `EINVAL` of `InvalidArgument`, and all others of `Storage`. Modes are taken as given: there is
 * no umask. A `signal` that aborts ends the work in the box and rejects with the signal's reason.
 *
 * @example
 * await box.fs.writeFile('/tmp/input.json', JSON.stringify({ n: 6 }));
 * const text = await box.fs.readFile('/tmp/input.json', 'utf8');
 */
export class BoxFileSystem {
  readonly #service: FileService;

  /** @internal */
  constructor(service: FileService) {
    this.#service = service;
  }

  /** Reads a file to its end, as bytes or as text in an encoding. At most 2 GiB. */
  readFile(
    path: FilePath,
    options?: ReadFileOptions & { encoding?: 'buffer' | null },
  ): Promise<Buffer>;
  readFile(
    path: FilePath,
    options: BufferEncoding | (ReadFileOptions & { encoding: BufferEncoding }),
  ): Promise<string>;
  readFile(
    path: FilePath,
    options?: ReadFileOptions | BufferEncoding | null,
  ): Promise<Buffer | string>;
  async readFile(
    path: FilePath,
    options?: ReadFileOptions | BufferEncoding | null,
  ): Promise<Buffer | string> {
    const { encoding, signal } = withEncoding(options);
    const decoding = decodingOf(encoding);
    const call = { op: 'read', syscall: 'open', path, signal };
    const bytes = await this.#service.run(call, (request) => request.readAll(READ_BYTES_MAX));
    return decoding === null ? bytes : bytes.toString(decoding);
  }

  /** Writes a file, which is made or emptied first unless the flag says otherwise. */
  async writeFile(
    path: FilePath,
    data: FileData,
    options?: WriteFileOptions | BufferEncoding | null,
  ): Promise<void> {
    const { encoding, mode, flag, signal } = withEncoding(options);
    const content = pieces(data, encoding ?? 'utf8');
    const fields = { flags: flagNumber(flag ?? 'w'), mode: modeNumber(mode, FILE_MODE) };
    const call = { op: 'write', syscall: 'open', path, fields, signal };
    await this.#service.run(call, async (request) => {
      try {
        for await (const piece of content) await request.write(piece);
      } catch (error) {
        request.cancel(error as Error);
        throw error;
      }
      request.end();
      await request.ended;
    });
  }

  /** Writes at a file's end. */
  appendFile(
    path: FilePath,
    data: FileData,
    options?: WriteFileOptions | BufferEncoding | null,
  ): Promise<void> {
    const { flag = 'a', ...rest } = withEncoding(options);
    return this.writeFile(path, data, { ...rest, flag });
  }

  /** Opens a file, which stays open until the handle is closed or disposed of. */
  open(path: FilePath, flags: OpenFlags = 'r', mode?: number): Promise<BoxFileHandle> {
    const fields = { flags: flagNumber(flags), mode: modeNumber(mode, FILE_MODE) };
    return BoxFileHandle.open(this.#service, { op: 'open', syscall: 'open', path, fields });
  }

  /** A Node stream of a file's content; it reads no faster than it is read. */
  createReadStream(path: FilePath, options?: ReadStreamOptions | BufferEncoding): Readable {
    return createReadStream(this.#service, path, options);
  }

  /** A Node stream into a file; it takes data no faster than the box does. */
  createWriteStream(path: FilePath, options?: WriteStreamOptions | BufferEncoding): Writable {
    return createWriteStream(this.#service, path, options);
  }

  /** The names in a directory, in no order; with `recursive` also those below it. */
  readdir(
    path: FilePath,
    options?:
      | (ReaddirOptions & { encoding?: BufferEncoding | null; withFileTypes?: false })
      | BufferEncoding,
  ): Promise<string[]>;
  readdir(
    path: FilePath,
    options: (ReaddirOptions & { encoding: 'buffer'; withFileTypes?: false }) | 'buffer',
  ): Promise<Buffer[]>;
  readdir(
    path: FilePath,
    options: ReaddirOptions & { encoding?: BufferEncoding | null; withFileTypes: true },
  ): Promise<BoxDirent[]>;
  readdir(
    path: FilePath,
    options: ReaddirOptions & { encoding: 'buffer'; withFileTypes: true },
  ): Promise<BoxDirent<Buffer>[]>;
  readdir(
    path: FilePath,
    options?: ReaddirOptions | EncodingOption,
  ): Promise<string[] | Buffer[] | BoxDirent[] | BoxDirent<Buffer>[]> {
    return listAll(this.#service, path, withEncoding<ReaddirOptions>(options));
  }

  /** Opens a directory whose entries come one by one, so that its size does not matter. */
  async opendir(path: FilePath, options: { signal?: AbortSignal } = {}): Promise<BoxDirectory> {
    return BoxDirectory.open(this.#service, path, options.signal);
  }

  /** What is known of a file; of what a symbolic link leads to. */
  async stat(path: FilePath): Promise<BoxStats> {
    return parseStats(await this.#ask('stat', path));
  }

  /** What is known of a file; of a symbolic link itself. */
  async lstat(path: FilePath): Promise<BoxStats> {
    return parseStats(await this.#ask('lstat', path));
  }

  /** Fails unless the file exists and allows what `mode` asks for: `fs.constants.R_OK`, `W_OK`, `X_OK`. */
  async access(path: FilePath, mode: number = F_OK): Promise<void> {
    await this.#ask('access', path, { mode: wholeNumber('mode', mode, 7) });
  }

  /** Makes a directory. With `recursive` also those above it; then it resolves with the first one made. */
  async mkdir(
    path: FilePath,
    options?:
      | { recursive?: boolean | undefined; mode?: number | string | undefined }
      | number
      | string
      | null,
  ): Promise<string | undefined> {
    const given =
      typeof options === 'object' && options !== null ? options : { mode: options ?? undefined };
    const recursive = 'recursive' in given && given.recursive === true;
    const answer = await this.#ask('mkdir', path, {
      mode: modeNumber(given.mode, DIRECTORY_MODE),
      recursive,
    });
    const made = answer['made'];
    return typeof made === 'number' && made > 0 ? firstMade(path, made) : undefined;
  }

  /** Makes a directory with a name of its own that starts with `prefix`, and resolves with its path. */
  async mkdtemp(prefix: string): Promise<string> {
    for (;;) {
      const path = prefix + randomBytes(4).toString('hex');
      try {
        await this.mkdir(path, 0o700);
        return path;
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      }
    }
  }

  /** Removes an empty directory. */
  async rmdir(path: FilePath): Promise<void> {
    await this.#ask('rmdir', path);
  }

  /** Removes a file or a symbolic link. */
  async unlink(path: FilePath): Promise<void> {
    await this.#ask('unlink', path);
  }

  /** Removes a file; with `recursive` also a directory with all in it. `force`: it need not be there. */
  async rm(
    path: FilePath,
    options: { recursive?: boolean; force?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { recursive = false, force = false, signal } = options;
    await this.#ask('rm', path, { recursive, force }, signal);
  }

  /** Gives a file another path, in place of what is there. */
  async rename(path: FilePath, to: FilePath): Promise<void> {
    await this.#service.ask({ op: 'rename', syscall: 'rename', path, dest: to });
  }

  /** Gives a file a second name. */
  async link(path: FilePath, to: FilePath): Promise<void> {
    await this.#service.ask({ op: 'link', syscall: 'link', path, dest: to });
  }

  /** Makes a symbolic link at `path` that leads to `target`, which need not exist. */
  async symlink(target: FilePath, path: FilePath): Promise<void> {
    // The guest is told where first, and what then.
    const call = { op: 'symlink', syscall: 'symlink', path, dest: target };
    await this.#service.ask(call).catch((error: unknown) => {
      throw isCode(error)
        ? fileError(error.systemCode, { ...call, path: target, dest: path })
        : error;
    });
  }

  /** Where a symbolic link leads, as it is written. */
  readlink(
    path: FilePath,
    options?: BufferEncoding | { encoding?: BufferEncoding | null },
  ): Promise<string>;
  readlink(path: FilePath, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  readlink(path: FilePath, options?: EncodingOption | { encoding?: EncodingOption }) {
    return this.#text('readlink', path, options);
  }

  /** The path without symbolic links and dots. */
  realpath(
    path: FilePath,
    options?: BufferEncoding | { encoding?: BufferEncoding | null },
  ): Promise<string>;
  realpath(path: FilePath, options: 'buffer' | { encoding: 'buffer' }): Promise<Buffer>;
  realpath(path: FilePath, options?: EncodingOption | { encoding?: EncodingOption }) {
    return this.#text('realpath', path, options);
  }

  /** Sets a file's mode. */
  async chmod(path: FilePath, mode: number | string): Promise<void> {
    await this.#ask('chmod', path, { mode: modeNumber(mode, 0) });
  }

  /** Sets a file's owner, by number. */
  async chown(path: FilePath, uid: number, gid: number): Promise<void> {
    await this.#ask('chown', path, ownerFields(uid, gid));
  }

  /** The same for a symbolic link itself. */
  async lchown(path: FilePath, uid: number, gid: number): Promise<void> {
    await this.#ask('lchown', path, ownerFields(uid, gid));
  }

  /** Sets when a file was last read and changed. */
  async utimes(path: FilePath, atime: FileTime, mtime: FileTime): Promise<void> {
    await this.#ask('utimes', path, timeFields(atime, mtime));
  }

  /** The same for a symbolic link itself. */
  async lutimes(path: FilePath, atime: FileTime, mtime: FileTime): Promise<void> {
    await this.#ask('lutimes', path, timeFields(atime, mtime));
  }

  /** Sets a file's size: cuts it off, or adds zeros. */
  async truncate(path: FilePath, length = 0): Promise<void> {
    await this.#ask('truncate', path, { length: wholeNumber('length', length) });
  }

  /** Copies a file inside the box. `fs.constants.COPYFILE_EXCL` as mode refuses to replace one. */
  async copyFile(path: FilePath, to: FilePath, mode = 0): Promise<void> {
    const fields = { exclusive: (mode & 1) !== 0 };
    await this.#service.ask({ op: 'copy', syscall: 'copyfile', path, dest: to, fields });
  }

  /**
   * Tells of changes to a file, to what is in a directory, or with `recursive` in a whole tree. It watches from
   * when it is called, as soon as `ready` resolves, until the loop over it is left or the signal aborts.
   */
  watch(path: FilePath, options: WatchOptions = {}): FileWatch {
    return new FileWatch(this.#service, path, options);
  }

  #ask(op: string, path: FilePath, fields: Record<string, unknown> = {}, signal?: AbortSignal) {
    return this.#service.ask({ op, syscall: op === 'utimes' ? 'utime' : op, path, fields, signal });
  }

  async #text(op: string, path: FilePath, options: Parameters<typeof withEncoding>[0]) {
    const { encoding } = withEncoding<{ encoding?: EncodingOption }>(options);
    const call = { op, syscall: op, path };
    const bytes = await this.#service.run(call, (request) => request.readAll(TEXT_BYTES_MAX));
    return encoding === 'buffer' ? bytes : bytes.toString(decodingOf(encoding) ?? 'utf8');
  }
}

function ownerFields(uid: number, gid: number) {
  return { uid: wholeNumber('uid', uid, ID_MAX), gid: wholeNumber('gid', gid, ID_MAX) };
}

/** The start of `path` that was made first; the guest tells where it ends. */
function firstMade(path: FilePath, end: number): string {
  const bytes = pathBytes(path);
  if (end > bytes.length) throw violation('a directory that was not asked for');
  const made = bytes.toString('utf8', 0, end);
  return made.length > 1 && made.endsWith('/') ? made.slice(0, -1) : made;
}

function isCode(error: unknown, code?: string): error is BoxliteError & { systemCode: string } {
  if (!BoxliteError.is(error) || error.systemCode === undefined) return false;
  return code === undefined || error.systemCode === code;
}
