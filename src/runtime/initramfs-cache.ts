import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isThere } from '../base/is-there.ts';
import { initramfs } from '../engine/initramfs.ts';
import type { Kernel } from '../spec/parts.ts';
import { type Agent, readAgent } from './agent.ts';
import { writeWhole } from './whole-file.ts';

/** Part of the cached names: raise it when the layout of the initramfs changes. */
const RECIPE = 3;

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
  if (await isThere(path)) return path;
  const modules = await Promise.all(kernel.modules.map((module) => readFile(module)));
  await writeWhole(path, initramfs(await readAgent(agent), modules));
  return path;
}
