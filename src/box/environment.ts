// pure
import type { EnvironmentPair } from '../spec/box-spec.ts';

/** What every command has, unless the image, the box or the caller says otherwise. */
const DEFAULTS: readonly EnvironmentPair[] = [
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
];

/** `NAME=value` of every variable; of those given twice the last wins. HOME is the agent's to add. */
export function environment(
  layers: readonly (readonly EnvironmentPair[])[],
  facts: { hostname: string; tty: boolean },
): string[] {
  const merged = new Map<string, string>([...DEFAULTS, ['HOSTNAME', facts.hostname]]);
  if (facts.tty) merged.set('TERM', 'xterm');
  for (const layer of layers) for (const [name, value] of layer) merged.set(name, value);
  return [...merged].map(([name, value]) => `${name}=${value}`);
}
