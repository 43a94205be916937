/** Who is who among the processes of this host, although pids are given out again. */
import { readFileSync, readlinkSync } from 'node:fs';
import type { Liveness, ProcessIdentity } from '../spec/process-identity.ts';
import { processTable } from './process-table.ts';
import { runCommand } from './run.ts';

/** Where pids mean what they mean to this process. */
interface PidScope {
  readonly boot: string;
  readonly namespace: string;
}

/** A system that does not tell has one, as far as we can know. */
const ONLY = 'only';

let scope: Promise<PidScope> | null = null;
let self: Promise<ProcessIdentity> | null = null;

/** This process. */
export function thisProcess(): Promise<ProcessIdentity> {
  self ??= processIdentity(process.pid).then((identity) => {
    if (identity === null) throw new Error('this process cannot find itself');
    return identity;
  });
  return self;
}

/** The process that has this pid now; null if none has, or it has ended. */
export async function processIdentity(pid: number): Promise<ProcessIdentity | null> {
  const [entry] = await processTable.some([pid]);
  if (entry === undefined || entry.state === 'ended') return null;
  return { pid, start: entry.start, ...(await pidScope()) };
}

/** Whether it is this very process that runs. */
export async function isAlive(process: ProcessIdentity): Promise<boolean> {
  return (await livenessOf([process]))(process) === 'alive';
}

/**
 * Looks which of these processes run, all at once, and returns what it saw: `unknown` for one of another
 * pid namespace, as in another container with the same home.
 */
export async function livenessOf(
  processes: Iterable<ProcessIdentity>,
): Promise<(process: ProcessIdentity) => Liveness> {
  const here = await pidScope();
  const pids = new Set<number>();
  for (const process of processes) if (isOf(here, process)) pids.add(process.pid);
  const entries = await processTable.some([...pids]);
  const starts = new Map(
    entries.filter(({ state }) => state !== 'ended').map(({ pid, start }) => [pid, start]),
  );
  return (process) => {
    if (process.boot !== here.boot) return 'dead';
    if (process.namespace !== here.namespace) return 'unknown';
    return starts.get(process.pid) === process.start ? 'alive' : 'dead';
  };
}

/** The present boot of the host's kernel: another one after each restart. */
export async function bootId(): Promise<string> {
  return (await pidScope()).boot;
}

function isOf(here: PidScope, process: ProcessIdentity): boolean {
  return process.boot === here.boot && process.namespace === here.namespace;
}

function pidScope(): Promise<PidScope> {
  scope ??= process.platform === 'linux' ? linuxScope() : otherScope();
  return scope;
}

async function linuxScope(): Promise<PidScope> {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    namespace: readlinkSync('/proc/self/ns/pid'),
  };
}

async function otherScope(): Promise<PidScope> {
  const { stdout } = await runCommand('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid']);
  return { boot: stdout.trim() || ONLY, namespace: ONLY };
}
