/** Kernels as a distribution packages them, in a root folder: the host's, or one we unpacked. */

import { join } from 'node:path';
import type { Architecture, Kernel, KernelFlavor, RunCommand } from '../../spec/parts.ts';
import { filesId, identifyFile, listFolder, readTextIfThere } from './files.ts';
import {
  insertList,
  moduleName,
  neededModules,
  parseModuleList,
  parseModulesDep,
} from './modules.ts';
import { plainModules } from './plain.ts';
import { compareVersions } from './version.ts';

/** UML runs guest processes under seccomp since this version. */
export const UML_SECCOMP_SINCE = '6.16';

/** Where to look, and for what. */
export interface DistributionSearch {
  /** The folder that stands for `/`. */
  readonly root: string;
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  /** Takes the modules that had to be decompressed. */
  readonly cacheDir: string;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/** The kernels under `search.root` that have all a box needs, the best first. */
export async function distributionKernels(search: DistributionSearch): Promise<Kernel[]> {
  const found = search.flavor === 'uml' ? await umlFiles(search) : await vmFiles(search);
  const kernels: Kernel[] = [];
  for (const file of found) {
    const kernel = await describe(search, file);
    if (kernel !== null) kernels.push(kernel);
  }
  return kernels;
}

interface KernelFile {
  readonly path: string;
  readonly version: string;
  readonly modulesDir: string;
}

/** Debian's `user-mode-linux`. */
async function umlFiles(search: DistributionSearch): Promise<readonly KernelFile[]> {
  const path = join(search.root, 'usr/bin/linux.uml');
  if (search.arch !== 'x64' || (await identifyFile(path))?.flavor !== 'uml') return [];
  const base = join(search.root, 'usr/lib/uml/modules');
  const versions = await listFolder(base);
  const version = versions.length === 1 ? versions[0] : await askVersion(path, search);
  if (version === undefined) return [];
  return [{ path, version, modulesDir: join(base, version) }];
}

async function askVersion(path: string, search: DistributionSearch): Promise<string> {
  const options = search.signal === undefined ? {} : { signal: search.signal };
  return (await search.run(path, ['--version'], options)).stdout.trim();
}

/** `linux-image-*`: the cloud ones, which are small, before the others; newer before older. */
async function vmFiles(search: DistributionSearch): Promise<readonly KernelFile[]> {
  const boot = join(search.root, 'boot');
  const releases = (await listFolder(boot))
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length));
  const isCloud = (release: string) => Number(release.includes('-cloud-'));
  releases.sort((a, b) => isCloud(b) - isCloud(a) || compareVersions(b, a));
  return Promise.all(
    releases.map(async (version) => {
      const old = join(search.root, 'lib/modules', version);
      const merged = join(search.root, 'usr/lib/modules', version);
      const modulesDir = (await listFolder(old)).length > 0 ? old : merged;
      return { path: join(boot, `vmlinuz-${version}`), version, modulesDir };
    }),
  );
}

/** The kernel with its modules, or null if the file is none or a needed module is missing. */
async function describe(search: DistributionSearch, file: KernelFile): Promise<Kernel | null> {
  const { flavor, arch } = search;
  const identity = await identifyFile(file.path);
  if (identity?.flavor !== flavor || identity.arch !== arch) return null;
  const [dep, builtin] = await Promise.all([
    readTextIfThere(join(file.modulesDir, 'modules.dep')),
    readTextIfThere(join(file.modulesDir, 'modules.builtin')),
  ]);
  if (dep === null || builtin === null) return null;
  const list = insertList(
    neededModules(flavor),
    parseModulesDep(dep),
    new Set(parseModuleList(builtin).map(moduleName)),
  );
  if (list.missing.length > 0) return null;
  const packed = list.paths.map((path) => join(file.modulesDir, path));
  const id = await filesId([file.path, ...packed]);
  if (id === null) return null;
  return {
    flavor,
    arch,
    origin: 'distribution',
    version: file.version,
    path: file.path,
    modules: await plainModules(packed, id, search),
    seccomp: flavor === 'uml' && compareVersions(file.version, UML_SECCOMP_SINCE) >= 0,
    smp: flavor === 'vm',
    id,
  };
}
