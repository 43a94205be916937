/** Carries out what recovery decides, in the order that it asks for. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bootId, livenessOf, thisProcess } from '../../src/process/identity.ts';
import { killTree } from '../../src/process/tree.ts';
import { decideRecovery, processesOf } from '../../src/store/recovery.ts';
import type { Store } from '../../src/store/store.ts';
import { ownerOf } from './store-fixture.ts';

/** The directories of the boxes of a home. */
export function boxesOf(home: string): string {
  const folder = join(home, 'boxes');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Puts a home in order; returns the ids of the boxes it has removed. */
export async function recoverHome(store: Store, home: string): Promise<string[]> {
  const folder = boxesOf(home);
  const directories = readdirSync(folder);
  const rows = store.boxes.remains();
  const liveness = await livenessOf(processesOf(rows));
  const found = decideRecovery(rows, { boot: await bootId(), directories, liveness });
  for (const { reap } of found.boxes) if (reap !== null) await killTree(reap);
  const removable = store.boxes.settle(found.boxes, ownerOf(await thisProcess(), 'remove'));
  const names = removable.map(({ id }) => id.asStr());
  for (const name of [...names, ...found.directories]) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  store.boxes.deleteAll(removable);
  return names;
}
