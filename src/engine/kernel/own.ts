/** The kernels that `boxlite kernel build` made: where they are and what is recorded about them. */

import { join } from 'node:path';
import type { Architecture, Kernel, KernelFlavor } from '../../spec/parts.ts';
import { filesId, identifyFile, listFolder, readTextIfThere } from './files.ts';

/** The content of `kernel.json` beside an own kernel. */
export interface OwnKernelRecord {
  readonly format: 1;
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  /** As `uname -r` prints it. */
  readonly version: string;
  /** Where the source came from, for people: a package with its version, or a file name. */
  readonly source: string;
  /** Of configuration and build steps. */
  readonly recipe: string;
  /** Of the recipe and the source. */
  readonly hash: string;
  readonly seccomp: boolean;
  readonly smp: boolean;
  /** ISO 8601. The newest build is preferred. */
  readonly builtAt: string;
}

/** The folder that holds all own kernels. */
export function ownKernelsDir(cacheDir: string): string {
  return join(cacheDir, 'kernels', 'own');
}

/** The folder of one own kernel; it is complete if it exists. */
export function ownKernelDir(
  cacheDir: string,
  record: Pick<OwnKernelRecord, 'flavor' | 'arch' | 'hash'>,
): string {
  return join(ownKernelsDir(cacheDir), `${record.flavor}-${record.arch}-${record.hash}`);
}

/** What the kernel's file is called in its folder. */
export function kernelFileName(flavor: KernelFlavor): string {
  return flavor === 'uml' ? 'linux' : 'vmlinux';
}

/** The own kernels of one flavor, the newest build first. What is damaged is left out. */
export async function ownKernels(
  cacheDir: string,
  flavor: KernelFlavor,
  arch: Architecture,
): Promise<Kernel[]> {
  const base = ownKernelsDir(cacheDir);
  const names = (await listFolder(base)).filter((name) => name.startsWith(`${flavor}-${arch}-`));
  const found = await Promise.all(names.map((name) => readOwnKernel(join(base, name))));
  return found
    .filter((entry) => entry !== null)
    .toSorted((a, b) => b.record.builtAt.localeCompare(a.record.builtAt))
    .map((entry) => entry.kernel);
}

/** The kernel in `dir`, or null if there is none or it is damaged. */
export async function readOwnKernel(
  dir: string,
): Promise<{ kernel: Kernel; record: OwnKernelRecord } | null> {
  const record = parseRecord((await readTextIfThere(join(dir, 'kernel.json'))) ?? '');
  if (record === null) return null;
  const path = join(dir, kernelFileName(record.flavor));
  const [identity, id] = await Promise.all([identifyFile(path), filesId([path])]);
  if (identity?.flavor !== record.flavor || identity.arch !== record.arch || id === null) {
    return null;
  }
  const { flavor, arch, version, seccomp, smp } = record;
  return {
    record,
    kernel: { flavor, arch, origin: 'own', version, path, modules: [], seccomp, smp, id },
  };
}

/** The record a `kernel.json` spells, or null if it spells none. Pure. */
function parseRecord(text: string): OwnKernelRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isRecord(value) ? value : null;
}

function isRecord(value: unknown): value is OwnKernelRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  return (
    record['format'] === 1 &&
    (record['flavor'] === 'uml' || record['flavor'] === 'vm') &&
    (record['arch'] === 'x64' || record['arch'] === 'arm64') &&
    ['version', 'source', 'recipe', 'hash', 'builtAt'].every(
      (key) => typeof record[key] === 'string',
    ) &&
    typeof record['seccomp'] === 'boolean' &&
    typeof record['smp'] === 'boolean'
  );
}
