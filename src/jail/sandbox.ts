// pure
import type { LaunchPlan } from '../spec/parts.ts';
import { type JailInput, keptEnvironment, type Limits, limitsOf, withHostPaths } from './jail.ts';
import { sandboxProfile } from './sandbox-profile.ts';

/** Part of macOS. */
export const SANDBOX_EXEC = '/usr/bin/sandbox-exec';

/**
 * Also part of macOS, and the one of its shells whose units do not depend on how it is called: what follows is executed
 * with limits, soft and hard.
 */
const SHELL = '/bin/dash';
/** dash(1): which option of `ulimit` each limit is, and what it counts. macOS takes that of memory without a promise. */
const limitOptions: Readonly<Record<keyof Limits, readonly [option: string, unit: number]>> = {
  maxOpenFiles: ['-n', 1],
  maxFileSize: ['-f', 512],
  maxProcesses: ['-p', 1],
  maxMemory: ['-v', 1024],
  maxCpuTime: ['-t', 1],
  coreBytes: ['-c', 512],
};

/**
 * The same invocation as macOS locks it in: under a profile of ours, or the one that the settings name. There are no
 * namespaces there, so the VMM sees the host's paths.
 */
export function sandboxed(
  plan: LaunchPlan,
  input: Pick<JailInput, 'security' | 'environment'>,
): LaunchPlan {
  const { security } = input;
  const placed = withHostPaths(plan, { opened: new Map() });
  const env = { ...keptEnvironment(input), ...placed.env };
  if (!security.jailerEnabled) {
    return withLimits({ ...placed, env }, limitsOf(plan, security));
  }
  const profile =
    security.sandboxProfile === null
      ? ['-p', sandboxProfile(placed, security.networkEnabled)]
      : ['-f', security.sandboxProfile];
  const args = [...profile, placed.executable, ...placed.args];
  return withLimits({ ...placed, executable: SANDBOX_EXEC, args, env }, limitsOf(plan, security));
}

/** The same invocation with limits. */
export function withLimits(plan: LaunchPlan, limits: Limits): LaunchPlan {
  const commands = Object.entries(limitOptions).flatMap(([name, [option, unit]]) => {
    const value = limits[name as keyof Limits];
    return value === null ? [] : [`ulimit ${option} ${Math.floor(value / unit)}`];
  });
  if (commands.length === 0) return plan;
  const script = [...commands, 'exec "$0" "$@"'].join(' && ');
  return { ...plan, executable: SHELL, args: ['-c', script, plan.executable, ...plan.args] };
}
