/**
 * Builds a kernel of our own. In order: the recipe and its configuration; a kernel that was built that
 * way already ends it here; the tools; the source; configure, compile, install. All of it happens in a
 * staging folder (about 2 GB) that is gone afterwards; only the finished kernel and, for the next
 * build, the source package (about 170 MB, `kernels/source` in the cache) remain.
 */

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BoxliteError } from '../../base/errors.ts';
import type {
  Architecture,
  CommandOptions,
  Kernel,
  KernelFlavor,
  RunCommand,
} from '../../spec/parts.ts';
import { UML_SECCOMP_SINCE } from './distribution.ts';
import { identifyFile, listFolder } from './files.ts';
import {
  formatConfig,
  type KernelConfig,
  mergeFragments,
  notTaken,
  parseConfig,
} from './fragments.ts';
import {
  kernelFileName,
  type OwnKernelRecord,
  ownKernelDir,
  ownKernelsDir,
  readOwnKernel,
} from './own.ts';
import { type KernelReport, kernelReport, type OnKernelProgress } from './progress.ts';
import { buildHash, type KernelRecipe, kernelRecipe, recipeHash, StepCounter } from './recipe.ts';
import { debianSource, type KernelSource, tarballSource } from './source.ts';
import { makeStaging } from './staging.ts';
import { checkToolchain } from './toolchain.ts';
import { compareVersions } from './version.ts';

/** The package's `kernel` folder, from the source tree and from `dist` alike. */
const FRAGMENTS = fileURLToPath(new URL('../../../kernel/', import.meta.url));

/** What to build, from what, and who watches. */
export interface BuildOptions {
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  readonly cacheDir: string;
  readonly run: RunCommand;
  /** A tarball of kernel source. Default: Debian's newest. */
  readonly source?: string;
  /** Looks for a newer source even if a kernel was built with this configuration before. */
  readonly refresh?: boolean;
  readonly onProgress?: OnKernelProgress;
  readonly signal?: AbortSignal;
}

/** A finished build. */
export interface BuildResult {
  readonly kernel: Kernel;
  /** False if it was in the cache. */
  readonly built: boolean;
  /** Lines of our configuration that this source did not take. */
  readonly notTaken: readonly string[];
}

/**
 * Builds a kernel into the cache, or returns at once if the same one is there.
 *
 * @throws BoxliteError `Config` if the host lacks tools, `Unsupported` if there is no recipe or source,
 * `Network` if the source cannot be downloaded, `Engine` if the build fails. An abort leaves nothing.
 */
export async function buildKernel(options: BuildOptions): Promise<BuildResult> {
  const { flavor, arch, cacheDir, run, signal } = options;
  const report = kernelReport(options.onProgress);
  const recipe = kernelRecipe(flavor, arch);
  const texts = recipe.fragments.map((name) => readFile(join(FRAGMENTS, name), 'utf8'));
  const config = mergeFragments(await Promise.all(texts));
  const byRecipe = recipeHash(recipe, config);
  if (options.source === undefined && options.refresh !== true) {
    const kernel = await builtBefore(options, (record) => record.recipe === byRecipe);
    if (kernel !== null) return { kernel, built: false, notTaken: [] };
  }
  await checkToolchain(flavor, run, signal);
  await using staging = await makeStaging(cacheDir);
  const source =
    options.source === undefined
      ? await debianSource(join(staging.path, 'apt'), { ...options, report })
      : await tarballSource(options.source, signal);
  const hash = buildHash(byRecipe, source.id);
  const same = await builtBefore(options, (record) => record.hash === hash);
  if (same !== null) return { kernel: same, built: false, notTaken: [] };

  const work = { recipe, config, report, dir: staging.path, run, ...(signal ? { signal } : {}) };
  await unpackSource(work, source);
  const final = await configure(work);
  const version = await compile(work);
  const kernel = await install(work, cacheDir, {
    format: 1,
    flavor,
    arch,
    version,
    source: source.label,
    recipe: byRecipe,
    hash,
    seccomp: flavor === 'uml' && compareVersions(version, UML_SECCOMP_SINCE) >= 0,
    smp: final.get('SMP') === 'y',
    builtAt: new Date().toISOString(),
  });
  return { kernel, built: true, notTaken: notTaken(config, final) };
}

