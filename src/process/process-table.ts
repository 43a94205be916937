/** The processes of this host, as far as this process can see them. */
import { entriesOf, processIds, textOf } from './proc-files.ts';
import { type ProcessEntry, parseProcStat, parsePs, psColumns } from './process-entry.ts';
import { runCommand } from './run.ts';

/** A way to look at processes. None of its methods fails because a process ends meanwhile. */
export interface ProcessTable {
  /** Those of these that are there. */
  some(pids: readonly number[]): Promise<ProcessEntry[]>;
  /** A process, which comes first, and all that descend from it. Empty if there is none. */
  tree(pid: number): Promise<ProcessEntry[]>;
  /** Those of a session, whoever their parent is by now. None where sessions are not told. */
  session(id: number): Promise<ProcessEntry[]>;
}

/**
 * Linux. Files in /proc are made up when they are read, which takes microseconds and no disk, so that
 * waiting for a thread to do it would only take longer.
 */
export const procTable: ProcessTable = {
  async some(pids) {
    return pids.map(readProcess).filter((entry) => entry !== null);
  },
  async tree(root) {
    const found = new Map<number, ProcessEntry>();
    const pending = [root];
    for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
      const entry = found.has(pid) ? null : readProcess(pid);
      if (entry === null) continue;
      found.set(pid, entry);
      pending.push(...readChildren(pid));
    }
    return [...found.values()];
  },
  async session(id) {
    return processIds()
      .map(readProcess)
      .filter((entry) => entry !== null)
      .filter(({ session }) => session === id);
  },
};

/** Every other system. The times it prints depend on the time zone, which must be the same for all. */
export const psTable: ProcessTable = {
  async some(pids) {
    return pids.length === 0 ? [] : ps(['-p', pids.join(',')]);
  },
  async tree(root) {
    const all = await ps(['-ax']);
    const byParent = Map.groupBy(all, (entry) => entry.parent);
    const found = new Set(all.filter((entry) => entry.pid === root));
    for (const entry of found) {
      for (const child of byParent.get(entry.pid) ?? []) found.add(child);
    }
    return [...found];
  },
  async session() {
    return [];
  },
};

/** The one for this host. */
export const processTable = process.platform === 'linux' ? procTable : psTable;

async function ps(args: readonly string[]): Promise<ProcessEntry[]> {
  const env = { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' };
  // A status other than 0 means that some of the processes are not there.
  const { stdout } = await runCommand('ps', [...args, ...psColumns], { env });
  return parsePs(stdout);
}

function readProcess(pid: number): ProcessEntry | null {
  const text = textOf(`/proc/${pid}/stat`);
  return text === null ? null : parseProcStat(text);
}

/** Complete for a process that is stopped; a running one may be having another meanwhile. */
function readChildren(pid: number): number[] {
  return entriesOf(`/proc/${pid}/task`)
    .map((thread) => textOf(`/proc/${pid}/task/${thread}/children`) ?? '')
    .flatMap((children) => children.split(' ').filter((child) => child !== ''))
    .map(Number);
}
