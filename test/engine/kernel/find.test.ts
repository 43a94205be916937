import assert from 'node:assert/strict';
import { readFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { findKernel, findKernels } from '../../../src/engine/kernel/find.ts';
import { runCommand } from '../../../src/process/run.ts';
import { bzImageHead, temporaryFolder, umlHead, writeTree } from './kernel-files.ts';

const record = (flavor: string, hash: string, builtAt: string) =>
  JSON.stringify({
    format: 1,
    flavor,
    arch: 'x64',
    version: '7.3.4',
    source: 'linux-source-7.3 7.3.4-1',
    recipe: 'r',
    hash,
    seccomp: flavor === 'uml',
    smp: true,
    builtAt,
  });

const umlModules = 'usr/lib/uml/modules/6.1.176';
const UML_FILES = {
  'usr/bin/linux.uml': umlHead(),
  [`${umlModules}/modules.dep`]: 'erofs.ko:\noverlay.ko:\nfuse.ko:\ntun.ko:\n',
  [`${umlModules}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\n',
  [`${umlModules}/erofs.ko`]: 'e',
  [`${umlModules}/overlay.ko`]: 'o',
  [`${umlModules}/fuse.ko`]: 'f',
  [`${umlModules}/tun.ko`]: 't',
};
const EVERY_BUILTIN = [
  'virtio_ring',
  'virtio',
  'virtio_mmio',
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'erofs',
  'ext4',
  'overlay',
  'fuse',
  'tun',
]
  .map((name) => `kernel/${name}.ko\n`)
  .join('');

test('findKernels() takes the kernels of a package behind those that were built here', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const packageDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  await writeTree(root, UML_FILES);
  await writeTree(packageDir, {
    'uml/linux': umlHead(),
    'uml/kernel.json': record('uml', 'packed', '2026-01-01T00:00:00.000Z'),
    // Damaged: what the record says of is not there.
    'vm/kernel.json': record('vm', 'packed', '2026-01-01T00:00:00.000Z'),
  });
  const search = { cacheDir, root, packageDir, arch: 'x64', run: runCommand } as const;
  const paths = async () => (await findKernels(search)).map(({ path }) => path);
  const [packed, installed] = [join(packageDir, 'uml/linux'), join(root, 'usr/bin/linux.uml')];
  assert.deepEqual(await paths(), [packed, installed]);
  assert.equal((await findKernel('uml', search))?.origin, 'own');
  const built = join(cacheDir, 'kernels/own/uml-x64-built');
  await writeTree(built, {
    linux: umlHead(),
    'kernel.json': record('uml', 'built', '2025-01-01T00:00:00.000Z'),
  });
  assert.deepEqual(await paths(), [join(built, 'linux'), packed, installed]);
});

test('findKernels() prefers own kernels, then installed, then downloaded ones', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  await writeTree(root, UML_FILES);
  await writeTree(join(cacheDir, 'kernels/debian/uml-x64-6.1um4+b13'), UML_FILES);
  await writeTree(join(cacheDir, 'kernels/own'), {
    'uml-x64-old/linux': umlHead(),
    'uml-x64-old/kernel.json': record('uml', 'old', '2025-01-01T00:00:00.000Z'),
    'uml-x64-new/linux': umlHead(),
    'uml-x64-new/kernel.json': record('uml', 'new', '2026-01-01T00:00:00.000Z'),
  });
  const found = await findKernels({ cacheDir, arch: 'x64', run: runCommand, root });
  assert.deepEqual(
    found.map((kernel) => kernel.path),
    [
      join(cacheDir, 'kernels/own/uml-x64-new/linux'),
      join(cacheDir, 'kernels/own/uml-x64-old/linux'),
      join(root, 'usr/bin/linux.uml'),
      join(cacheDir, 'kernels/debian/uml-x64-6.1um4+b13/usr/bin/linux.uml'),
    ],
  );
  const [own, , installed] = found;
  assert.deepEqual([own?.origin, own?.seccomp, own?.smp, own?.modules], ['own', true, true, []]);
  assert.deepEqual(
    [installed?.origin, installed?.version, installed?.seccomp, installed?.smp],
    ['distribution', '6.1.176', false, false],
  );
  assert.deepEqual(
    installed?.modules,
    ['erofs', 'overlay', 'fuse', 'tun'].map((name) => join(root, umlModules, `${name}.ko`)),
  );
});

test('findKernels() leaves out own kernels that are damaged', async (t) => {
  const cacheDir = await temporaryFolder(t);
  await writeTree(join(cacheDir, 'kernels/own'), {
    'uml-x64-a/linux': 'not a kernel',
    'uml-x64-a/kernel.json': record('uml', 'a', ''),
    'uml-x64-b/kernel.json': record('uml', 'b', ''),
    'uml-x64-c/linux': umlHead(),
    'uml-x64-c/kernel.json': '{"format":1',
    'vm-x64-d/vmlinux': umlHead(),
    'vm-x64-d/kernel.json': record('vm', 'd', ''),
    'stray-file': '',
  });
  const search = { cacheDir, arch: 'x64', run: runCommand, root: '/nonexistent' } as const;
  assert.deepEqual(await findKernels(search), []);
  assert.equal(await findKernel('uml', search), null);
});

test('findKernels() takes cloud kernels first and newer ones before older', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  const releases = ['6.1.0-9-cloud-amd64', '6.1.0-56-cloud-amd64', '6.12.1-amd64'];
  for (const release of releases) {
    await writeTree(root, {
      [`boot/vmlinuz-${release}`]: bzImageHead(release),
      [`usr/lib/modules/${release}/modules.dep`]: '',
      [`usr/lib/modules/${release}/modules.builtin`]: EVERY_BUILTIN,
    });
  }
  const found = await findKernels({ cacheDir, arch: 'x64', run: runCommand, root });
  assert.deepEqual(
    found.map((kernel) => kernel.version),
    ['6.1.0-56-cloud-amd64', '6.1.0-9-cloud-amd64', '6.12.1-amd64'],
  );
});

test('findKernels() leaves out a kernel without a module that a box needs', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  await writeTree(root, { ...UML_FILES, [`${umlModules}/modules.dep`]: 'erofs.ko:\n' });
  assert.deepEqual(await findKernels({ cacheDir, arch: 'x64', run: runCommand, root }), []);
});

test('findKernels() decompresses xz and zstd modules into the cache, once', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  await writeTree(root, {
    ...UML_FILES,
    [`${umlModules}/modules.dep`]: 'erofs.ko.xz:\noverlay.ko.zst:\nfuse.ko:\ntun.ko:\n',
    [`${umlModules}/overlay.ko.zst`]: zstdCompressSync(Buffer.from('overlay module')),
  });
  const erofs = join(root, umlModules, 'erofs.ko');
  assert.equal((await runCommand('xz', ['--check=crc32', erofs])).code, 0);
  const search = { cacheDir, arch: 'x64', run: runCommand, root } as const;
  const [kernel] = await findKernels(search);
  const contents = await Promise.all((kernel?.modules ?? []).map((path) => readFile(path, 'utf8')));
  assert.deepEqual(contents, ['e', 'overlay module', 'f', 't']);
  // The cached files serve the second time, so xz is not needed any more.
  const [again] = await findKernels({ ...search, run: () => assert.fail('no program is run') });
  assert.deepEqual(again, kernel);
});

test("findKernels() changes a kernel's id when the file or a module is replaced", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const root = await temporaryFolder(t);
  await writeTree(root, UML_FILES);
  const search = { cacheDir, arch: 'x64', run: runCommand, root } as const;
  const ids = new Set<string | undefined>();
  ids.add((await findKernel('uml', search))?.id);
  ids.add((await findKernel('uml', search))?.id);
  assert.equal(ids.size, 1);
  await utimes(join(root, umlModules, 'tun.ko'), 1, 1);
  ids.add((await findKernel('uml', search))?.id);
  await utimes(join(root, 'usr/bin/linux.uml'), 1, 1);
  ids.add((await findKernel('uml', search))?.id);
  assert.equal(ids.size, 3);
  await rm(join(root, umlModules, 'tun.ko'));
  assert.equal(await findKernel('uml', search), null);
});
