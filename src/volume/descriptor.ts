import { constants, type PathLike } from 'node:fs';
import { VolumeError } from './errno.ts';
import type { HostCalls } from './host-calls.ts';

/** Linux's O_PATH: a descriptor that only stands for a file, so that opening it has no effect on the file. */
export const O_PATH = 0o10000000;
/** Never follow a link, never wait for a FIFO's other end. */
export const O_SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A descriptor of the host. It is closed when nobody uses it any more, so that none of its uses can meet another file
 * that has been given its number meanwhile.
 */
export class Descriptor {
  readonly #host: HostCalls;
  readonly #fd: number;
  #uses = 0;
  readonly #closed = Promise.withResolvers<void>();
  #closing = false;

  private constructor(host: HostCalls, fd: number) {
    this.#host = host;
    this.#fd = fd;
  }

  static async open(
    host: HostCalls,
    path: PathLike,
    flags: number,
    mode?: number,
  ): Promise<Descriptor> {
    return new Descriptor(host, await host.open(path, flags, mode));
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
    this.#host.close(this.#fd).then(this.#closed.resolve, this.#closed.reject);
  }
}
