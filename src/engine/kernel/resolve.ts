/** The kernel a box of one flavor runs on: one that is here, or else a downloaded one. */

import type { Architecture, Kernel, KernelFlavor } from '../../spec/parts.ts';
import type { DownloadOptions } from './debian.ts';
import { findKernel } from './find.ts';

/**
 * Finds the best kernel on this host, or downloads Debian's if there is none.
 *
 * @throws BoxliteError as `downloadDebianKernel` does.
 */
export async function resolveKernel(
  flavor: KernelFlavor,
  arch: Architecture,
  options: Omit<DownloadOptions, 'arch'>,
): Promise<Kernel> {
  const search = { ...options, arch };
  const found = await findKernel(flavor, search);
  if (found !== null) return found;
  const { downloadDebianKernel } = await import('./debian.ts');
  return await downloadDebianKernel(flavor, search);
}
