/** Finds the kernels that this host already has. */

import { join } from 'node:path';
import type { Architecture, Kernel, KernelFlavor, RunCommand } from '../../spec/parts.ts';
import { distributionKernels } from './distribution.ts';
import { listFolder } from './files.ts';
import { ownKernels } from './own.ts';
import { kernelPackageDir, packagedKernels } from './packaged.ts';
import { compareVersions } from './version.ts';

/** Where kernels are looked for. */
export interface KernelSearch {
  readonly cacheDir: string;
  readonly arch: Architecture;
  readonly run: RunCommand;
  /** The folder that stands for `/`. Default: `/`. */
  readonly root?: string;
  /** The folder of an npm package with kernels, or null for none. Default: this platform's, if it is installed. */
  readonly packageDir?: string | null;
  readonly signal?: AbortSignal;
}

/** Every usable kernel, in order of preference within each flavor. */
export async function findKernels(search: KernelSearch): Promise<Kernel[]> {
  const found: Kernel[] = [];
  for (const flavor of ['uml', 'vm'] as const) {
    for await (const kernel of kernelsByPreference(flavor, search)) found.push(kernel);
  }
  return found;
}

/** The kernel to use, or null if this host has none of that flavor. */
export async function findKernel(
  flavor: KernelFlavor,
  search: KernelSearch,
): Promise<Kernel | null> {
  for await (const kernel of kernelsByPreference(flavor, search)) return kernel;
  return null;
}

/** Kernels built here, those of npm's package, installed ones, downloaded ones; each is looked at only when asked for. */
async function* kernelsByPreference(
  flavor: KernelFlavor,
  search: KernelSearch,
): AsyncGenerator<Kernel, void, undefined> {
  const { cacheDir, arch, root = '/', packageDir = kernelPackageDir(arch) } = search;
  yield* await ownKernels(cacheDir, flavor, arch);
  yield* await packagedKernels(packageDir, flavor);
  yield* await distributionKernels({ ...search, flavor, root });
  yield* await downloadedKernels(flavor, search);
}

/** The folder that holds unpacked packages, each a root folder of its own. */
export function downloadedKernelsDir(cacheDir: string): string {
  return join(cacheDir, 'kernels', 'debian');
}

/** Folder names are `<flavor>-<arch>-<package version>`; the newest comes first. */
async function downloadedKernels(flavor: KernelFlavor, search: KernelSearch): Promise<Kernel[]> {
  const base = downloadedKernelsDir(search.cacheDir);
  const names = (await listFolder(base))
    .filter((name) => name.startsWith(`${flavor}-${search.arch}-`))
    .toSorted((a, b) => compareVersions(b, a));
  const found: Kernel[] = [];
  for (const name of names) {
    found.push(...(await distributionKernels({ ...search, flavor, root: join(base, name) })));
  }
  return found;
}
