// pure
/** Which modules a distribution's kernel needs, and in which order they are inserted. */

import type { KernelFlavor } from '../../spec/parts.ts';

/** What a box needs of the kernel, in an order that keeps a driver before what sits on it. */
const FILE_SYSTEMS_AND_TUN = ['erofs', 'ext4', 'overlay', 'fuse', 'tun'] as const;
const VIRTIO = [
  ...['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_pci', 'virtio_blk', 'virtio_console'],
] as const;

/** The modules (built in or not) without which a kernel of this flavor cannot run a box. */
export function neededModules(flavor: KernelFlavor): readonly string[] {
  return flavor === 'vm' ? [...VIRTIO, ...FILE_SYSTEMS_AND_TUN] : FILE_SYSTEMS_AND_TUN;
}

/**
 * What a module asks for when it is inserted, and says nowhere that depmod looks: a checksum by its name. Where the kernel
 * has it built in there is no such module.
 */
const ASKED_FOR: Readonly<Record<string, string>> = { libcrc32c: 'crc32c_generic' };

/** The module that has to be inserted before this one without being a dependency, or null. */
export function askedFor(name: string): string | null {
  return ASKED_FOR[name] ?? null;
}

/** A module file and the files that it says must be inserted first. */
export interface ModuleFile {
  readonly path: string;
  readonly dependencies: readonly string[];
}

/** The modules of one kernel, by module name. */
export type ModuleIndex = ReadonlyMap<string, ModuleFile>;

/** `kernel/fs/overlayfs/overlay.ko.xz` -> `overlay`; the kernel writes `-` as `_`. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_');
}

/** Reads `modules.dep`: `path: dependency dependency ...` in each line. */
export function parseModulesDep(text: string): ModuleIndex {
  const index = new Map<string, ModuleFile>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const path = line.slice(0, colon).trim();
    const dependencies = line
      .slice(colon + 1)
      .split(' ')
      .filter((word) => word !== '');
    index.set(moduleName(path), { path, dependencies });
  }
  return index;
}

/** Writes what {@link parseModulesDep} reads. */
export function formatModulesDep(files: Iterable<ModuleFile>): string {
  return Array.from(files, (file) => `${[`${file.path}:`, ...file.dependencies].join(' ')}\n`).join(
    '',
  );
}

/** Reads `modules.builtin` or `modules.order`: a path in each line. */
export function parseModuleList(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.endsWith('.ko') || /\.ko\.(xz|zst|gz)$/.test(line));
}

/** The paths to insert in order, and the wanted modules that this kernel lacks. */
export interface InsertList {
  readonly paths: readonly string[];
  readonly missing: readonly string[];
}

/** The wanted modules with all they depend on, each once and after its dependencies. */
export function insertList(
  wanted: readonly string[],
  index: ModuleIndex,
  builtin: ReadonlySet<string>,
): InsertList {
  const paths: string[] = [];
  const missing: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name) || builtin.has(name)) return;
    seen.add(name);
    const file = index.get(name);
    if (file === undefined) {
      missing.push(name);
      return;
    }
    const asked = askedFor(name);
    if (asked !== null && index.has(asked)) visit(asked);
    // depmod lists the deepest dependency last.
    for (const dependency of file.dependencies.toReversed()) visit(moduleName(dependency));
    paths.push(file.path);
  };
  for (const name of wanted) visit(name);
  return { paths, missing };
}

/** The `depends=` entries of a module file: their names, from its `.modinfo` section. */
export function moduleDependencies(module: Buffer): readonly string[] {
  const start = module.indexOf('\0depends=');
  if (start < 0) return [];
  const from = start + '\0depends='.length;
  const end = module.indexOf(0, from);
  const names = module.toString('latin1', from, end < 0 ? from : end);
  return names.split(',').filter((name) => name !== '');
}
