import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { platform } from 'node:os';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const onLinux = platform() === 'linux';

/**
 * An open directory of the host. Names in it are reached through its descriptor: whatever becomes of the path it
 * was opened by, and of links put in its way, what is done in it is done there. (Where there is no /proc, the path
 * has to do.)
 */
export class HostDirectory implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #prefix: Buffer;

  /** Opens a directory of the caller's choosing, links followed. */
  static async open(path: string | Buffer): Promise<HostDirectory> {
    return new HostDirectory(await open(path, O_RDONLY | O_DIRECTORY), path);
  }

  /** The same; makes it if it is missing. */
  static async openOrMake(path: string): Promise<HostDirectory> {
    await mkdir(path, { recursive: true });
    return HostDirectory.open(path);
  }

  private constructor(handle: FileHandle, path: string | Buffer) {
    this.#handle = handle;
    const start = onLinux
      ? `/proc/self/fd/${handle.fd}/`
      : Buffer.concat([Buffer.from(path), SLASH]);
    this.#prefix = Buffer.from(start as string);
  }

  /** The path of a name in it; its last component may be a link. */
  at(name: Buffer): Buffer {
    return Buffer.concat([this.#prefix, name]);
  }

  /** Its own path, for listing it. */
  get self(): Buffer {
    return this.at(Buffer.from('.'));
  }

  /** Opens a directory in it; a link to one is refused unless `follow` is set. */
  async enter(name: Buffer, follow = false): Promise<HostDirectory> {
    const path = this.at(name);
    const flags = O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW);
    return new HostDirectory(await open(path, flags), path);
  }

  stat(): Promise<Stats> {
    return this.#handle.stat();
  }

  chmod(mode: number): Promise<void> {
    return this.#handle.chmod(mode);
  }

  utimes(atime: number, mtime: number): Promise<void> {
    return this.#handle.utimes(atime, mtime);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

const SLASH = Buffer.from('/');
