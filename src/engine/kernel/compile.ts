/** The steps of a kernel build, each a program run in the build's own folder. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BoxliteError } from '../../base/errors.ts';
import type { CommandOptions, CommandResult, RunCommand } from '../../spec/parts.ts';
import { formatConfig, type KernelConfig, parseConfig } from './fragments.ts';
import type { KernelReport } from './progress.ts';
import { type KernelRecipe, StepCounter } from './recipe.ts';
import type { KernelSource } from './source.ts';

/** A build under way. The folders `source` and `build` are made below `dir`. */
export interface KernelWork {
  readonly recipe: KernelRecipe;
  readonly report: KernelReport;
  readonly dir: string;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/** Where a finished build left something, by its path in the build folder. */
export function buildPath(work: KernelWork, path: string): string {
  return join(work.dir, 'build', path);
}

/** Unpacks the source into `source`. */
export async function unpackSource(work: KernelWork, source: KernelSource): Promise<void> {
  const tarball = await source.tarball(join(work.dir, 'package'));
  work.report('unpack', `unpacking ${source.label}`);
  await mkdir(join(work.dir, 'source'), { recursive: true });
  await mustRun(work, 'tar', ['-x', '--strip-components=1', '-C', 'source', '-f', tarball]);
}

/** Applies the patches that fit this source and returns the ones that do not. */
export async function applyPatches(
  work: KernelWork,
  patches: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const [name, text] of patches) {
    const apply = (...more: string[]) =>
      runHere(work, 'patch', ['-p1', '-d', 'source', '--batch', '--forward', ...more], {
        input: text,
      });
    // Tried first, so that a patch is never applied in part.
    const fits = (await apply('--dry-run')).code === 0;
    if (!fits || (await apply()).code !== 0) refused.push(name);
  }
  return refused;
}

/** Answers no to everything but `config`, and returns the configuration that came of it. */
export async function configure(work: KernelWork, config: KernelConfig): Promise<KernelConfig> {
  work.report('configure', `configuring the ${work.recipe.flavor} kernel`);
  await mkdir(join(work.dir, 'build'), { recursive: true });
  const wanted = join(work.dir, 'wanted.config');
  await writeFile(wanted, formatConfig(config));
  await make(work, [`KCONFIG_ALLCONFIG=${wanted}`, 'allnoconfig']);
  return parseConfig(await readFile(buildPath(work, '.config'), 'utf8'));
}

/** Compiles, and returns the version that the kernel will report. */
export async function compile(work: KernelWork): Promise<string> {
  const { recipe, report } = work;
  const message = `compiling the ${recipe.flavor} kernel`;
  report('compile', message, 0);
  const steps = new StepCounter(recipe.steps);
  await make(work, [`-j${availableParallelism()}`, recipe.target], (line) => {
    const percent = steps.add(line);
    if (percent !== null) report('compile', message, percent);
  });
  return (await readFile(buildPath(work, 'include/config/kernel.release'), 'utf8')).trim();
}

async function make(
  work: KernelWork,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<void> {
  const { makeArch, variables } = work.recipe;
  // Neutral names: the guest can read them in /proc/version.
  const neutral = ['KBUILD_BUILD_USER=boxlite', 'KBUILD_BUILD_HOST=boxlite'];
  const fixed = ['-C', 'source', `O=${join(work.dir, 'build')}`, `ARCH=${makeArch}`];
  // A build takes minutes; whoever works on this machine comes first.
  const all = ['-n', '10', 'make', ...fixed, ...neutral, ...variables, ...args];
  await mustRun(work, 'nice', all, onLine === undefined ? {} : { onLine });
}

/** Runs a command of the build. @throws BoxliteError `Engine` with its last errors if it fails. */
export async function mustRun(
  work: KernelWork,
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<void> {
  const result = await runHere(work, command, args, options);
  if (result.code === 0) return;
  const said = result.stderr.trim().split('\n').slice(-12).join('\n');
  throw new BoxliteError('Engine', `Cannot build the kernel: ${command} failed:\n${said}`);
}

function runHere(
  { dir, run, signal }: KernelWork,
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return run(command, args, {
    cwd: dir,
    ...options,
    ...(signal === undefined ? {} : { signal }),
  });
}
