import { readFileSync } from 'node:fs';
import { mapsBoxUsers } from '../jail/host-user.ts';

/**
 * Whether VMMs can be started as users of their own: by root, unless it is the root of a user namespace that has only
 * a few users. That one is an ordinary user of the host, and its VMMs are that user, too.
 */
export function hasBoxUsers(): boolean {
  if (process.getuid?.() !== 0) return false;
  if (process.platform !== 'linux') return true;
  return ['uid_map', 'gid_map'].every((name) =>
    mapsBoxUsers(readFileSync(`/proc/self/${name}`, 'utf8')),
  );
}
