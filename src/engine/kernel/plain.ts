/** Decompresses kernel modules into the cache: the agent inserts plain ELF files. */

import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as zlib from 'node:zlib';
import { BoxliteError } from '../../base/errors.ts';
import type { RunCommand } from '../../spec/parts.ts';
import { listFolder } from './files.ts';
import { makeStaging } from './staging.ts';

/** Debian's largest modules are below 10 MiB; no module we need comes near this. */
const MODULE_BYTES_MAX = 64 * 1024 * 1024;

/** What decompression needs of its caller. */
export interface PlainModulesOptions {
  readonly cacheDir: string;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/** The same modules as plain `.ko` files; `id` names this set of files in the cache. */
export async function plainModules(
  paths: readonly string[],
  id: string,
  options: PlainModulesOptions,
): Promise<readonly string[]> {
  if (paths.every((path) => path.endsWith('.ko'))) return paths;
  const dir = join(options.cacheDir, 'kernels', 'modules', id);
  const target = (path: string) => join(dir, plainName(path));
  if ((await listFolder(dir)).length === 0) {
    await using staging = await makeStaging(options.cacheDir);
    for (const path of paths) await decompressModule(path, staging.path, options);
    await staging.moveTo(dir);
  }
  return paths.map(target);
}

/** `erofs.ko.xz` -> `erofs.ko`. */
export function plainName(path: string): string {
  return basename(path).replace(/\.(xz|zst|gz)$/, '');
}

/** Writes the plain form of the module `path` into the folder `into`. */
export async function decompressModule(
  path: string,
  into: string,
  options: Pick<PlainModulesOptions, 'run' | 'signal'>,
): Promise<string> {
  const target = join(into, plainName(path));
  await mkdir(into, { recursive: true });
  if (path.endsWith('.xz')) return decompressXz(path, target, options);
  if (path.endsWith('.ko')) {
    await copyFile(path, target);
    return target;
  }
  const limit = { maxOutputLength: MODULE_BYTES_MAX };
  const packed = await readFile(path);
  const plain = path.endsWith('.zst')
    ? zlib.zstdDecompressSync(packed, limit)
    : zlib.gunzipSync(packed, limit);
  await writeFile(target, plain);
  return target;
}

/** Node has no xz, and `xz` decompresses a file in place: so, a copy. */
async function decompressXz(
  path: string,
  target: string,
  { run, signal }: Pick<PlainModulesOptions, 'run' | 'signal'>,
): Promise<string> {
  const copy = `${target}.xz`;
  await copyFile(path, copy);
  const result = await run('xz', ['-d', '-f', '-q', copy], signal === undefined ? {} : { signal });
  if (result.code !== 0) {
    await rm(copy, { force: true });
    throw new BoxliteError(
      'Storage',
      `Cannot decompress the kernel module "${path}": ${result.stderr.trim()}`,
    );
  }
  return target;
}
