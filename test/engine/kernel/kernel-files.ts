/** Makes files that look like kernels to us, and throw-away folders to put them in. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** The head of a user-mode Linux executable. */
export function umlHead(): Buffer {
  return elfHead(0x6002a520n);
}

/** The head of a plain `vmlinux`. */
export function vmlinuxHead(): Buffer {
  return elfHead(0x1881510n);
}

/** The head of an x86-64 ELF executable. */
function elfHead(entry: bigint): Buffer {
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(entry, 24);
  return head;
}

/** The head of a bzImage that names its version. */
export function bzImageHead(version: string): Buffer {
  const head = Buffer.alloc(0x400);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt16LE(0x100, 0x20e);
  head.write(`${version}\0`, 0x300, 'latin1');
  return head;
}

/** A folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'boxlite-kernel-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Writes files below `root`, with the folders they need. */
export async function writeTree(
  root: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}
