import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { VolumeChanges, VolumeFile, VolumeStat } from '../spec/volume-provider.ts';
import type { Descriptor } from './descriptor.ts';
import { VolumeError } from './errno.ts';
import type { HostCalls } from './host-calls.ts';
import { hostMode, volumeStat } from './host-stat.ts';
import { hostTimes } from './host-times.ts';

const readAt = promisify(fs.read) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>;
const flushAll = promisify(fs.fsync);
const flushData = promisify(fs.fdatasync);

/** What a file has to know of its share. */
interface FileShare {
  readonly device: bigint;
  readonly host: HostCalls;
}

/** Bytes that are copied from file to file at a time. */
const COPY_BYTES = 1024 * 1024;

/** A file of the host that the box has open. */
export class HostFile implements VolumeFile {
  readonly #descriptor: Descriptor;
  readonly #share: FileShare;
  /** What opening it has seen, for whoever asks at once. */
  #opened: VolumeStat | null;

  /** `opened` must be given only where it is asked for before anybody else can have changed the file. */
  constructor(descriptor: Descriptor, share: FileShare, opened: fs.BigIntStats | null = null) {
    this.#descriptor = descriptor;
    this.#share = share;
    this.#opened = opened === null ? null : volumeStat(opened, share.device);
  }

  read(length: number, position: number, into: Uint8Array): Promise<Uint8Array> {
    return this.#descriptor.use(async (fd) => {
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await readAt(fd, into, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return into.subarray(0, filled);
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#opened = null;
    return this.#descriptor.use(async (fd) => {
      let done = 0;
      while (done < bytes.length) {
        const written = await this.#share.host.write(fd, bytes, done, position + done);
        if (written === 0) throw new VolumeError('EIO');
        done += written;
      }
    });
  }

  async stat(): Promise<VolumeStat> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened !== null) return opened;
    const stat = await this.#descriptor.use((fd) => this.#share.host.fstat(fd));
    return volumeStat(stat, this.#share.device);
  }

  async change(changes: VolumeChanges): Promise<void> {
    const { size, mode } = changes;
    this.#opened = null;
    await this.#descriptor.use(async (fd) => {
      if (size !== undefined) await this.#share.host.ftruncate(fd, size);
      if (mode !== undefined) await this.#share.host.fchmod(fd, hostMode('file', mode));
      const times = await hostTimes(changes, () => this.#share.host.fstat(fd));
      if (times !== null) await this.#share.host.futimes(fd, times.atime, times.mtime);
    });
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#descriptor.use((fd) => (dataOnly ? flushData(fd) : flushAll(fd)));
  }

  async copy(position: number, target: VolumeFile, at: number, length: number): Promise<number> {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, length));
    let copied = 0;
    for (;;) {
      const asked = Math.min(COPY_BYTES, length - copied);
      const piece = await this.read(asked, position + copied, buffer);
      await target.write?.(piece, at + copied);
      copied += piece.length;
      // The end, which the copy itself may have moved away.
      if (piece.length < asked || copied === length) return copied;
    }
  }

  close(): Promise<void> {
    return this.#descriptor.close();
  }
}
