import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initramfs } from '../engine/initramfs.ts';
import type { Kernel } from '../spec/parts.ts';
import { type Agent, readAgent } from './agent.ts';

/** Part of the cached names: raise it when the layout of the initramfs changes. */
const RECIPE = 2;

/** The path of the initramfs for a kernel and an agent, made if it is not in `<cacheDir>/initramfs` yet. */
export async function cachedInitramfs(
  cacheDir: string,
  kernel: Kernel,
  agent: Agent,
): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, kernel.id, kernel.modules, agent.path, agent.identity]))
    .digest('hex')
    .slice(0, 32);
  const path = join(cacheDir, 'initramfs', `${key}.cpio`);
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return path;
  const modules = await Promise.all(kernel.modules.map((module) => readFile(module)));
  await writeWhole(path, initramfs(await readAgent(agent), modules));
  return path;
}

/** A reader sees the whole file or none, also when two programs write it at once. */
export async function writeWhole(path: string, data: Uint8Array | string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  const scratch = `${path}.${randomUUID()}`;
  try {
    await writeFile(scratch, data);
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}
