/** Reading around kernels on disk: what is absent or unreadable counts as not being there. */

import { createHash } from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { systemCode } from '../../base/errors.ts';
import { identifyKernel, KERNEL_HEAD_BYTES, type KernelIdentity } from './identify.ts';

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EISDIR']);

/** The result of `read`, or null if the file or folder is not there for us. */
async function ifThere<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (ABSENT.has(systemCode(error) ?? '')) return null;
    throw error;
  }
}

/** The names in a folder, sorted; none if it is not there. */
export async function listFolder(path: string): Promise<readonly string[]> {
  return ((await ifThere(() => readdir(path))) ?? []).toSorted();
}

/** A text file's content, or null if it is not there. */
export function readTextIfThere(path: string): Promise<string | null> {
  return ifThere(() => readFile(path, 'utf8'));
}

/** What kernel the file is; null if it is none, or is not there, or cannot be read. */
export async function identifyFile(path: string): Promise<KernelIdentity | null> {
  const head = await ifThere(async () => {
    await using file = await open(path);
    const buffer = Buffer.alloc(KERNEL_HEAD_BYTES);
    const { bytesRead } = await file.read(buffer, 0, KERNEL_HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  });
  return head === null ? null : identifyKernel(head);
}

/** A text that changes whenever one of the files is replaced; null if one is not there. */
export async function filesId(paths: readonly string[]): Promise<string | null> {
  const stats = await Promise.all(paths.map((path) => ifThere(() => stat(path, { bigint: true }))));
  const hash = createHash('sha256');
  for (const [i, info] of stats.entries()) {
    if (info === null) return null;
    hash.update(`${paths[i]}\0${info.size}\0${info.mtimeNs}\0`);
  }
  return hash.digest('hex').slice(0, 16);
}
