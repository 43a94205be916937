import { join } from 'node:path';
import { removeStale } from '../engine/kernel/staging.ts';

/** What `randomUUID()` gives to the file that becomes another one when it is whole. */
const UUID = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DAY_MS = 24 * 60 * 60 * 1000;
const WEEK_MS = 7 * DAY_MS;
/** Making a disk of an archive takes seconds, so one that nobody has wanted for so long is not missed. */
const UNUSED_MS = 30 * DAY_MS;

/** What is removed from a folder of the cache once nobody has written or wanted it for so long. */
const swept: readonly (readonly [folder: string, names: RegExp, olderThanMs: number])[] = [
  ['.', UUID, DAY_MS],
  ['initramfs', UUID, DAY_MS],
  ['snapshots', UUID, DAY_MS],
  ['snapshots', /^new-/, DAY_MS],
  // One takes half a second to make, and a machine that has rebooted uses those from before no more.
  ['snapshots', /^[0-9a-f]+$/, WEEK_MS],
  ['disks', /^new-/, DAY_MS],
  // A directory is read anew for each start, and its disk is open from then on.
  ['images', /^(?:new|directory)-/, DAY_MS],
  ['images', /^sha256-/, UNUSED_MS],
];

/** Removes from the cache what killed programs have left half-made, and the disks that nobody uses any more. */
export async function sweepCache(cacheDir: string): Promise<void> {
  for (const [folder, names, olderThanMs] of swept) {
    await removeStale(join(cacheDir, folder), {
      isScratch: (name) => names.test(name),
      olderThanMs,
    });
  }
}
