/** The kernel a box of one flavor runs on: one that is here, or else a downloaded one. */

import type { Architecture, Kernel, KernelFlavor } from '../../spec/parts.ts';
import { type DownloadOptions, downloadDebianKernel } from './debian.ts';
import { findKernel } from './find.ts';

/**
 * Finds the best kernel on this host, or downloads Debian's if there is none.
 *
 * @throws BoxliteError as {@link downloadDebianKernel} does.
 */
export async function resolveKernel(
  flavor: KernelFlavor,
  arch: Architecture,
  options: Omit<DownloadOptions, 'arch'>,
): Promise<Kernel> {
  const search = { ...options, arch };
  return (await findKernel(flavor, search)) ?? (await downloadDebianKernel(flavor, search));
}
