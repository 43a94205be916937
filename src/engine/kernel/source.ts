/** Obtains the kernel source to build from: a given tarball, or Debian's newest. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BoxliteError, messageOf } from '../../base/errors.ts';
import type { Architecture, RunCommand } from '../../spec/parts.ts';
import { type Apt, openApt } from './apt.ts';
import { mustShow, unpackDeb } from './debian.ts';
import { UML_SECCOMP_SINCE } from './distribution.ts';
import { listFolder } from './files.ts';
import { findMirror } from './mirror.ts';
import type { KernelReport } from './progress.ts';
import { compareVersions } from './version.ts';

/**
 * Where a source that is new enough is looked for, in this order. Backports come first because they
 * are stable's, built for compilers that people have.
 */
const SUITES = ['trixie-backports', 'stable-backports', 'testing', 'unstable'] as const;

/** A source that can be unpacked with tar. */
export interface KernelSource {
  /** Changes with the source's content. */
  readonly id: string;
  /** For people: a package with its version, or a file name. */
  readonly label: string;
  /** Makes the tarball available below `dir`, a folder of ours, and returns its path. */
  tarball(dir: string): Promise<string>;
}

/** What obtaining a source needs. */
export interface SourceOptions {
  readonly cacheDir: string;
  readonly arch: Architecture;
  readonly run: RunCommand;
  readonly report: KernelReport;
  readonly signal?: AbortSignal;
}

/** The source in a tarball of the user's. @throws BoxliteError `Config` if it cannot be read. */
export async function tarballSource(
  path: string,
  signal: AbortSignal | undefined,
): Promise<KernelSource> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new BoxliteError('Config', `Cannot read the kernel source: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const id = hash.digest('hex');
  return { id, label: basename(path), tarball: async () => path };
}

/**
 * Debian's newest source. `aptDir` is a folder of ours that must outlive the source.
 *
 * @throws BoxliteError `Config` if the host lacks apt, `Network` if the lists cannot be fetched,
 * `Unsupported` if no suite has a source that is new enough.
 */
export async function debianSource(aptDir: string, options: SourceOptions): Promise<KernelSource> {
  const { cacheDir, report } = options;
  const { apt, name } = await findSuite(aptDir, options);
  const { version } = await mustShow(apt, name);
  const label = `${name} ${version}`;
  return {
    id: label,
    label,
    async tarball(dir) {
      const kept = join(cacheDir, 'kernels', 'source');
      await mkdir(kept, { recursive: true });
      report('download', `downloading ${label}`, 0);
      const deb = await apt.download({ name, version }, kept, (percent) =>
        report('download', `downloading ${label}`, percent),
      );
      await keepOnly(kept, basename(deb));
      report('unpack', `unpacking ${label}`);
      await unpackDeb(deb, dir, options);
      return findTarball(join(dir, 'usr', 'src'), name);
    },
  };
}

/** The first suite that has a source which is new enough, and the newest one in it. */
async function findSuite(
  aptDir: string,
  options: SourceOptions,
): Promise<{ apt: Apt; name: string }> {
  const { arch, run, signal, report } = options;
  const { archive, keyring } = await findMirror(run, signal);
  const failures: unknown[] = [];
  for (const suite of SUITES) {
    const message = `looking for the newest kernel source in Debian's ${suite}`;
    report('lists', message);
    const dir = join(aptDir, suite);
    const sources = [{ uri: archive, suite }];
    try {
      const apt = await openApt(
        { dir, sources, keyring, arch, run, ...(signal === undefined ? {} : { signal }) },
        (percent) => report('lists', message, percent),
      );
      const name = newestSource(await apt.names('linux-source-'));
      if (name !== null) return { apt, name };
    } catch (error) {
      // A mirror need not have every suite.
      if (!BoxliteError.is(error, 'Network')) throw error;
      failures.push(error);
    }
  }
  if (failures.length === SUITES.length) throw failures[0];
  throw new BoxliteError(
    'Unsupported',
    `Cannot find a kernel source of at least ${UML_SECCOMP_SINCE} in Debian's ${SUITES.join(', ')}; ` +
      'give one with --source TARBALL',
  );
}

/** The newest `linux-source-X.Y` that has what we need, or null. Pure. */
export function newestSource(names: readonly string[]): string | null {
  const prefix = 'linux-source-';
  const versions = names
    .filter((name) => /^linux-source-\d+\.\d+(\.\d+)?$/.test(name))
    .map((name) => name.slice(prefix.length))
    .filter((version) => compareVersions(version, UML_SECCOMP_SINCE) >= 0)
    .toSorted(compareVersions);
  const newest = versions.at(-1);
  return newest === undefined ? null : `${prefix}${newest}`;
}

/** One source package is kept, so that the other flavor and the next build need no download. */
async function keepOnly(dir: string, name: string): Promise<void> {
  for (const entry of await listFolder(dir)) {
    if (entry !== name) await rm(join(dir, entry), { recursive: true, force: true });
  }
}

async function findTarball(dir: string, name: string): Promise<string> {
  const file = (await listFolder(dir)).find((entry) => entry.startsWith(`${name}.tar`));
  if (file !== undefined) return join(dir, file);
  throw new BoxliteError('Storage', `The package "${name}" has no source tarball in ${dir}`);
}
