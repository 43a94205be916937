import { join } from 'node:path';
import { removeStale } from '../engine/kernel/staging.ts';

/** What `randomUUID()` gives to the file that becomes another one when it is whole. */
const UUID = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Folders in which disks and images are made. */
const NEW = /^new-/;

/** In which folders of the cache something is made under another name first. */
const scratchNames: Readonly<Record<string, RegExp>> = {
  '.': UUID,
  initramfs: UUID,
  images: NEW,
  disks: NEW,
};

/** Removes from the cache what programs have left that were killed while they added to it. */
export async function sweepCache(cacheDir: string): Promise<void> {
  for (const [folder, scratch] of Object.entries(scratchNames)) {
    await removeStale(join(cacheDir, folder), (name) => scratch.test(name));
  }
}
