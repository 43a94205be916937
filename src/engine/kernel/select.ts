/** Takes from an unpacked kernel package what a box needs: the kernel and a handful of modules. */

import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { BoxliteError } from '../../base/errors.ts';
import type { KernelFlavor, RunCommand } from '../../spec/parts.ts';
import { listFolder, readTextIfThere } from './files.ts';
import {
  askedFor,
  formatModulesDep,
  type ModuleFile,
  moduleDependencies,
  moduleName,
  neededModules,
  parseModuleList,
} from './modules.ts';
import { decompressModule, plainName } from './plain.ts';

/** What {@link selectKernelFiles} works with. */
export interface SelectOptions {
  readonly flavor: KernelFlavor;
  /** Modules besides those that a box needs. */
  readonly also?: readonly string[];
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/**
 * Copies the kernel, its needed modules as plain files, `modules.builtin` and a `modules.dep` of
 * just these from the root folder `from` to the same places below `to`. A package brings no
 * `modules.dep` of its own (depmod makes it when the package is installed), so the dependencies are
 * read from the modules.
 */
export async function selectKernelFiles(
  from: string,
  to: string,
  options: SelectOptions,
): Promise<void> {
  const layout = await findLayout(from, options.flavor);
  await mkdir(dirname(join(to, layout.kernel)), { recursive: true });
  await copyFile(join(from, layout.kernel), join(to, layout.kernel));
  const source = join(from, layout.modules);
  const target = join(to, layout.modules);
  await mkdir(target, { recursive: true });
  const builtin = (await readTextIfThere(join(source, 'modules.builtin'))) ?? '';
  const files = await copyModules(source, target, builtin, options);
  await writeFile(join(target, 'modules.builtin'), builtin);
  await writeFile(join(target, 'modules.dep'), formatModulesDep(files));
}

interface Layout {
  readonly kernel: string;
  readonly modules: string;
}

async function findLayout(root: string, flavor: KernelFlavor): Promise<Layout> {
  const bases = flavor === 'uml' ? ['usr/lib/uml/modules'] : ['lib/modules', 'usr/lib/modules'];
  for (const base of bases) {
    const version = (await listFolder(join(root, base)))[0];
    if (version === undefined) continue;
    const kernel = flavor === 'uml' ? 'usr/bin/linux.uml' : `boot/vmlinuz-${version}`;
    return { kernel, modules: join(base, version) };
  }
  throw new BoxliteError('Engine', 'Cannot use the downloaded kernel package: it has no modules');
}

async function copyModules(
  source: string,
  target: string,
  builtinText: string,
  options: SelectOptions,
): Promise<readonly ModuleFile[]> {
  const builtin = new Set(parseModuleList(builtinText).map(moduleName));
  const paths = await modulePaths(source);
  const files: ModuleFile[] = [];
  const queue = [...neededModules(options.flavor), ...(options.also ?? [])];
  for (const name of queue) {
    if (builtin.has(name) || files.some((file) => moduleName(file.path) === name)) continue;
    const path = paths.get(name);
    if (path === undefined) {
      throw new BoxliteError('Engine', `The downloaded kernel has no module "${name}"`);
    }
    const folder = dirname(path);
    const plain = await decompressModule(join(source, path), join(target, folder), options);
    const names = moduleDependencies(await readFile(plain)).map((word) =>
      word.replaceAll('-', '_'),
    );
    queue.push(...names);
    const asked = askedFor(name);
    if (asked !== null && paths.has(asked)) queue.push(asked);
    const dependencies = names.flatMap((word) => {
      const dependency = paths.get(word);
      return dependency === undefined ? [] : [plainPath(dependency)];
    });
    files.push({ path: plainPath(path), dependencies });
  }
  return files;
}

function plainPath(path: string): string {
  return join(dirname(path), plainName(path));
}

/** Every module below `root`, by name. */
export async function modulePaths(root: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const found = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile() || !/\.ko(\.(xz|zst|gz))?$/.test(entry.name)) continue;
    found.set(moduleName(entry.name), join(relative(root, entry.parentPath), entry.name));
  }
  return found;
}
