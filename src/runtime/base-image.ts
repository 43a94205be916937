import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { isThere } from '../base/is-there.ts';
import { sharedLibraries } from '../engine/libraries.ts';
import { findProgram } from '../engine/vmm.ts';
import type { RunCommand } from '../spec/parts.ts';

/** Part of the cached name: raise it when the files below change. */
const RECIPE = 3;

/** Those above others come first. */
const DIRECTORIES = [
  '.',
  'bin',
  'dev',
  'etc',
  'home',
  'proc',
  'root',
  'run',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'var',
  'var/log',
];

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  // As in most images: what a box has in their place need not be made on its disk.
  'etc/hostname': '',
  'etc/resolv.conf': '',
  'etc/os-release': 'NAME="BoxLite base"\nID=boxlite-base\n',
};

/** What making `builtin:base` needs. */
export interface BaseImageOptions {
  readonly cacheDir: string;
  readonly path: string;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/**
 * The disk of `builtin:base`: the host's static busybox under all its names, and just enough around it. For
 * offline use, and for boxes that bring their own programs.
 * @throws BoxliteError `Config` if there is no static busybox.
 */
export async function baseImage(options: BaseImageOptions): Promise<string> {
  const busybox = await findBusybox(options.path);
  const { size, mtimeMs } = await stat(busybox);
  const name = `base-${RECIPE}-${size}-${Math.round(mtimeMs)}.erofs`;
  const image = join(options.cacheDir, 'images', name);
  if (await isThere(image)) return image;
  if ((await sharedLibraries(busybox, options.run)).length > 0) throw noBusybox();
  await mkdir(join(options.cacheDir, 'images'), { recursive: true });
  const scratch = await mkdtemp(join(options.cacheDir, 'images', 'new-'));
  try {
    const tree = join(scratch, 'tree');
    await makeTree(tree, busybox, options.run);
    const made = join(scratch, 'image');
    const { imageFromDirectory } = await import('../image/directory.ts');
    await imageFromDirectory(
      tree,
      made,
      options.signal === undefined ? {} : { signal: options.signal },
    );
    await rename(made, image);
    return image;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function findBusybox(path: string): Promise<string> {
  const busybox = await findProgram('busybox', path);
  if (busybox === null) throw noBusybox();
  return busybox;
}

function noBusybox(): BoxliteError {
  return new BoxliteError(
    'Config',
    'Cannot make "builtin:base" without a static busybox: install it (Debian: apt-get install ' +
      'busybox-static), or name an image or a directory as the root file system',
  );
}

/** The umask is of whoever makes it first, and the image of everybody after that. */
async function makeTree(tree: string, busybox: string, run: RunCommand): Promise<void> {
  for (const directory of DIRECTORIES) {
    await mkdir(join(tree, directory));
    await chmod(join(tree, directory), directory === 'tmp' ? 0o1777 : 0o755);
  }
  for (const [name, content] of Object.entries(FILES)) {
    await writeFile(join(tree, name), content);
    await chmod(join(tree, name), 0o644);
  }
  await copyFile(busybox, join(tree, 'bin/busybox'));
  const { stdout } = await run(busybox, ['--list']);
  const names = stdout.split('\n').filter((name) => /^[\w[.-]+$/.test(name) && name !== 'busybox');
  for (const name of names) await symlink('busybox', join(tree, 'bin', name));
}
