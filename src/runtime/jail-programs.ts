import { realpath } from 'node:fs/promises';
import { BoxliteError } from '../base/errors.ts';
import { findProgram } from '../engine/vmm.ts';
import type { JailPrograms } from '../jail/jail.ts';

/**
 * The programs that lock VMMs in on a system; null on macOS, which brings its own.
 * @throws BoxliteError `Config` naming the package of what is missing.
 */
export async function findJailPrograms(
  path: string,
  on: NodeJS.Platform,
): Promise<JailPrograms | null> {
  if (on === 'darwin') return null;
  const [bubblewrap, prlimit, setpriv, setarch] = await Promise.all([
    findProgram('bwrap', path),
    // A link to it may lie where the jail has something else.
    findProgram('prlimit', path).then((found) => (found === null ? null : realpath(found))),
    findProgram('setpriv', path),
    findProgram('setarch', path),
  ]);
  if (bubblewrap === null) {
    throw new BoxliteError(
      'Config',
      'Cannot find "bwrap", in which every VMM runs: install bubblewrap ' +
        '(Debian: apt-get install bubblewrap)',
    );
  }
  if (prlimit === null || setpriv === null || setarch === null) {
    throw new BoxliteError(
      'Config',
      'Cannot find "prlimit", "setpriv" and "setarch", by which VMMs are started: install util-linux ' +
        '(Debian: apt-get install util-linux)',
    );
  }
  return { bubblewrap, prlimit, setpriv, setarch };
}

/** By which box disks are made. @throws BoxliteError `Config` naming the package of what is missing. */
export async function requireDiskPrograms(path: string): Promise<void> {
  for (const name of ['mke2fs', 'debugfs']) {
    if ((await findProgram(name, path)) !== null) continue;
    throw new BoxliteError(
      'Config',
      `Cannot find "${name}", by which the disks of boxes are made: install e2fsprogs ` +
        '(Debian: apt-get install e2fsprogs)',
    );
  }
}
