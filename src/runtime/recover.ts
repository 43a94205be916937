/** Carries out what the store decides about boxes whose owners have died; see store/recovery.ts. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, livenessOf } from '../process/identity.ts';
import { killTree } from '../process/tree.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import type { BoxOwner } from '../store/box-row.ts';
import { decideRecovery, processesOf } from '../store/recovery.ts';
import type { Home } from './home.ts';
import { ownerOfSocket } from './owner-address.ts';

/** Puts a home in order. Any number of programs may do this at once. */
export async function recover(home: Home): Promise<void> {
  const { store } = home;
  // Directories first: a box has its row before it has its directory, and keeps it longer.
  const directories = await readdir(home.boxesDir).catch((): string[] => []);
  const rows = store.boxes.remains();
  const liveness = await livenessOf(processesOf(rows));
  const decided = decideRecovery(rows, { boot: await bootId(), directories, liveness });
  await Promise.all(decided.boxes.map(({ reap }) => (reap === null ? null : killTree(reap))));
  const me: BoxOwner = { ...(await home.me()), kind: 'process', purpose: 'remove', socket: null };
  const removable = decided.boxes.length === 0 ? [] : store.boxes.settle(decided.boxes, me);
  for (const { id } of removable) await removeDirectory(home, id.asStr());
  if (removable.length > 0) store.boxes.deleteAll(removable);
  for (const name of decided.directories) await removeDirectory(home, name);
  await removeDeadSockets(home);
}

function removeDirectory(home: Home, name: string): Promise<void> {
  return rm(home.boxDir(name), { recursive: true, force: true });
}

/** A socket whose process has died is of no use to anybody. */
async function removeDeadSockets(home: Home): Promise<void> {
  const names = await readdir(home.ownersDir).catch((): string[] => []);
  const owners = names.map((name) => [name, ownerOfSocket(name)] as const);
  const known = owners.map(([, owner]) => owner).filter((owner) => owner !== null);
  if (known.length === 0) return;
  const { boot, namespace } = await home.me();
  const here = (owner: { pid: number; start: string }): ProcessIdentity => ({
    ...owner,
    boot,
    namespace,
  });
  const liveness = await livenessOf(known.map(here));
  for (const [name, owner] of owners) {
    if (owner !== null && liveness(here(owner)) === 'dead') {
      await rm(join(home.ownersDir, name), { force: true });
    }
  }
}
