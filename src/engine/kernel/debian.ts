/** Downloads the distribution's kernel and unpacks it into the cache: no root, nothing installed. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError } from '../../base/errors.ts';
import type { Architecture, Kernel, KernelFlavor, RunCommand } from '../../spec/parts.ts';
import { type Apt, type DebianPackage, openApt } from './apt.ts';
import { distributionKernels } from './distribution.ts';
import { downloadedKernelsDir } from './find.ts';
import { findMirror } from './mirror.ts';
import { kernelReport, type OnKernelProgress } from './progress.ts';
import { selectKernelFiles } from './select.ts';
import { makeStaging } from './staging.ts';

/** What a download needs of its caller. */
export interface DownloadOptions {
  readonly cacheDir: string;
  readonly arch: Architecture;
  readonly run: RunCommand;
  readonly onProgress?: OnKernelProgress;
  readonly signal?: AbortSignal;
}

/**
 * Downloads Debian's newest kernel of that flavor for the host's release into the cache. A version
 * that is there already is not downloaded again.
 *
 * @throws BoxliteError `Config` if the host lacks apt, dpkg-deb or Debian's keyring, `Network` if a
 * download fails, `Unsupported` if Debian has no such kernel for this architecture.
 */
export async function downloadDebianKernel(
  flavor: KernelFlavor,
  options: DownloadOptions,
): Promise<Kernel> {
  const { cacheDir, arch, run, signal } = options;
  const report = kernelReport(options.onProgress);
  if (flavor === 'uml' && arch !== 'x64') {
    throw new BoxliteError('Unsupported', `Debian has no user-mode Linux for ${arch}`);
  }
  await using staging = await makeStaging(cacheDir);
  report('lists', "fetching Debian's package lists");
  const mirror = await findMirror(run, signal);
  const apt = await openApt(
    {
      dir: join(staging.path, 'apt'),
      sources: mirror.release,
      keyring: mirror.keyring,
      arch,
      run,
      ...(signal === undefined ? {} : { signal }),
    },
    (percent) => report('lists', "fetching Debian's package lists", percent),
  );
  const wanted = await kernelPackage(apt, flavor, arch);
  const root = join(downloadedKernelsDir(cacheDir), `${flavor}-${arch}-${wanted.version}`);
  // One that lacks a module may have been unpacked when fewer were needed.
  if ((await distributionKernels({ ...options, flavor, root })).length === 0) {
    await rm(root, { recursive: true, force: true });
    const label = `${wanted.name} ${wanted.version}`;
    report('download', `downloading ${label}`, 0);
    const deb = await apt.download(wanted, join(staging.path, 'deb'), (percent) =>
      report('download', `downloading ${label}`, percent),
    );
    report('unpack', `unpacking ${label}`);
    const unpacked = join(staging.path, 'unpacked');
    await unpackDeb(deb, unpacked, options);
    await using selected = await makeStaging(cacheDir);
    await selectKernelFiles(unpacked, selected.path, { ...options, flavor });
    await selected.moveTo(root);
  }
  const [kernel] = await distributionKernels({ ...options, flavor, root });
  if (kernel !== undefined) return kernel;
  throw new BoxliteError(
    'Engine',
    `Debian's kernel ${wanted.name} ${wanted.version} cannot run a box: it is no kernel that we know`,
  );
}

/** The package that holds the kernel itself; for `vm` the meta package names it. */
async function kernelPackage(
  apt: Apt,
  flavor: KernelFlavor,
  arch: Architecture,
): Promise<DebianPackage> {
  const name =
    flavor === 'uml'
      ? 'user-mode-linux'
      : `linux-image-cloud-${arch === 'x64' ? 'amd64' : 'arm64'}`;
  const found = await mustShow(apt, name);
  if (flavor === 'uml') return found;
  const image = found.depends.find((depend) => /^linux-image-\d.*-cloud-/.test(depend));
  if (image === undefined) {
    throw new BoxliteError('Unsupported', `Debian's package "${name}" names no kernel image`);
  }
  return mustShow(apt, image);
}

/** A package's record. @throws BoxliteError `Unsupported` if there is none. */
export async function mustShow(apt: Apt, name: string): Promise<DebianPackage> {
  const found = await apt.show(name);
  if (found === null || !/^[0-9A-Za-z.+~:-]+$/.test(found.version)) {
    throw new BoxliteError('Unsupported', `Debian's archive has no package "${name}"`);
  }
  return found;
}

/** Unpacks a package file into a folder. */
export async function unpackDeb(
  deb: string,
  into: string,
  { run, signal }: Pick<DownloadOptions, 'run' | 'signal'>,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  const result = await run('dpkg-deb', ['-x', deb, into], options);
  if (result.code === 0) return;
  throw new BoxliteError('Storage', `Cannot unpack "${deb}": ${result.stderr.trim()}`);
}
