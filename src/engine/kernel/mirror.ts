/** Where this host gets Debian's packages from. */

import { BoxliteError } from '../../base/errors.ts';
import { isThere } from '../../base/is-there.ts';
import type { RunCommand } from '../../spec/parts.ts';
import { readTextIfThere } from './files.ts';

/** A line of apt's sources: an archive and one of its suites. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
}

/** Debian's archive as this host reaches it. */
export interface DebianMirror {
  readonly archive: string;
  /** The sources of the host's own release: what its programs were built for. */
  readonly release: readonly AptSource[];
  /** Who must have signed it all. */
  readonly keyring: string;
}

/** Used where the host's configuration names no archive of Debian. */
const DEFAULT_ARCHIVE = 'http://deb.debian.org/debian/';
const DEFAULT_RELEASE = 'stable';
const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

/**
 * Finds the host's mirror without touching the host's package lists, which may be missing or old.
 *
 * @throws BoxliteError `Config` if apt or Debian's keyring is not there.
 */
export async function findMirror(run: RunCommand, signal?: AbortSignal): Promise<DebianMirror> {
  const codename = parseCodename((await readTextIfThere('/etc/os-release')) ?? '');
  const sources = parseReleaseUris(await printUris(run, signal));
  const keyring = await firstThere(KEYRINGS);
  if (keyring === null) {
    throw new BoxliteError(
      'Config',
      "Cannot check the signature of Debian's packages: there is no Debian keyring; " +
        'install it (apt-get install debian-archive-keyring)',
    );
  }
  return { ...chooseMirror(sources, codename), keyring };
}

async function printUris(run: RunCommand, signal: AbortSignal | undefined): Promise<string> {
  try {
    const listed = await run('apt-get', ['update', '--print-uris'], signal ? { signal } : {});
    return listed.code === 0 ? listed.stdout : '';
  } catch (error) {
    if (!BoxliteError.is(error, 'Config')) throw error;
    throw new BoxliteError(
      'Config',
      "Cannot download from Debian: this host has no apt; install the distribution's own kernel " +
        'package for user-mode Linux, or give `boxlite kernel build` a source with --source TARBALL',
      { cause: error },
    );
  }
}

async function firstThere(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await isThere(path)) return path;
  return null;
}

/** Debian's release name from `/etc/os-release`; null on another distribution. Pure. */
export function parseCodename(osRelease: string): string | null {
  const field = (name: string) =>
    new RegExp(`^${name}="?([A-Za-z0-9._-]+)"?$`, 'm').exec(osRelease)?.[1] ?? null;
  return field('ID') === 'debian' ? field('VERSION_CODENAME') : null;
}

/** The archives in `apt-get update --print-uris`: each has an `InRelease` below `dists/`. Pure. */
export function parseReleaseUris(text: string): readonly AptSource[] {
  const found: AptSource[] = [];
  for (const [, uri, suite] of text.matchAll(/^'(\S+?)dists\/([^'\s]+?)\/InRelease'/gm)) {
    if (uri !== undefined && suite !== undefined) found.push({ uri, suite });
  }
  return found;
}

/** Picks Debian's archive from all that the host uses. Pure. */
export function chooseMirror(
  sources: readonly AptSource[],
  codename: string | null,
): Omit<DebianMirror, 'keyring'> {
  const ofSuite = (suite: string) => sources.filter((source) => source.suite === suite);
  const updated = new Set(ofSuite(`${codename}-updates`).map((source) => source.uri));
  const candidates = ofSuite(codename ?? DEFAULT_RELEASE);
  // Other vendors name their suites after Debian's releases; only Debian has `-updates` beside it.
  const main = candidates.find((source) => updated.has(source.uri)) ?? candidates[0];
  if (codename === null || main === undefined) {
    return {
      archive: DEFAULT_ARCHIVE,
      release: [{ uri: DEFAULT_ARCHIVE, suite: codename ?? DEFAULT_RELEASE }],
    };
  }
  const security = ofSuite(`${codename}-security`).slice(0, 1);
  return { archive: main.uri, release: [main, ...security] };
}
