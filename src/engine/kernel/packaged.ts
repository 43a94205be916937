/** Our kernels as they come from npm: packages beside ours, one for each platform, that `npm run release` makes. */

import { createRequire } from 'node:module';
import { platform } from 'node:os';
import { dirname, join } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import type { Architecture, Kernel, KernelFlavor } from '../../spec/parts.ts';
import { readOwnKernel } from './own.ts';

/** What the package of a platform is called. A folder in it for each flavor holds what the cache holds of a kernel. */
export function kernelPackageName(system: NodeJS.Platform, arch: Architecture): string {
  return `@boxlite/kernel-${system}-${arch}`;
}

/** The folder of this platform's package, as Node finds it from ours; null if it is not installed. */
export function kernelPackageDir(arch: Architecture): string | null {
  const name = kernelPackageName(platform(), arch);
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch (error) {
    if (systemCode(error) === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/** The kernel of that flavor in a package, as a list; empty if there is none, or it is damaged. */
export async function packagedKernels(
  packageDir: string | null,
  flavor: KernelFlavor,
): Promise<Kernel[]> {
  const found = packageDir === null ? null : await readOwnKernel(join(packageDir, flavor));
  return found === null ? [] : [found.kernel];
}
