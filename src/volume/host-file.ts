import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { VolumeChanges, VolumeFile, VolumeStat } from '../spec/volume-provider.ts';
import { type Descriptor, host } from './descriptor.ts';
import { VolumeError } from './errno.ts';
import { hostMode, volumeStat } from './host-stat.ts';
import { hostTimes } from './host-times.ts';

const readAt = promisify(fs.read) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>;
const writeAt = promisify(fs.write) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>;

/** Bytes that are copied from file to file at a time. */
const COPY_BYTES = 1024 * 1024;

/** A file of the host that the box has open. */
export class HostFile implements VolumeFile {
  readonly #descriptor: Descriptor;
  readonly #shareDevice: bigint;
  /** What opening it has seen, for the first who asks. */
  #opened: VolumeStat | null;

  constructor(descriptor: Descriptor, opened: fs.BigIntStats, shareDevice: bigint) {
    this.#descriptor = descriptor;
    this.#shareDevice = shareDevice;
    this.#opened = volumeStat(opened, shareDevice);
  }

  read(length: number, position: number): Promise<Uint8Array> {
    return this.#descriptor.use(async (fd) => {
      const buffer = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await readAt(fd, buffer, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#opened = null;
    return this.#descriptor.use(async (fd) => {
      let done = 0;
      while (done < bytes.length) {
        const left = bytes.length - done;
        const { bytesWritten } = await writeAt(fd, bytes, done, left, position + done);
        if (bytesWritten === 0) throw new VolumeError('EIO');
        done += bytesWritten;
      }
    });
  }

  async stat(): Promise<VolumeStat> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened !== null) return opened;
    const stat = await this.#descriptor.use((fd) => host.fstat(fd, { bigint: true }));
    return volumeStat(stat, this.#shareDevice);
  }

  async change(changes: VolumeChanges): Promise<void> {
    const { size, mode } = changes;
    this.#opened = null;
    await this.#descriptor.use(async (fd) => {
      if (size !== undefined) await host.ftruncate(fd, size);
      if (mode !== undefined) await host.fchmod(fd, hostMode('file', mode));
      const times = await hostTimes(changes, () => host.fstat(fd, { bigint: true }));
      if (times !== null) await host.futimes(fd, times.atime, times.mtime);
    });
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#descriptor.use((fd) => (dataOnly ? host.fdatasync(fd) : host.fsync(fd)));
  }

  async copy(position: number, target: VolumeFile, at: number, length: number): Promise<number> {
    let copied = 0;
    while (copied < length) {
      const piece = await this.read(Math.min(COPY_BYTES, length - copied), position + copied);
      if (piece.length === 0) break;
      await target.write?.(piece, at + copied);
      copied += piece.length;
    }
    return copied;
  }

  close(): Promise<void> {
    return this.#descriptor.close();
  }
}
