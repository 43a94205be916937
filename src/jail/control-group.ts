// pure
import type { ProcessIdentity } from '../spec/process-identity.ts';
import { enabled } from '../spec/security-presets.ts';
import type { SecuritySettings } from '../spec/security-settings.ts';

/**
 * Which control group of version 2 holds a VMM, and what is written to its files (Linux:
 * Documentation/admin-guide/cgroup-v2.rst).
 */

/** What of a host's is limited. */
export const controllers = ['memory', 'pids', 'cpu'] as const;
export type Controller = (typeof controllers)[number];

/**
 * What a VMM needs besides its guest's memory, with the cache of the files it reads and writes, which the kernel takes
 * back when that is all there is.
 */
const VMM_MEMORY_BYTES = 512 * 1024 * 1024;
/** Processors for a VMM's disks and wire, besides those of its guest. */
const VMM_CPUS = 1;
/** bubblewrap inside and outside of the jail. */
const JAIL_PROCESSES = 2;
/** The time in which a share of the processors is counted, in us: the kernel's default. */
const CPU_PERIOD_US = 100_000;

/** A file of a group, and what is written to it. */
export interface GroupSetting {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
  /** Not every kernel has the file. */
  readonly optional: boolean;
}

/** What a box was promised. */
export interface BoxSize {
  readonly cpus: number;
  readonly memoryMib: number;
}

/**
 * What a box's VMM may use in all, with everything it starts: what the box was given, if it is jailed, and what its
 * limits say. Empty if it may use anything.
 */
export function groupSettings(
  { cpus, memoryMib }: BoxSize,
  { jailerEnabled, resourceLimits: { maxMemory, maxProcesses } }: SecuritySettings,
): GroupSetting[] {
  const needed = jailerEnabled ? memoryMib * 1024 * 1024 + VMM_MEMORY_BYTES : Infinity;
  const memory = Math.min(needed, maxMemory ?? Infinity);
  return [
    ...(memory === Infinity ? [] : memorySettings(String(memory))),
    ...(jailerEnabled
      ? [setting('cpu', 'cpu.max', `${(cpus + VMM_CPUS) * CPU_PERIOD_US} ${CPU_PERIOD_US}`)]
      : []),
    ...(maxProcesses === null
      ? []
      : [setting('pids', 'pids.max', String(maxProcesses + JAIL_PROCESSES))]),
  ];
}

function memorySettings(bytes: string): GroupSetting[] {
  return [
    setting('memory', 'memory.max', bytes),
    // Otherwise what has no room goes on growing on the disk.
    { ...setting('memory', 'memory.swap.max', bytes), optional: true },
    // Half a VMM is of no use.
    { ...setting('memory', 'memory.oom.group', '1'), optional: true },
  ];
}

function setting(controller: Controller, file: string, value: string): GroupSetting {
  return { controller, file, value, optional: false };
}

/**
 * Whether a limit that was asked for counts in a group alone: outside of a jail, root's processes are not counted by
 * setrlimit(2). The default has not been asked for.
 */
export function needsGroup(security: SecuritySettings, asRoot: boolean): boolean {
  const { jailerEnabled, resourceLimits } = security;
  const { maxProcesses } = resourceLimits;
  const asked = maxProcesses !== null && maxProcesses !== enabled.resourceLimits.maxProcesses;
  return asRoot && !jailerEnabled && asked;
}

/**
 * Folders in which a group could be made for a process of ours, the outermost first, so that all programs of a user
 * find the same. Only those around our own group: nothing may be moved to others.
 * @param own /proc/self/cgroup
 * @param mounts /proc/self/mountinfo
 */
export function candidateFolders(own: string, mounts: string): string[] {
  const group = /^0::(\/.*)$/m.exec(own)?.[1];
  const mount = mounts
    .split('\n')
    .map((line) => / (\/\S*) (\/\S+) .* - cgroup2 /.exec(line))
    .find((found) => found !== null);
  const [root = '', point = ''] = (mount ?? []).slice(1).map(unescaped);
  if (group === undefined || point === '' || group.startsWith('/..')) return [];
  const inside = root === '/' ? group : group.slice(root.length);
  if (root !== '/' && !`${group}/`.startsWith(`${root}/`)) return [];
  const names = inside.split('/').filter((name) => name !== '');
  return [point, ...names.map((_, i) => `${point}/${names.slice(0, i + 1).join('/')}`)];
}

/** mountinfo writes what would end a word in octal. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** What a box's group is called: after its owner, so that others can tell whether it is left over. */
export function groupName(owner: ProcessIdentity, box: string): string {
  return `${owner.pid}-${owner.start}-${owner.namespace.replace(/\D/g, '')}-${box}`;
}

/** Whose group that is, on the same boot of the host; null if it is none of ours. */
export function ownerOfGroup(name: string): Omit<ProcessIdentity, 'boot'> | null {
  const [, pid, start, namespace] = /^(\d+)-(\d+)-(\d+)-\w+$/.exec(name) ?? [];
  if (pid === undefined || start === undefined) return null;
  return { pid: Number(pid), start, namespace: `pid:[${namespace}]` };
}
