/** Folders that come into the cache whole or not at all. */

import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import { listFolder } from './files.ts';

/** No build takes this long: an older folder was left by a process that was killed. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** A fresh folder that is removed when it goes out of scope, unless it was moved to its place. */
export interface Staging extends AsyncDisposable {
  readonly path: string;
  /** Makes the folder appear at `target` in one step. Whoever was there first stays. */
  moveTo(target: string): Promise<void>;
}

/** Makes a staging folder on the cache's own file system, so that a rename is enough. */
export async function makeStaging(cacheDir: string): Promise<Staging> {
  const base = join(cacheDir, 'kernels', 'tmp');
  await removeStale(base);
  const path = join(base, randomBytes(6).toString('hex'));
  await mkdir(path, { recursive: true });
  return {
    path,
    async moveTo(target) {
      await mkdir(dirname(target), { recursive: true });
      try {
        await rename(path, target);
      } catch (error) {
        // Another process made the same thing meanwhile; both are alike.
        if (!['EEXIST', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Removes what has been in a folder for longer than any work takes, or as said, and is scratch by its name. */
export async function removeStale(
  base: string,
  {
    isScratch = () => true,
    olderThanMs = STALE_MS,
  }: { isScratch?: (name: string) => boolean; olderThanMs?: number } = {},
): Promise<void> {
  for (const name of await listFolder(base)) {
    if (!isScratch(name)) continue;
    const path = join(base, name);
    // The folder itself is written to only when the work begins.
    const made = await stat(path).then(
      (info) => info.mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (Date.now() - made > olderThanMs) await rm(path, { recursive: true, force: true });
  }
}
