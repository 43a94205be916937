/** The host's calls as this room uses them. */
import * as fs from 'node:fs';
import { promisify } from 'node:util';

/** Directories by their bytes. */
const asBytes = { encoding: 'buffer' } as const;
const asEntries = { ...asBytes, withFileTypes: true } as const;
const exact = { bigint: true } as const;

const writeByThread = promisify(fs.write) as unknown as (
  fd: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>;

/** Up to so many bytes are written at once. */
const WRITE_AT_ONCE_MAX = 64 * 1024;

/** Calls that may take as long as they like: Node's threads make them. */
const waiting = {
  open: promisify(fs.open) as (path: fs.PathLike, flags: number, mode?: number) => Promise<number>,
  close: promisify(fs.close),
  fstat: (fd: number): Promise<fs.BigIntStats> => promisify(fs.fstat)(fd, exact),
  lstat: (path: fs.PathLike): Promise<fs.BigIntStats> => promisify(fs.lstat)(path, exact),
  /** The same of a name that need not be there. */
  find: async (path: fs.PathLike): Promise<fs.BigIntStats | null> => {
    try {
      return await waiting.lstat(path);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return null;
      throw error;
    }
  },
  statfs: (path: fs.PathLike): Promise<fs.StatsFs> => promisify(fs.statfs)(path),
  ftruncate: (fd: number, size: number): Promise<void> => promisify(fs.ftruncate)(fd, size),
  fchmod: promisify(fs.fchmod) as (fd: number, mode: number) => Promise<void>,
  chmod: promisify(fs.chmod) as (path: fs.PathLike, mode: number) => Promise<void>,
  futimes: promisify(fs.futimes),
  lutimes: promisify(fs.lutimes),
  mkdir: (path: fs.PathLike, mode: number): Promise<void> => promisify(fs.mkdir)(path, { mode }),
  rmdir: (path: fs.PathLike): Promise<void> => promisify(fs.rmdir)(path),
  unlink: promisify(fs.unlink),
  link: promisify(fs.link),
  symlink: (target: fs.PathLike, path: fs.PathLike): Promise<void> =>
    promisify(fs.symlink)(target, path),
  rename: promisify(fs.rename),
  readlink: (path: fs.PathLike) =>
    promisify(fs.readlink)(path, asBytes) as unknown as Promise<Buffer>,
  write: async (fd: number, bytes: Uint8Array, from: number, position: number): Promise<number> =>
    (await writeByThread(fd, bytes, from, bytes.length - from, position)).bytesWritten,
  readdir: (path: fs.PathLike) =>
    promisify(fs.readdir)(path, asEntries as never) as unknown as Promise<fs.Dirent<Buffer>[]>,
};

/** How a share asks the host. */
export type HostCalls = typeof waiting;

/** The same made at once: on a disk of the host's own a call takes less time than telling a thread of it. */
export const atOnce: HostCalls = {
  open: async (path, flags, mode) => fs.openSync(path, flags, mode),
  close: async (fd) => fs.closeSync(fd),
  fstat: async (fd) => fs.fstatSync(fd, exact),
  lstat: async (path) => fs.lstatSync(path, exact),
  // Making an error takes longer than asking.
  find: async (path) => fs.lstatSync(path, { ...exact, throwIfNoEntry: false }) ?? null,
  ftruncate: async (fd, size) => fs.ftruncateSync(fd, size),
  fchmod: async (fd, mode) => fs.fchmodSync(fd, mode),
  chmod: async (path, mode) => fs.chmodSync(path, mode),
  futimes: async (fd, atime, mtime) => fs.futimesSync(fd, atime, mtime),
  lutimes: async (path, atime, mtime) => fs.lutimesSync(path, atime, mtime),
  mkdir: async (path, mode) => void fs.mkdirSync(path, { mode }),
  rmdir: async (path) => fs.rmdirSync(path),
  unlink: async (path) => fs.unlinkSync(path),
  link: async (from, to) => fs.linkSync(from, to),
  symlink: async (target, path) => fs.symlinkSync(target, path),
  rename: async (from, to) => fs.renameSync(from, to),
  readlink: async (path) => fs.readlinkSync(path, asBytes),
  write: (fd, bytes, from, position) => {
    if (bytes.length > WRITE_AT_ONCE_MAX) return waiting.write(fd, bytes, from, position);
    return (async () => fs.writeSync(fd, bytes, from, bytes.length - from, position))();
  },
  // These may have much to do.
  statfs: waiting.statfs,
  readdir: waiting.readdir,
};

/**
 * File systems whose calls end at a disk or in memory of this host, by their number in linux/magic.h. Every other one, as
 * a network's or a program's, may make a caller wait for ever.
 */
const localTypes = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
]);

/** The calls for the file system that holds a path. */
export async function hostCallsFor(path: string): Promise<HostCalls> {
  const { type } = await waiting.statfs(path);
  return localTypes.has(type) ? atOnce : waiting;
}
