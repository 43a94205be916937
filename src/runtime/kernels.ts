import { cacheDir } from '../base/env.ts';
import { findKernels } from '../engine/kernel/find.ts';
import type { OnKernelProgress } from '../engine/kernel/progress.ts';
import { runCommand } from '../process/run.ts';
import { checkBuildOptions } from '../spec/call-options.ts';
import type { Kernel, KernelFlavor } from '../spec/parts.ts';
import { guestArchitecture } from './host-checks.ts';

/** What to build. */
export interface BuildKernelsOptions {
  /** Empty: every flavor this host has an engine for. */
  readonly flavors?: readonly KernelFlavor[];
  /** A tarball of kernel source. Default: Debian's newest. */
  readonly source?: string;
  readonly onProgress?: OnKernelProgress;
  readonly signal?: AbortSignal;
}

/** The guest kernels on this host, those a box would get first. */
export function listKernels(): Promise<Kernel[]> {
  return findKernels({ cacheDir: cacheDir(), arch: guestArchitecture(), run: runCommand });
}

/**
 * Builds our minimal kernels, which takes minutes the first time and nothing after that.
 * @throws BoxliteError `InvalidArgument` naming the option that is wrong, `Config` if something to build with is missing, `Engine` if the build fails.
 */
export async function buildKernels(options: BuildKernelsOptions = {}): Promise<Kernel[]> {
  checkBuildOptions(options);
  const { buildKernel } = await import('../engine/kernel/build.ts');
  const { flavors = [], ...rest } = options;
  const arch = guestArchitecture();
  const possible: readonly KernelFlavor[] = arch === 'x64' ? ['uml', 'vm'] : ['vm'];
  const built: Kernel[] = [];
  for (const flavor of flavors.length > 0 ? flavors : possible) {
    const { kernel } = await buildKernel({
      ...rest,
      flavor,
      arch,
      cacheDir: cacheDir(),
      run: runCommand,
    });
    built.push(kernel);
  }
  return built;
}
