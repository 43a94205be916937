// pure
/** What kernels of distributions need and our own do not. */
import { BoxliteError } from '../base/errors.ts';
import type { Kernel } from '../spec/parts.ts';

/** Debian's 6.1 unpacks itself into 80 MiB; where there is less it resets the machine without a word. */
const MEMORY_MIB_MIN = 96;

/**
 * Whether a UML kernel has to be helped with processors that have more registers than it knows: those from
 * before 6.13, of which our mark is that they have no seccomp mode. `kernel/uml-xstate.c` tells more.
 */
export function needsPreload(kernel: Kernel): boolean {
  return kernel.flavor === 'uml' && !kernel.seccomp;
}

/** @throws BoxliteError `InvalidArgument` if the kernel cannot boot in so little memory. */
export function requireMemory(kernel: Kernel, memoryMib: number): void {
  if (kernel.flavor !== 'vm' || kernel.origin === 'own' || memoryMib >= MEMORY_MIB_MIN) return;
  throw new BoxliteError(
    'InvalidArgument',
    `memoryMib: expected at least ${MEMORY_MIB_MIN} for the distribution's kernel, got ${memoryMib}; ` +
      'our own need less: boxlite kernel build',
  );
}
