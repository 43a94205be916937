import type { LaunchPlan } from '../spec/parts.ts';

/** How tight the jail is. */
export interface JailOptions {
  /** Path of `bwrap`. */
  readonly bubblewrap: string;
  /** A host descriptor from which bubblewrap reads the system-call filter. */
  readonly filter: number;
}

/** The wire is descriptor 3; what a plan inherits follows it. */
const FIRST_DESCRIPTOR = 4;

/**
 * The same invocation inside bubblewrap: all namespaces new, an empty root with only what the plan names,
 * no capability, no environment, a filter of system calls, a session of its own, and death with its parent,
 * which also ends what UML leaves behind.
 */
export function jailed(plan: LaunchPlan, options: JailOptions): LaunchPlan {
  return {
    ...plan,
    executable: options.bubblewrap,
    args: [
      '--unshare-all',
      '--die-with-parent',
      '--new-session',
      '--clearenv',
      '--cap-drop',
      'ALL',
      ...plan.libraries.flatMap((path) => ['--ro-bind', path, path]),
      ...plan.files.flatMap((file) => ['--ro-bind', file.hostPath, file.inside]),
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      ...plan.devices.flatMap((path) => ['--dev-bind', path, path]),
      '--tmpfs',
      '/tmp',
      ...sharedMemory(plan.sharedMemoryBytes),
      ...Object.entries(plan.env).flatMap(([name, value]) => ['--setenv', name, value]),
      '--chdir',
      '/',
      '--seccomp',
      String(FIRST_DESCRIPTOR + plan.descriptors.length),
      '--',
      plan.executable,
      ...plan.args,
    ],
    env: {},
    descriptors: [...plan.descriptors, options.filter],
  };
}

function sharedMemory(bytes: number): string[] {
  return bytes === 0 ? [] : ['--size', String(bytes), '--tmpfs', '/dev/shm'];
}
