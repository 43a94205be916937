/**
 * Builds a kernel of our own. In order: the recipe with its configuration and patches; a kernel that was
 * built that way before ends it here; the tools; the source; configure, compile, install. All of it
 * happens in a staging folder (about 2 GB) that is gone afterwards; only the finished kernel remains and,
 * for the next build, the source package (about 170 MB, `kernels/source` in the cache).
 */

import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BoxliteError } from '../../base/errors.ts';
import type { Architecture, Kernel, KernelFlavor, RunCommand } from '../../spec/parts.ts';
import {
  applyPatches,
  buildPath,
  compile,
  configure,
  type KernelWork,
  mustRun,
  unpackSource,
} from './compile.ts';
import { UML_SECCOMP_SINCE } from './distribution.ts';
import { identifyFile, listFolder } from './files.ts';
import { type KernelConfig, mergeFragments, notTaken } from './fragments.ts';
import {
  kernelFileName,
  type OwnKernelRecord,
  ownKernelDir,
  ownKernelsDir,
  readOwnKernel,
} from './own.ts';
import { kernelReport, type OnKernelProgress } from './progress.ts';
import { buildHash, type KernelRecipe, kernelRecipe, recipeHash } from './recipe.ts';
import { debianSource, tarballSource } from './source.ts';
import { makeStaging } from './staging.ts';
import { checkToolchain } from './toolchain.ts';
import { compareVersions } from './version.ts';

/** The package's `kernel` folder, from the source tree and from `dist` alike. */
const KERNEL_FOLDER = fileURLToPath(new URL('../../../kernel/', import.meta.url));

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
  /** What this source did not take of our configuration and patches. The kernel works without. */
  readonly warnings: readonly string[];
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
  const plan = await readPlan(flavor, arch);
  if (options.source === undefined && options.refresh !== true) {
    const kernel = await builtBefore(options, (record) => record.recipe === plan.hash);
    if (kernel !== null) return { kernel, built: false, warnings: [] };
  }
  await checkToolchain(flavor, run, signal);
  await using staging = await makeStaging(cacheDir);
  const source =
    options.source === undefined
      ? await debianSource(join(staging.path, 'apt'), { ...options, report })
      : await tarballSource(options.source, signal);
  const hash = buildHash(plan.hash, source.id);
  const same = await builtBefore(options, (record) => record.hash === hash);
  if (same !== null) return { kernel: same, built: false, warnings: [] };

  const { recipe } = plan;
  const work = { recipe, report, dir: staging.path, run, ...(signal ? { signal } : {}) };
  await unpackSource(work, source);
  const refused = await applyPatches(work, plan.patches);
  const final = await configure(work, plan.config);
  const version = await compile(work);
  const kernel = await install(work, cacheDir, {
    format: 1,
    flavor,
    arch,
    version,
    source: source.label,
    recipe: plan.hash,
    hash,
    seccomp: flavor === 'uml' && compareVersions(version, UML_SECCOMP_SINCE) >= 0,
    smp: final.get('SMP') === 'y',
    builtAt: new Date().toISOString(),
  });
  const warnings = [
    ...refused.map((name) => `the patch ${name} does not fit ${version}`),
    ...notTaken(plan.config, final).map((line) => `${version} did not take ${line}`),
  ];
  return { kernel, built: true, warnings };
}

/** All that decides a build but its source. */
interface BuildPlan {
  readonly recipe: KernelRecipe;
  readonly config: KernelConfig;
  /** Texts by file name. */
  readonly patches: ReadonlyMap<string, string>;
  readonly hash: string;
}

async function readPlan(flavor: KernelFlavor, arch: Architecture): Promise<BuildPlan> {
  const recipe = kernelRecipe(flavor, arch);
  const read = (name: string) => readFile(join(KERNEL_FOLDER, name), 'utf8');
  const config = mergeFragments(await Promise.all(recipe.fragments.map(read)));
  const texts = await Promise.all(recipe.patches.map(read));
  const patches = new Map(recipe.patches.map((name, i) => [name, texts[i] ?? '']));
  return { recipe, config, patches, hash: recipeHash(recipe, config, texts) };
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

async function install(
  work: KernelWork,
  cacheDir: string,
  record: OwnKernelRecord,
): Promise<Kernel> {
  const { recipe, report } = work;
  report('install', `installing the ${recipe.flavor} kernel ${record.version}`);
  await using finished = await makeStaging(cacheDir);
  const product = buildPath(work, recipe.product);
  const target = join(finished.path, kernelFileName(recipe.flavor));
  await mustRun(work, 'strip', ['-o', target, product]);
  if ((await identifyFile(target))?.flavor !== recipe.flavor) {
    throw new BoxliteError('Engine', `The build made no ${recipe.flavor} kernel of ${product}`);
  }
  await copyFile(buildPath(work, '.config'), join(finished.path, 'config'));
  await writeFile(join(finished.path, 'kernel.json'), `${JSON.stringify(record, null, 2)}\n`);
  const place = ownKernelDir(cacheDir, record);
  await finished.moveTo(place);
  const own = await readOwnKernel(place);
  if (own === null) throw new BoxliteError('Storage', `Cannot read back the kernel in "${place}"`);
  return own.kernel;
}
