// pure
/** How our kernels are built, as data, and the hashes that name a build. */

import { createHash } from 'node:crypto';
import { BoxliteError } from '../../base/errors.ts';
import type { Architecture, KernelFlavor } from '../../spec/parts.ts';
import { formatConfig, type KernelConfig } from './fragments.ts';

/** Raise it when the build's steps change in a way that no other input of the hash shows. */
const RECIPE_VERSION = 1;

/** How one flavor is built. */
export interface KernelRecipe {
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  /** The kernel's own name of the architecture, as `make ARCH=` takes it. */
  readonly makeArch: string;
  /** Files in the package's `kernel` folder. */
  readonly fragments: readonly string[];
  /** Changes to the source, in the same folder, in this order. Each is left out where it does not fit. */
  readonly patches: readonly string[];
  /** Further `NAME=value` arguments of make. */
  readonly variables: readonly string[];
  readonly target: string;
  /** Where the build leaves the kernel, an ELF file that is stripped. */
  readonly product: string;
  /** Lines that such a build prints (measured with Linux 7.3): the base of the percentage. */
  readonly steps: number;
}

const UML: KernelRecipe = {
  flavor: 'uml',
  arch: 'x64',
  makeArch: 'um',
  fragments: ['common.fragment', 'uml-x86_64.fragment'],
  patches: ['patches/uml-1-note-ipis.patch', 'patches/uml-2-bind-stub.patch'],
  // UML ends a helper thread with pthread_cancel, for which libgcc sorts the unwind tables of the whole
  // static program: 6 ms of every power-off, and a fifth of the file, for nothing.
  variables: ['KCFLAGS=-fno-asynchronous-unwind-tables -fno-unwind-tables'],
  target: 'linux',
  product: 'linux',
  steps: 1340,
};

const MICROVM: KernelRecipe = {
  flavor: 'vm',
  arch: 'x64',
  makeArch: 'x86',
  fragments: ['common.fragment', 'microvm-x86_64.fragment'],
  patches: [
    'patches/vm-1-tcg-clocks.patch',
    'patches/vm-2-console-buffers.patch',
    'patches/vm-3-initmem-poison.patch',
  ],
  variables: [],
  // Not bzImage: QEMU enters the plain file by its PVH note, and nothing has to be unpacked (45 ms less).
  target: 'vmlinux',
  product: 'vmlinux',
  steps: 1560,
};

/** The recipe of a flavor. @throws BoxliteError `Unsupported` if there is none for `arch`. */
export function kernelRecipe(flavor: KernelFlavor, arch: Architecture): KernelRecipe {
  if (arch !== 'x64') {
    throw new BoxliteError(
      'Unsupported',
      `Cannot build a kernel for ${arch}: only x64 has a configuration; the distribution's kernel is used`,
    );
  }
  return flavor === 'uml' ? UML : MICROVM;
}

/** Names a way of building: the same for every source. `patches` are the files' contents. */
export function recipeHash(
  recipe: KernelRecipe,
  config: KernelConfig,
  patches: readonly string[],
): string {
  const { makeArch, variables, target } = recipe;
  const steps = [RECIPE_VERSION, makeArch, variables, target];
  return shortHash([...steps, formatConfig(config), patches]);
}

/** Names a build: the recipe and the source it was applied to. */
export function buildHash(recipe: string, sourceId: string): string {
  return shortHash([recipe, sourceId]);
}

function shortHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Counts make's short lines (`  CC      init/main.o`) into a percentage that ends at 99. */
export class StepCounter {
  readonly #expected: number;
  #seen = 0;

  constructor(expected: number) {
    this.#expected = expected;
  }

  /** The percentage after this line, or null if the line is no step. */
  add(line: string): number | null {
    if (!/^ {2}[A-Z][A-Z0-9_]* +\S/.test(line)) return null;
    this.#seen++;
    return Math.min(99, Math.floor((this.#seen / this.#expected) * 100));
  }
}
