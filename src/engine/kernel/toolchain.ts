/** What a kernel build needs of the host. */

import { BoxliteError } from '../../base/errors.ts';
import type { KernelFlavor, RunCommand } from '../../spec/parts.ts';

/** A program that must run, or a header that must be there, and the Debian package that brings it. */
interface Requirement {
  readonly package: string;
  readonly command: string;
  readonly args: readonly string[];
}

const program = (name: string, command: string): Requirement => ({
  package: name,
  command,
  args: ['--version'],
});

const header = (name: string, file: string): Requirement => ({
  package: name,
  command: 'gcc',
  args: ['-E', '-o', '/dev/null', '-include', file, '-x', 'c', '/dev/null'],
});

const EVERY_FLAVOR: readonly Requirement[] = [
  program('gcc', 'gcc'),
  program('make', 'make'),
  program('flex', 'flex'),
  program('bison', 'bison'),
  program('bc', 'bc'),
  program('xz-utils', 'xz'),
  program('patch', 'patch'),
  header('libc6-dev', 'stdio.h'),
];
const OF_FLAVOR: Readonly<Record<KernelFlavor, readonly Requirement[]>> = {
  uml: [],
  // objtool, which checks x86 kernels, reads ELF files.
  vm: [header('libelf-dev', 'libelf.h')],
};

/** @throws BoxliteError `Config` with the packages to install, if anything is missing. */
export async function checkToolchain(
  flavor: KernelFlavor,
  run: RunCommand,
  signal: AbortSignal | undefined,
): Promise<void> {
  const requirements = [...EVERY_FLAVOR, ...OF_FLAVOR[flavor]];
  const present = await Promise.all(
    requirements.map((requirement) => isPresent(requirement, run, signal)),
  );
  const missing = requirements.filter((_, i) => present[i] === false).map((need) => need.package);
  if (missing.length === 0) return;
  throw new BoxliteError(
    'Config',
    `Cannot build a kernel: ${missing.join(', ')} not found; ` +
      `install with: apt-get install --no-install-recommends ${missing.join(' ')}`,
  );
}

async function isPresent(
  { command, args }: Requirement,
  run: RunCommand,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    return (await run(command, args, signal === undefined ? {} : { signal })).code === 0;
  } catch (error) {
    if (BoxliteError.is(error, 'Config')) return false;
    throw error;
  }
}
