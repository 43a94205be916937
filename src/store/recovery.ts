/**
 * What becomes of boxes after processes died without saying so: a decision from what is recorded and what
 * can be seen, without a look at anything. Whoever carries it out goes in this order:
 *
 * 1. List the directories, *then* read the rows: a box has its row before it has its directory, and keeps
 *    it longer, so that a directory without a row is nobody's.
 * 2. Decide. Boxes whose owner lives, or cannot be seen from here, are left alone.
 * 3. End what still runs of the dead owners' boxes (`reap`).
 * 4. Settle the rows (`Boxes.settle`), which claims those that are to be removed.
 * 5. Delete their directories, then their rows (`Boxes.deleteAll`), then the directories without a row.
 *
 * Any number of processes may do this at once, and any of them may die in the middle: what one does again
 * changes nothing, and each step on a row is refused if the row has changed since it was read.
 */
import { BoxID } from '../base/ids.ts';
import { BoxStatus, isActive } from '../spec/box-status.ts';
import type { Liveness, ProcessIdentity } from '../spec/process-identity.ts';
import { type BoxClaim, type BoxOwner, storedId, storedJson } from './box-row.ts';
import type { Row } from './connection.ts';

/** What recovery has to know of a box. */
export interface BoxRemains {
  readonly claim: BoxClaim;
  readonly status: BoxStatus;
  readonly autoRemove: boolean;
  readonly creator: ProcessIdentity;
  readonly owner: BoxOwner | null;
  readonly vmm: ProcessIdentity | null;
}

/** What can be seen of the host. */
export interface HostFacts {
  /** The present boot of the host's kernel. */
  readonly boot: string;
  /** Names in the folder of the boxes' directories; of one box alone, its own if it is there. */
  readonly directories: readonly string[];
  readonly liveness: (process: ProcessIdentity) => Liveness;
}

/** What becomes of one box. */
export interface BoxVerdict {
  readonly claim: BoxClaim;
  /** As it was recorded. */
  readonly status: BoxStatus;
  /** Why it has stopped, if it was running. */
  readonly reason: string;
  /** Its VMM, with everything below it, that is to be ended first; null if it does not run. */
  readonly reap: ProcessIdentity | null;
  readonly fate: 'keep' | 'remove';
}

/** What is to be done. */
export interface Recovery {
  readonly boxes: readonly BoxVerdict[];
  /** Names of directories that belong to no box. */
  readonly directories: readonly string[];
}

/** Every process that {@link decideRecovery} asks about. */
export function processesOf(rows: readonly BoxRemains[]): ProcessIdentity[] {
  return rows.flatMap((row) =>
    isSettled(row) ? [] : [row.creator, row.owner, row.vmm].filter((process) => process !== null),
  );
}

/** See the top of this file. */
export function decideRecovery(rows: readonly BoxRemains[], facts: HostFacts): Recovery {
  const directories = new Set(facts.directories);
  const boxes = rows
    .filter((row) => !isSettled(row))
    .map((row) => judge(row, facts, directories))
    .filter((verdict) => verdict !== null);
  const known = new Set(rows.map((row) => row.claim.id.asStr()));
  return { boxes, directories: facts.directories.filter((name) => isOrphan(name, known)) };
}

/** A row of {@link BoxRemains}. */
export function boxRemains(row: Row): BoxRemains {
  const id = storedId(row['id']);
  const orNull = <T>(name: string) =>
    row[name] === null ? null : storedJson<T>(id, name, row[name]);
  return {
    claim: { id, number: Number(row['claim']) },
    status: row['status'] as BoxStatus,
    autoRemove: row['auto_remove'] === 1,
    creator: storedJson(id, 'creator', row['creator']),
    owner: orNull('owner'),
    vmm: orNull('vmm'),
  };
}

/** Whether there is nothing to find out about it: nobody has it, and it stays. */
function isSettled(row: BoxRemains): boolean {
  return row.owner === null && !row.autoRemove;
}

function judge(
  row: BoxRemains,
  facts: HostFacts,
  directories: ReadonlySet<string>,
): BoxVerdict | null {
  const { claim, status, owner, vmm } = row;
  const fate = fateOf(row, facts, directories);
  if (owner === null) {
    return fate === 'keep' ? null : { claim, status, reason: '', reap: null, fate };
  }
  if (facts.liveness(owner) !== 'dead') return null;
  const reap = vmm !== null && facts.liveness(vmm) === 'alive' ? vmm : null;
  return { claim, status, reason: endOf(owner, facts.boot), reap, fate };
}

/** What becomes of a box that nobody has, or nobody alive. */
function fateOf(
  row: BoxRemains,
  { liveness }: HostFacts,
  directories: ReadonlySet<string>,
): BoxVerdict['fate'] {
  if (row.owner?.purpose === 'remove') return 'remove';
  const ran = isActive(row.status) || row.status === BoxStatus.Unknown;
  if (row.autoRemove) {
    if (ran || row.status === BoxStatus.Stopped) return 'remove';
    // Never started. Whoever made it may still want to.
    return liveness(row.creator) === 'dead' ? 'remove' : 'keep';
  }
  // Whatever it had on its disk is gone, so that nothing is left to start again.
  return ran && !directories.has(row.claim.id.asStr()) ? 'remove' : 'keep';
}

function endOf(owner: BoxOwner, boot: string): string {
  if (owner.boot !== boot) return 'the host was restarted';
  return `process ${owner.pid}, which ran it, ended without stopping it`;
}

/** Names that are not ours are left alone. */
function isOrphan(name: string, known: ReadonlySet<string>): boolean {
  return !known.has(name) && BoxID.parse(name) !== null;
}
