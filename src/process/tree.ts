/**
 * Ends a process that is not a child of ours, with everything it has started.
 *
 * Killing the parent first would let its children go to init, where nobody finds them; killing children
 * first lets the parent start others. So all are stopped first, from the top down, until a look at the tree
 * shows nobody who was not known and stopped before it; a stopped process starts nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteError, systemCode } from '../base/errors.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import type { ProcessEntry } from './process-entry.ts';
import { processTable } from './process-table.ts';

/** Looks at the tree until it counts as complete: far more than any that does not fight back needs. */
const LOOKS_MAX = 50;
/** How long the kernel may take to end them. */
const TIMEOUT_MS = 5_000;
const PAUSE_MS = 2;

/** The process, which comes first, and all that descend from it; empty if it does not run any more. */
export async function processTree(root: ProcessIdentity): Promise<ProcessEntry[]> {
  const tree = await processTable.tree(root.pid);
  const [first] = tree;
  const isGone = first?.start !== root.start || first.state === 'ended';
  return isGone ? [] : tree.filter(({ state }) => state !== 'ended');
}

/**
 * Ends the whole tree at once, without asking; resolves when nothing of it runs. Does nothing if `root`
 * has ended, whoever has its pid now.
 * @returns how many processes it ended.
 * @throws BoxliteError `Engine` naming those that do not end.
 */
export async function killTree(
  root: ProcessIdentity,
  { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<number> {
  const tree = await stopTree(root);
  const left = () => running(tree);
  for (const { pid } of await left()) send(pid, 'SIGKILL');
  const deadline = performance.now() + timeoutMs;
  for (let rest = await left(); rest.length > 0; rest = await left()) {
    if (performance.now() > deadline) throw immortal(rest);
    await sleep(PAUSE_MS);
  }
  return tree.size;
}

/** Stops everybody; their start times by pid. */
async function stopTree(root: ProcessIdentity): Promise<Map<number, string>> {
  const known = new Map<number, string>();
  for (let look = 0; look < LOOKS_MAX; look++) {
    const tree = await processTree(root);
    // Who was told to stop and still runs may have had a child since this look.
    const fresh = tree.filter(({ pid, start }) => known.get(pid) !== start);
    for (const { pid, start } of fresh) {
      send(pid, 'SIGSTOP');
      known.set(pid, start);
    }
    if (fresh.length === 0 && tree.every(({ state }) => state === 'stopped')) break;
    await sleep(look === 0 ? 0 : PAUSE_MS);
  }
  return known;
}

/** Which of them still run and are still the same. */
async function running(tree: ReadonlyMap<number, string>): Promise<ProcessEntry[]> {
  const entries = await processTable.some([...tree.keys()]);
  return entries.filter(({ pid, start, state }) => state !== 'ended' && tree.get(pid) === start);
}

/** Node has no way to tell the kernel which process is meant but its pid, looked up just before. */
function send(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended by itself; or it is another user's, and will be found to be still there.
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}

function immortal(rest: readonly ProcessEntry[]): BoxliteError {
  const pids = rest.map(({ pid }) => pid).join(', ');
  return new BoxliteError(
    'Engine',
    `Cannot end the process ${pids}: it is still there after SIGKILL; it may be another user's, or wait ` +
      'for a disk that does not answer',
  );
}
