/** Takes a lock many times; reports how often somebody else had it meanwhile. */

import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLock } from '../../../src/image/file-lock.ts';

const [folder = '', marker = '', rounds = ''] = process.argv.slice(2);
let collisions = 0;
for (let i = 0; i < Number(rounds); i++) {
  await using _lock = await FileLock.acquire(folder, 'contended', { mode: 'exclusive' });
  const path = join(marker, 'inside');
  const alone = await mkdir(path).then(
    () => true,
    () => false,
  );
  if (alone) await rmdir(path);
  else collisions += 1;
}
console.log(JSON.stringify(collisions));