async function builtBefore(
  { cacheDir, flavor, arch }: BuildOptions,
  matches: (record: OwnKernelRecord) => boolean,
): Promise<Kernel | null> {
  const base = ownKernelsDir(cacheDir);
  for (const name of await listFolder(base)) {
    if (!name.startsWith(`${flavor}-${arch}-`)) continue;
    const own = await readOwnKernel(join(base, name));
    if (own !== null && matches(own.record)) return own.kernel;
  }
  return null;
}

/** A build under way. `source` and `build` are folders below `dir`. */
interface Work {
  readonly recipe: KernelRecipe;
  readonly config: KernelConfig;
  readonly report: KernelReport;
  readonly dir: string;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

async function unpackSource(work: Work, source: KernelSource): Promise<void> {
  const tarball = await source.tarball(join(work.dir, 'package'));
  work.report('unpack', `unpacking ${source.label}`);
  await mkdir(join(work.dir, 'source'), { recursive: true });
  await must(work, 'tar', ['-x', '--strip-components=1', '-C', 'source', '-f', tarball]);
}

/** Writes `build/.config` and returns it. */
async function configure(work: Work): Promise<KernelConfig> {
  work.report('configure', 'configuring the kernel');
  await mkdir(join(work.dir, 'build'), { recursive: true });
  const wanted = join(work.dir, 'wanted.config');
  await writeFile(wanted, formatConfig(work.config));
  await make(work, [`KCONFIG_ALLCONFIG=${wanted}`, 'allnoconfig']);
  return parseConfig(await readFile(join(work.dir, 'build', '.config'), 'utf8'));
}

/** Compiles and returns the version that the kernel reports. */
async function compile(work: Work): Promise<string> {
  const { recipe, report } = work;
  const message = `compiling the ${recipe.flavor} kernel`;
  report('compile', message, 0);
  const steps = new StepCounter(recipe.steps);
  await make(work, [`-j${availableParallelism()}`, recipe.target], (line) => {
    const percent = steps.add(line);
    if (percent !== null) report('compile', message, percent);
  });
  const release = join(work.dir, 'build', 'include', 'config', 'kernel.release');
  return (await readFile(release, 'utf8')).trim();
}

async function install(work: Work, cacheDir: string, record: OwnKernelRecord): Promise<Kernel> {
  const { recipe, report, dir } = work;
  report('install', `installing ${recipe.flavor} ${record.version}`);
  await using finished = await makeStaging(cacheDir);
  const product = join(dir, 'build', recipe.product);
  const target = join(finished.path, kernelFileName(recipe.flavor));
  if (recipe.strip) await must(work, 'strip', ['-o', target, product]);
  else await copyFile(product, target);
  if ((await identifyFile(target))?.flavor !== recipe.flavor) {
    throw new BoxliteError(
      'Engine',
      `The build made no ${recipe.flavor} kernel: ${recipe.product}`,
    );
  }
  await copyFile(join(dir, 'build', '.config'), join(finished.path, 'config'));
  await writeFile(join(finished.path, 'kernel.json'), `${JSON.stringify(record, null, 2)}\n`);
  const place = ownKernelDir(cacheDir, record);
  await finished.moveTo(place);
  const own = await readOwnKernel(place);
  if (own === null) throw new BoxliteError('Storage', `Cannot read back the kernel in "${place}"`);
  return own.kernel;
}

async function make(
  work: Work,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<void> {
  const { makeArch, variables } = work.recipe;
  // Neutral names: the guest can read them in /proc/version.
  const neutral = ['KBUILD_BUILD_USER=boxlite', 'KBUILD_BUILD_HOST=boxlite'];
  const fixed = ['-C', 'source', `O=${join(work.dir, 'build')}`, `ARCH=${makeArch}`];
  // A build takes minutes; whoever works on this machine comes first.
  const all = ['-n', '10', 'make', ...fixed, ...neutral, ...variables, ...args];
  await must(work, 'nice', all, onLine === undefined ? {} : { onLine });
}

/** Runs a command of the build in its folder. @throws BoxliteError `Engine` with its last errors. */
async function must(
  { dir, run, signal }: Work,
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<void> {
  const result = await run(command, args, {
    cwd: dir,
    ...options,
    ...(signal === undefined ? {} : { signal }),
  });
  if (result.code === 0) return;
  const said = result.stderr.trim().split('\n').slice(-12).join('\n');
  throw new BoxliteError('Engine', `Cannot build the kernel: ${command} failed:\n${said}`);
}
