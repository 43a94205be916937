// pure
import type { LaunchPlan } from '../spec/parts.ts';
import type { ResourceLimits, SecuritySettings } from '../spec/security-settings.ts';

/** nobody and nogroup: who a VMM is in its own eyes when nobody else was asked for. */
const NOBODY = 65_534;

/** A limit of dumps by which the kernel makes none, not even for a program that reads them from a pipe. */
const NO_DUMP = 1;

/** The wire is descriptor 3; what a plan inherits follows it. */
const FIRST_DESCRIPTOR = 4;

/** The host's programs that lock a VMM in, by their paths. */
export interface JailPrograms {
  readonly bubblewrap: string;
  /** util-linux's, which sets limits and executes. */
  readonly prlimit: string;
  /** util-linux's, which ties a program without a jail to its parent's life. */
  readonly setpriv: string;
  /** util-linux's, which turns address randomisation off for what it executes. */
  readonly setarch: string;
}

/** What a jail is made from. */
export interface JailInput {
  readonly security: SecuritySettings;
  readonly programs: JailPrograms;
  /** A host descriptor from which bubblewrap reads the system-call filter; null without one. */
  readonly filter: number | null;
  /** The host user and group the VMM runs as; null: the one who runs us, which only root can change. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /**
   * Host descriptors of files and libraries, by their paths: of those whose folders the user cannot reach, and of those
   * which it could not write to anyway, as a mount for each takes time.
   */
  readonly opened: ReadonlyMap<string, number>;
  /** An empty host directory in which the root is built; null: it is built in memory. */
  readonly root: string | null;
  /** The host's variables, of which the VMM gets those that the settings leave. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The same invocation, locked in as the settings say. With all of them: bubblewrap with all namespaces new, an empty
 * root with only what the plan names, no capability, no environment, a filter of system calls, limits, a session
 * of its own, and death with its parent, which also ends what UML leaves behind.
 */
export function jailed(plan: LaunchPlan, input: JailInput): LaunchPlan {
  const inside = locked(plan, input);
  if (!plan.fixedAddresses) return inside;
  // UML would execute itself anew for this, by a path of the host that is not there in the jail.
  const args = ['--addr-no-randomize', '--', inside.executable, ...inside.args];
  return { ...inside, executable: input.programs.setarch, args };
}

function locked(plan: LaunchPlan, input: JailInput): LaunchPlan {
  const { security } = input;
  const emptyRoot = security.jailerEnabled && security.chrootEnabled;
  const placed = emptyRoot ? plan : withHostPaths(plan, input);
  const command = [
    ...limitCommand(input.programs.prlimit, limitsOf(plan, security)),
    placed.executable,
    ...placed.args,
  ];
  const kept = keptEnvironment(input);
  const inherited = {
    ...placed,
    descriptors: [
      ...placed.descriptors,
      ...input.opened.values(),
      ...(input.filter === null ? [] : [input.filter]),
    ],
    user: input.user,
  };
  if (!security.jailerEnabled) {
    const args = ['--pdeathsig', 'KILL', '--', ...command];
    const env = { ...kept, ...placed.env };
    return { ...inherited, executable: input.programs.setpriv, args, env };
  }
  return {
    ...inherited,
    executable: input.programs.bubblewrap,
    args: [
      ...namespaces(security),
      '--die-with-parent',
      '--new-session',
      '--cap-drop',
      'ALL',
      ...(emptyRoot ? ownRoot(placed, input) : hostRoot),
      ...Object.entries(placed.env).flatMap(([name, value]) => ['--setenv', name, value]),
      '--chdir',
      '/',
      ...filterArguments(inherited.descriptors.length, input),
      '--',
      ...command,
    ],
    // Not among the arguments, which everybody on the host can read.
    env: kept,
  };
}

/** Each by its name: `--unshare-all` would go on without a user namespace where the host forbids it. */
function namespaces({ newPidNs, newNetNs, uid, gid }: SecuritySettings): string[] {
  return [
    '--unshare-user',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup-try',
    ...(newPidNs ? ['--unshare-pid'] : []),
    ...(newNetNs ? ['--unshare-net'] : []),
    '--uid',
    String(uid ?? NOBODY),
    '--gid',
    String(gid ?? NOBODY),
  ];
}

/** An empty root, and in it what the plan names; nothing but a /dev/shm can be written to. */
function ownRoot(plan: LaunchPlan, { opened, root }: JailInput): string[] {
  const places = placesOf(plan, opened);
  const put = (hostPath: string, inside: string) => {
    const place = places.get(hostPath);
    return place === undefined ? ['--ro-bind', hostPath, inside] : ['--symlink', place, inside];
  };
  return [
    ...(root === null ? [] : ['--bind', root, '/']),
    ...plan.libraries.flatMap((path) => put(path, path)),
    ...plan.files.flatMap(({ hostPath, inside }) => put(hostPath, inside)),
    '--proc',
    '/proc',
    // All of a /dev that a plan counts on.
    '--symlink',
    '/proc/self/fd',
    '/dev/fd',
    ...plan.devices.flatMap((path) => ['--dev-bind', path, path]),
    ...sharedMemory(plan),
    '--remount-ro',
    '/',
  ];
}

/** The host's files as they are; its processes are still out of sight. */
const hostRoot = ['--dev-bind', '/', '/', '--proc', '/proc'];

function sharedMemory({ sharedMemoryBytes }: LaunchPlan): string[] {
  if (sharedMemoryBytes === 0) return [];
  return ['--size', String(sharedMemoryBytes), '--tmpfs', '/dev/shm'];
}

/** The filter is the last descriptor. */
function filterArguments(descriptors: number, { filter }: JailInput): string[] {
  return filter === null ? [] : ['--seccomp', String(FIRST_DESCRIPTOR + descriptors - 1)];
}

/** Where the VMM finds what has been opened for it: behind the plan's own descriptors. */
function placesOf(
  { descriptors }: LaunchPlan,
  opened: JailInput['opened'],
): ReadonlyMap<string, string> {
  const first = FIRST_DESCRIPTOR + descriptors.length;
  return new Map([...opened.keys()].map((path, i) => [path, `/proc/self/fd/${first + i}`]));
}

/** The plan for a VMM that sees the host's files: their paths in place of the jail's. */
export function withHostPaths(plan: LaunchPlan, { opened }: Pick<JailInput, 'opened'>): LaunchPlan {
  const places = placesOf(plan, opened);
  const outside = (text: string) =>
    plan.files.reduce((words, { inside, hostPath }) => {
      const path = places.get(hostPath) ?? hostPath;
      // Where commas divide QEMU's words, one of a path is doubled.
      return words
        .replaceAll(`=${inside},`, () => `=${path.replaceAll(',', ',,')},`)
        .replaceAll(inside, () => path);
    }, text);
  const env = Object.entries(plan.env).map(([name, value]) => [name, outside(value)]);
  return {
    ...plan,
    executable: outside(plan.executable),
    args: plan.args.map(outside),
    env: Object.fromEntries(env),
  };
}

/**
 * The settings, with a limit of file sizes under which a VMM can write the disk and the memory that it was given. A
 * smaller one would have it killed (SIGXFSZ, setrlimit(2)) as soon as its guest wrote beyond it.
 */
export function withRoomFor(
  { fileBytes }: Pick<LaunchPlan, 'fileBytes'>,
  security: SecuritySettings,
): SecuritySettings {
  const { maxFileSize } = security.resourceLimits;
  if (maxFileSize === null || maxFileSize >= fileBytes) return security;
  return { ...security, resourceLimits: { ...security.resourceLimits, maxFileSize: fileBytes } };
}

/** A limit of a process; null: none. */
export type Limits = ResourceLimits & { readonly coreBytes: number | null };

/**
 * What was asked for. In the jail, also that no file outgrows what the plan has to write, and no dump of a VMM that dies
 * goes to whatever takes dumps on the host: of 0 bytes they still would, of 1 the kernel makes none (core(5), fs/coredump.c).
 */
export function limitsOf({ fileBytes }: LaunchPlan, security: SecuritySettings): Limits {
  const { jailerEnabled, resourceLimits } = security;
  if (!jailerEnabled) return { ...resourceLimits, coreBytes: null };
  const maxFileSize = Math.min(resourceLimits.maxFileSize ?? fileBytes, fileBytes);
  return { ...resourceLimits, maxFileSize, coreBytes: NO_DUMP };
}

/** Which limit is which option of `prlimit`; its numbers are in the units of setrlimit(2), as ours are. */
const limitOptions: Readonly<Record<keyof Limits, string>> = {
  maxOpenFiles: '--nofile',
  maxFileSize: '--fsize',
  maxProcesses: '--nproc',
  maxMemory: '--as',
  maxCpuTime: '--cpu',
  coreBytes: '--core',
};

/**
 * Executes the VMM with its limits, soft and hard. Inside the jail, where processes are counted for its user
 * namespace alone: outside they would be counted with all others of the user.
 */
function limitCommand(prlimit: string, limits: Limits): string[] {
  const options = Object.entries(limitOptions).flatMap(([name, option]) => {
    const value = limits[name as keyof Limits];
    return value === null ? [] : [`${option}=${value}:${value}`];
  });
  return options.length === 0 ? [] : [prlimit, ...options, '--'];
}

/** The host's variables that the settings leave. */
export function keptEnvironment({
  security,
  environment,
}: Pick<JailInput, 'security' | 'environment'>): Record<string, string> {
  const { sanitizeEnv, envAllowlist } = security;
  const kept = Object.entries(environment).filter(
    ([name]) => !sanitizeEnv || envAllowlist.includes(name),
  );
  return Object.fromEntries(kept);
}
