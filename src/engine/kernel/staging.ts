/** Folders that come into the cache whole or not at all. */

import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../../base/errors.ts';

/** A fresh folder that is removed when it goes out of scope, unless it was moved to its place. */
export interface Staging extends AsyncDisposable {
  readonly path: string;
  /** Makes the folder appear at `target` in one step. Whoever was there first stays. */
  moveTo(target: string): Promise<void>;
}

/** Makes a staging folder on the cache's own file system, so that a rename is enough. */
export async function makeStaging(cacheDir: string): Promise<Staging> {
  const path = join(cacheDir, 'kernels', 'tmp', randomBytes(6).toString('hex'));
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
