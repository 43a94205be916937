import assert from 'node:assert/strict';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { downloadDebianKernel } from '../../../src/engine/kernel/debian.ts';
import { findKernel } from '../../../src/engine/kernel/find.ts';
import { moduleName } from '../../../src/engine/kernel/modules.ts';
import type { KernelProgress } from '../../../src/engine/kernel/progress.ts';
import { runCommand } from '../../../src/process/run.ts';
import { temporaryFolder } from './kernel-files.ts';

test("downloadDebianKernel() puts Debian's user-mode Linux into the cache, ready to run", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const events: KernelProgress[] = [];
  const kernel = await downloadDebianKernel('uml', {
    cacheDir,
    arch: 'x64',
    run: runCommand,
    onProgress: (event) => events.push(event),
  });
  assert.equal(kernel.origin, 'distribution');
  assert.deepEqual(kernel.modules.map(moduleName), ['erofs', 'overlay', 'fuse', 'tun']);
  await Promise.all(kernel.modules.map((path) => access(path)));
  assert.equal((await runCommand(kernel.path, ['--version'])).stdout.trim(), kernel.version);
  const search = { cacheDir, arch: 'x64', run: runCommand, root: '/nonexistent' } as const;
  assert.deepEqual(await findKernel('uml', search), kernel);
  assert.deepEqual(
    [...new Set(events.map((event) => event.stage))],
    ['lists', 'download', 'unpack'],
  );
  assert.deepEqual(await readdir(join(cacheDir, 'kernels/tmp')), []);
});

test('downloadDebianKernel() leaves nothing when it is cancelled', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const abort = new AbortController();
  const download = downloadDebianKernel('uml', {
    cacheDir,
    arch: 'x64',
    run: runCommand,
    signal: abort.signal,
    onProgress: (event) => event.stage === 'download' && abort.abort(),
  });
  await assert.rejects(download, { name: 'AbortError' });
  assert.deepEqual(await readdir(join(cacheDir, 'kernels')), ['tmp']);
  assert.deepEqual(await readdir(join(cacheDir, 'kernels/tmp')), []);
});

test('downloadDebianKernel() says what to do on a host without apt', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const run: typeof runCommand = (command, args, options) =>
    runCommand(command === 'apt-get' ? 'no-apt-get' : command, args, options);
  await assert.rejects(downloadDebianKernel('uml', { cacheDir, arch: 'x64', run }), (error) => {
    assert(error instanceof Error && 'kind' in error && error.kind === 'Config');
    assert.match(error.message, /no apt/);
    assert.match(error.message, /--source/);
    return true;
  });
});

test('downloadDebianKernel() refuses what Debian does not have', async (t) => {
  const cacheDir = await temporaryFolder(t);
  await assert.rejects(downloadDebianKernel('uml', { cacheDir, arch: 'arm64', run: runCommand }), {
    kind: 'Unsupported',
  });
});
