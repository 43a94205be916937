import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildKernel } from '../../../src/engine/kernel/build.ts';
import { applyPatches, type KernelWork } from '../../../src/engine/kernel/compile.ts';
import { findKernel } from '../../../src/engine/kernel/find.ts';
import { kernelRecipe } from '../../../src/engine/kernel/recipe.ts';
import { runCommand } from '../../../src/process/run.ts';
import type { RunCommand } from '../../../src/spec/parts.ts';
import { temporaryFolder, writeTree } from './kernel-files.ts';

/** Answers for the tools of a build, so that no compiler has to be installed. */
const withTools: RunCommand = async (command, args, options) =>
  args.includes('--version') || args.includes('-E')
    ? { code: 0, signal: null, stdout: '', stderr: '' }
    : runCommand(command, args, options);

test('buildKernel() names all the packages that are missing in one line', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const run: RunCommand = (command, args, options) =>
    ['flex', 'bison'].includes(command)
      ? runCommand('boxlite-no-such-program', args, options)
      : withTools(command, args, options);
  await assert.rejects(buildKernel({ flavor: 'vm', arch: 'x64', cacheDir, run }), {
    kind: 'Config',
    message:
      'Cannot build a kernel: flex, bison not found; ' +
      'install with: apt-get install --no-install-recommends flex bison',
  });
});

test('buildKernel() says that a source is no tarball, and leaves nothing', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const source = join(cacheDir, 'linux.tar.xz');
  const build = () => buildKernel({ flavor: 'uml', arch: 'x64', cacheDir, run: withTools, source });
  await assert.rejects(build(), { kind: 'Config' });
  await writeFile(source, 'this is not an archive');
  await assert.rejects(build(), { kind: 'Engine', message: /tar failed/ });
  assert.deepEqual(await readdir(join(cacheDir, 'kernels/tmp')), []);
});

/** Stands for a kernel's source: it makes a program that is linked where user-mode Linux is. */
const TINY_SOURCE = {
  'linux/Makefile': `allnoconfig:
	grep -v FUSE "$(KCONFIG_ALLCONFIG)" > "$(O)/.config"
linux:
	mkdir -p "$(O)/include/config"
	echo 9.9.9 > "$(O)/include/config/kernel.release"
	gcc -static -no-pie -Wl,-Ttext-segment=0x60000000 -x c main.c -o "$(O)/linux"
`,
  'linux/main.c': 'int main(void) { return 0; }',
};

test('buildKernel() installs a kernel, warns of what did not fit, and builds it once', async (t) => {
  const cacheDir = await temporaryFolder(t);
  await writeTree(cacheDir, TINY_SOURCE);
  const source = join(cacheDir, 'linux-9.9.9.tar');
  assert.equal((await runCommand('tar', ['-cf', source, 'linux'], { cwd: cacheDir })).code, 0);
  const options = { flavor: 'uml', arch: 'x64', cacheDir, run: withTools } as const;

  const first = await buildKernel({ ...options, source });
  assert.equal(first.built, true);
  assert.deepEqual(first.warnings, [
    'the patch patches/uml-1-note-ipis.patch does not fit 9.9.9',
    'the patch patches/uml-2-bind-stub.patch does not fit 9.9.9',
    '9.9.9 did not take CONFIG_FUSE_FS=y',
  ]);
  const { origin, version, seccomp, smp, modules } = first.kernel;
  assert.deepEqual(
    { origin, version, seccomp, smp, modules },
    { origin: 'own', version: '9.9.9', seccomp: true, smp: true, modules: [] },
  );
  assert.equal((await runCommand(first.kernel.path, [])).code, 0);
  assert.deepEqual(await findKernel('uml', { ...options, root: '/nonexistent' }), first.kernel);

  const second = await buildKernel({ ...options, source });
  assert.deepEqual(second, { kernel: first.kernel, built: false, warnings: [] });
  const noTools: RunCommand = () => assert.fail('no program is run');
  const third = await buildKernel({ ...options, run: noTools });
  assert.deepEqual(third, second);
  assert.deepEqual(await readdir(join(cacheDir, 'kernels/tmp')), []);
});

test('buildKernel() shows why the compiler failed', async (t) => {
  const cacheDir = await temporaryFolder(t);
  await writeTree(cacheDir, { 'linux/Makefile': 'allnoconfig:\n\t@echo broken >&2; exit 1\n' });
  const source = join(cacheDir, 'linux.tar');
  assert.equal((await runCommand('tar', ['-cf', source, 'linux'], { cwd: cacheDir })).code, 0);
  const build = buildKernel({ flavor: 'vm', arch: 'x64', cacheDir, run: withTools, source });
  await assert.rejects(build, { kind: 'Engine', message: /broken/ });
  assert.deepEqual(await readdir(join(cacheDir, 'kernels/tmp')), []);
});

test('applyPatches() leaves out a patch that does not fit, as a whole', async (t) => {
  const dir = await temporaryFolder(t);
  await mkdir(join(dir, 'source'));
  await writeTree(dir, { 'source/a.c': 'one\ntwo\n', 'source/b.c': 'three\n' });
  const patch = (file: string, from: string, to: string) =>
    `--- a/${file}\n+++ b/${file}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
  const work: KernelWork = {
    recipe: kernelRecipe('uml', 'x64'),
    report: () => undefined,
    dir,
    run: runCommand,
  };
  const refused = await applyPatches(
    work,
    new Map([
      ['fits', patch('b.c', 'three', 'drei')],
      ['half', patch('b.c', 'drei', 'trois') + patch('a.c', 'eins', 'un')],
    ]),
  );
  assert.deepEqual(refused, ['half']);
  assert.equal(await readFile(join(dir, 'source/b.c'), 'utf8'), 'drei\n');
  assert.deepEqual((await readdir(join(dir, 'source'))).toSorted(), ['a.c', 'b.c']);
});
