/** An ordinary user for tests: somebody else if root runs them, otherwise who does. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Nobody on any host. */
export const USER = 62_001;
export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** What a command line of that user begins with. */
export const become: readonly string[] =
  process.getuid?.() === 0
    ? ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']
    : [];

/** Why that user cannot run programs of ours; false if they can. */
export function unable(): string | false {
  if (process.platform !== 'linux') return 'only Linux has namespaces and control groups';
  const [command = 'test', ...args] = [...become, 'test', '-r', join(REPOSITORY, 'package.json')];
  return spawnSync(command, args).status !== 0 && 'an ordinary user cannot read this repository';
}
