import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { VolumeError } from './errno.ts';

/** The host's calls as this room uses them. */
export const host = {
  open: promisify(fs.open),
  close: promisify(fs.close),
  fstat: promisify(fs.fstat) as (fd: number, options: { bigint: true }) => Promise<fs.BigIntStats>,
  lstat: promisify(fs.lstat) as (
    path: fs.PathLike,
    options: { bigint: true },
  ) => Promise<fs.BigIntStats>,
  statfs: promisify(fs.statfs),
  ftruncate: promisify(fs.ftruncate),
  fchmod: promisify(fs.fchmod),
  chmod: promisify(fs.chmod),
  futimes: promisify(fs.futimes),
  lutimes: promisify(fs.lutimes),
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  mkdir: promisify(fs.mkdir),
  rmdir: promisify(fs.rmdir),
  unlink: promisify(fs.unlink),
  link: promisify(fs.link),
  symlink: promisify(fs.symlink) as (target: fs.PathLike, path: fs.PathLike) => Promise<void>,
  rename: promisify(fs.rename),
  readlink: promisify(fs.readlink) as unknown as (
    path: fs.PathLike,
    options: { encoding: 'buffer' },
  ) => Promise<Buffer>,
  readdir: promisify(fs.readdir) as unknown as (
    path: fs.PathLike,
    options: { encoding: 'buffer'; withFileTypes: true },
  ) => Promise<fs.Dirent<Buffer>[]>,
};

/** Linux's O_PATH: a descriptor that only stands for a file, so that opening it has no effect on the file. */
export const O_PATH = 0o10000000;
/** Never follow a link, never wait for a FIFO's other end. */
export const O_SAFE = fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/**
 * A descriptor of the host. It is closed when nobody uses it any more, so that none of its uses can meet another file
 * that has been given its number meanwhile.
 */
export class Descriptor {
  readonly #fd: number;
  #uses = 0;
  readonly #closed = Promise.withResolvers<void>();
  #closing = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static async open(path: fs.PathLike, flags: number, mode?: number): Promise<Descriptor> {
    return new Descriptor(await host.open(path, flags, mode));
  }

  /** @throws VolumeError `EBADF` once it is closed, and what `work` throws. */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T> {
    if (this.#closing) throw new VolumeError('EBADF');
    this.#uses++;
    try {
      return await work(this.#fd);
    } finally {
      this.#uses--;
      this.#closeIfUnused();
    }
  }

  /** Resolves when it is closed. */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#closeIfUnused();
    }
    return this.#closed.promise;
  }

  #closeIfUnused(): void {
    if (!this.#closing || this.#uses > 0) return;
    host.close(this.#fd).then(this.#closed.resolve, this.#closed.reject);
  }
}
