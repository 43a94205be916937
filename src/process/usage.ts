/** What a VMM, with all that it started, takes from the host. */
import type { ProcessIdentity } from '../spec/process-identity.ts';
import { textOf } from './proc-files.ts';
import { runCommand } from './run.ts';
import { processTree } from './tree.ts';

/** What a tree of processes uses. */
export interface TreeUsage {
  /** Processor time so far. */
  readonly cpuMs: number;
  /** Memory, that which is shared counted once. */
  readonly memoryBytes: number;
  /** When it was looked at, in ms from some moment. */
  readonly atMs: number;
}

const KIB = 1024;

/** Null if the process does not run any more. */
export async function treeUsage(root: ProcessIdentity): Promise<TreeUsage | null> {
  const tree = await processTree(root);
  if (tree.length === 0) return null;
  const pids = tree.map(({ pid }) => pid);
  return {
    cpuMs: tree.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    memoryBytes: process.platform === 'linux' ? linuxMemory(pids) : await otherMemory(pids),
    atMs: performance.now(),
  };
}

/** Share of `cpus` processors that was used between two looks: 100 is all of them. */
export function cpuPercent(before: TreeUsage, after: TreeUsage, cpus: number): number {
  const passedMs = after.atMs - before.atMs;
  if (passedMs <= 0) return 0;
  // Less than before: a process has ended that nobody waited for.
  const usedMs = Math.max(0, after.cpuMs - before.cpuMs);
  return Math.min(100, (usedMs / (passedMs * cpus)) * 100);
}

function linuxMemory(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + memoryOf(pid), 0);
}

/** Its proportional share of its memory; all of it where the kernel does not tell the share. */
function memoryOf(pid: number): number {
  const share = kibibytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m);
  return (share ?? kibibytes(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m) ?? 0) * KIB;
}

function kibibytes(path: string, line: RegExp): number | null {
  const value = line.exec(textOf(path) ?? '')?.[1];
  return value === undefined ? null : Number(value);
}

async function otherMemory(pids: readonly number[]): Promise<number> {
  const { stdout } = await runCommand('ps', ['-o', 'rss=', '-p', pids.join(',')]);
  return stdout.split('\n').reduce((sum, line) => sum + Number(line) * KIB, 0);
}
