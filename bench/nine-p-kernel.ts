/**
 * A kernel that has both FUSE and 9p: Debian's general one. Its cloud kernel, which boxes prefer, and ours have no 9p. It is
 * kept in a cache of its own, in which boxes find no other one, so that both ways of sharing are measured in the same guest.
 */
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDir } from '../src/base/env.ts';
import { openApt } from '../src/engine/kernel/apt.ts';
import { mustShow, unpackDeb } from '../src/engine/kernel/debian.ts';
import { distributionKernels } from '../src/engine/kernel/distribution.ts';
import { downloadedKernelsDir } from '../src/engine/kernel/find.ts';
import { findMirror } from '../src/engine/kernel/mirror.ts';
import { insertList, parseModulesDep } from '../src/engine/kernel/modules.ts';
import { selectKernelFiles } from '../src/engine/kernel/select.ts';
import { makeStaging } from '../src/engine/kernel/staging.ts';
import { runCommand } from '../src/process/run.ts';
import type { Kernel } from '../src/spec/parts.ts';

const PACKAGE = 'linux-image-amd64';
const MODULES = ['9p', '9pnet_virtio'];

/** The kernel, the modules that 9p needs in the order they go in, and the cache in which a box gets this kernel. */
export interface NinePKernel {
  readonly kernel: Kernel;
  readonly modules: readonly string[];
  readonly cache: string;
}

/** Finds it, or downloads it: 70 MB, once. @throws BoxliteError `Network` */
export async function ninePKernel(): Promise<NinePKernel> {
  const cache = join(dirname(cacheDir()), 'boxlite-bench');
  const root = join(downloadedKernelsDir(cache), 'vm-x64-9p');
  const search = { cacheDir: cache, arch: 'x64', flavor: 'vm', root, run: runCommand } as const;
  if ((await distributionKernels(search)).length === 0) {
    console.error(`bench: downloading ${PACKAGE}, once`);
    await download(cache, root);
  }
  const [kernel] = await distributionKernels(search);
  if (kernel === undefined) throw new Error(`${PACKAGE} cannot run a box`);
  const base = join(root, 'lib/modules', kernel.version);
  const index = parseModulesDep(await readFile(join(base, 'modules.dep'), 'utf8'));
  const { paths, missing } = insertList(MODULES, index, new Set());
  if (missing.length > 0) throw new Error(`${PACKAGE} has no ${missing.join(', ')}`);
  return { kernel, modules: paths.map((path) => join(base, path)), cache };
}

async function download(cache: string, root: string): Promise<void> {
  await using staging = await makeStaging(cache);
  const { release: sources, keyring } = await findMirror(runCommand);
  const dir = join(staging.path, 'apt');
  const apt = await openApt({ dir, sources, keyring, arch: 'x64', run: runCommand });
  const { depends } = await mustShow(apt, PACKAGE);
  const image = await mustShow(apt, depends.find((name) => name.startsWith('linux-image-')) ?? '');
  const unpacked = join(staging.path, 'unpacked');
  const deb = await apt.download(image, join(staging.path, 'deb'));
  await unpackDeb(deb, unpacked, { run: runCommand });
  await using selected = await makeStaging(cache);
  await selectKernelFiles(unpacked, selected.path, {
    flavor: 'vm',
    also: MODULES,
    run: runCommand,
  });
  await rm(root, { recursive: true, force: true });
  await selected.moveTo(root);
}
