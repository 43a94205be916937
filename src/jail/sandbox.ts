import type { LaunchPlan } from '../spec/parts.ts';
import { type JailInput, keptEnvironment, withHostPaths } from './jail.ts';
import { sandboxProfile } from './sandbox-profile.ts';

const SANDBOX_EXEC = '/usr/bin/sandbox-exec';

/**
 * The same invocation as macOS locks it in: under a profile of ours, or the one that the settings name. There are no
 * namespaces there, so the VMM sees the host's paths, and no limits, which are not set.
 */
export function sandboxed(
  plan: LaunchPlan,
  input: Pick<JailInput, 'security' | 'environment'>,
): LaunchPlan {
  const { security } = input;
  const placed = withHostPaths(plan, { opened: null });
  const env = { ...keptEnvironment(input), ...placed.env };
  if (!security.jailerEnabled) return { ...placed, env };
  const profile =
    security.sandboxProfile === null
      ? ['-p', sandboxProfile(placed, security.networkEnabled)]
      : ['-f', security.sandboxProfile];
  return {
    ...placed,
    executable: SANDBOX_EXEC,
    args: [...profile, placed.executable, ...placed.args],
    env,
  };
}
