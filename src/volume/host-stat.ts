import type { BigIntStats, Dirent } from 'node:fs';
import type { VolumeFileType, VolumeStat } from '../spec/volume-provider.ts';

/** What of a mode the host keeps: a box must not make programs that run as the host's user for others. */
const FILE_MODE = 0o1777;
const DIRECTORY_MODE = 0o3777;

/** The permission bits that a file made or changed by a box gets on the host. */
export function hostMode(type: VolumeFileType, mode: number): number {
  return mode & (type === 'directory' ? DIRECTORY_MODE : FILE_MODE);
}

/** What is told of a file of the host. Numbers of inodes on other devices than the share's own are made to differ. */
export function volumeStat(stat: BigIntStats, shareDevice: bigint): VolumeStat {
  return {
    type: typeOf(stat),
    mode: Number(stat.mode) & 0o7777,
    size: Number(stat.size),
    links: Number(stat.nlink),
    inode: stat.dev === shareDevice ? stat.ino : BigInt.asUintN(64, stat.ino ^ (stat.dev << 40n)),
    blocks: Number(stat.blocks),
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
  };
}

/** The same file has the same one, and another file has another one, also if it got the inode of one that is gone. */
export function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}:${typeOf(stat)}`;
}

/** What kind of file something of the host's is. */
export function typeOf(file: BigIntStats | Dirent<Buffer>): VolumeFileType {
  if (file.isFile()) return 'file';
  if (file.isDirectory()) return 'directory';
  if (file.isSymbolicLink()) return 'symlink';
  if (file.isFIFO()) return 'fifo';
  if (file.isSocket()) return 'socket';
  return file.isBlockDevice() ? 'block' : 'character';
}
