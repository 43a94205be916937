/** An image with a shell and the Python of this machine: the program, its libraries and what it imports at once. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeImage, type TestImage } from '../image/image-fixture.ts';

/** A Python with its modules is some ten megabytes. */
const TAR_BYTES_MAX = 1 << 27;
/** Prints the files of every module that is there after this has been imported. */
const LIST =
  'import sys; print("\\n".join(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)))';

let image: TestImage | null = null;

export function pythonImage(): TestImage {
  image ??= make();
  return image;
}

function make(): TestImage {
  const tree = mkdtempSync(join(tmpdir(), 'python-image-'));
  try {
    const python = '/usr/bin/python3';
    const linked = execFileSync('ldd', [python], { encoding: 'utf8' });
    const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
    const modules = execFileSync(python, ['-I', '-c', LIST], { encoding: 'utf8' })
      .trim()
      .split('\n');
    for (const path of [python, ...libraries, ...modules]) {
      mkdirSync(join(tree, dirname(path)), { recursive: true });
      cpSync(realpathSync(path), join(tree, path));
    }
    mkdirSync(join(tree, 'bin'), { recursive: true });
    cpSync(realpathSync('/bin/busybox'), join(tree, 'bin/busybox'));
    symlinkSync('busybox', join(tree, 'bin/sh'));
    const layer = execFileSync('tar', ['-C', tree, '--owner=0', '--group=0', '-c', '.'], {
      maxBuffer: TAR_BYTES_MAX,
    });
    const config = { Env: [`PATH=${dirname(python)}:/usr/bin:/bin`], Cmd: ['python3'] };
    return makeImage({ layers: [layer], config: { config } });
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
