/** Carries out what the store decides about boxes whose owners have died; see store/recovery.ts. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endAbandonedJails } from '../process/abandoned-jails.ts';
import { heldFiles } from '../process/holders.ts';
import { bootId, livenessOf, processIdentity } from '../process/identity.ts';
import { killTree } from '../process/tree.ts';
import type { BoxClaim, BoxOwner } from '../store/box-row.ts';
import { type BoxVerdict, decideRecovery, processesOf } from '../store/recovery.ts';
import { sweepGroups } from './control-groups.ts';
import type { Home } from './home.ts';
import { isSocketOf, pidOfSocket } from './owner-address.ts';

/** Puts a home in order. Any number of programs may do this at once. */
export async function recover(home: Home): Promise<void> {
  const { store } = home;
  // Directories first: a box has its row before it has its directory, and keeps it longer.
  const directories = await readdir(home.boxesDir).catch((): string[] => []);
  const rows = store.boxes.remains();
  const liveness = await livenessOf(processesOf(rows));
  const decided = decideRecovery(rows, { boot: await bootId(), directories, liveness });
  const settled = await endedOnes(home, decided.boxes);
  if (settled.length > 0) {
    const me: BoxOwner = { ...(await home.me()), kind: 'process', purpose: 'remove', socket: null };
    const removable = store.boxes.settle(settled, me);
    await Promise.all(removable.map((claim) => removeFiles(home, claim)));
    store.boxes.deleteAll(removable);
    const place = home.host.groupPlace;
    if ('folder' in place) await sweepGroups(place);
  }
  await Promise.all(decided.directories.map((name) => removeDirectory(home, name)));
  await removeDeadSockets(home);
}

/**
 * Ends what still runs of dead owners' boxes, and returns those of which nothing runs any more. A box whose disk
 * somebody has open all the same is left as it is, and looked at again by the next recovery, so that no disk ever
 * has two VMMs.
 */
async function endedOnes(home: Home, verdicts: readonly BoxVerdict[]): Promise<BoxVerdict[]> {
  const reaped = await Promise.all(verdicts.map(isReaped));
  const ended = verdicts.filter((_, i) => reaped[i]);
  if (ended.some(({ reap }) => reap === null)) await endAbandonedJails(home.boxesDir);
  const diskOf = ({ claim }: BoxVerdict) => home.boxDisk(claim.id.asStr());
  const held = await heldFiles(ended.filter(({ fate }) => fate === 'keep').map(diskOf));
  return ended.filter((verdict) => !held.has(diskOf(verdict)));
}

function isReaped({ reap }: BoxVerdict): Promise<boolean> {
  if (reap === null) return Promise.resolve(true);
  return killTree(reap).then(
    () => true,
    () => false,
  );
}

async function removeFiles(home: Home, { id }: BoxClaim): Promise<void> {
  const row = home.store.boxes.get(id);
  if (row !== null) await home.removeFiles(row);
}

function removeDirectory(home: Home, name: string): Promise<void> {
  return rm(home.boxDir(name), { recursive: true, force: true });
}

/** A socket whose process has died is of no use to anybody. Those of other pid namespaces cannot be judged. */
async function removeDeadSockets(home: Home): Promise<void> {
  const { namespace } = await home.me();
  for (const name of await readdir(home.ownersDir).catch((): string[] => [])) {
    const pid = pidOfSocket(name, namespace);
    if (pid === null) continue;
    const process = await processIdentity(pid);
    if (process === null || !isSocketOf(name, process)) {
      await rm(join(home.ownersDir, name), { force: true });
    }
  }
}
