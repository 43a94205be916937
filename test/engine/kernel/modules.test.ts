import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatModulesDep,
  insertList,
  moduleDependencies,
  moduleName,
  neededModules,
  parseModuleList,
  parseModulesDep,
} from '../../../src/engine/kernel/modules.ts';

/** From Debian's linux-image-6.1.0-56-cloud-amd64, as depmod writes it. */
const CLOUD_DEP = `kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio_pci_legacy_dev.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio_pci_legacy_dev.ko:
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/char/virtio_console.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko
kernel/lib/libcrc32c.ko:
kernel/fs/overlayfs/overlay.ko:
kernel/fs/fuse/fuse.ko:
kernel/drivers/net/tun.ko:
`;
const CLOUD_BUILTIN = 'kernel/fs/ext4/ext4.ko\nkernel/fs/jbd2/jbd2.ko\n';

const builtinSet = (text: string) => new Set(parseModuleList(text).map(moduleName));

test("insertList() puts a cloud kernel's modules after what they need", () => {
  const index = parseModulesDep(CLOUD_DEP);
  const list = insertList(neededModules('vm'), index, builtinSet(CLOUD_BUILTIN));
  assert.deepEqual(list.missing, []);
  assert.deepEqual(list.paths.map(moduleName), [
    'virtio_ring',
    'virtio',
    'virtio_mmio',
    'virtio_pci_legacy_dev',
    'virtio_pci_modern_dev',
    'virtio_pci',
    'virtio_blk',
    'virtio_console',
    'libcrc32c',
    'erofs',
    'overlay',
    'fuse',
    'tun',
  ]);
});

test('insertList() reads compressed names and skips what is built in', () => {
  const index = parseModulesDep(
    'kernel/fs/fuse/fuse.ko.xz: kernel/lib/some-thing.ko.xz\nkernel/lib/some-thing.ko.xz:\n',
  );
  assert.deepEqual(insertList(['fuse', 'ext4'], index, new Set(['ext4'])), {
    paths: ['kernel/lib/some-thing.ko.xz', 'kernel/fs/fuse/fuse.ko.xz'],
    missing: [],
  });
});

test('insertList() names what a kernel lacks', () => {
  const index = parseModulesDep('a.ko: gone.ko\ngone.ko.bak:\n');
  assert.deepEqual(insertList(['a', 'tun'], index, new Set()).missing, ['gone', 'tun']);
});

test('insertList() lists each module once, after its dependencies, in any acyclic graph', () => {
  const graph = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, i) =>
        // A module depends only on ones with a smaller number.
        fc.uniqueArray(fc.nat(Math.max(0, i - 1)), { maxLength: i }),
      ),
    ),
  );
  fc.assert(
    fc.property(graph, fc.array(fc.nat(11)), (edges, wanted) => {
      const files = edges.map((to, i) => ({
        path: `m${i}.ko`,
        dependencies: to.map((n) => `m${n}.ko`),
      }));
      const index = parseModulesDep(formatModulesDep(files));
      const names = wanted.filter((n) => n < files.length).map((n) => `m${n}`);
      const { paths, missing } = insertList(names, index, new Set());
      assert.deepEqual(missing, []);
      assert.equal(new Set(paths).size, paths.length);
      for (const [at, path] of paths.entries()) {
        for (const need of index.get(moduleName(path))?.dependencies ?? []) {
          const where = paths.indexOf(need);
          assert(where >= 0 && where < at, `${need} before ${path}`);
        }
      }
    }),
  );
});

test('insertList() ends on a graph with a cycle', () => {
  const index = parseModulesDep('a.ko: b.ko\nb.ko: a.ko\n');
  assert.deepEqual(insertList(['a'], index, new Set()).paths, ['b.ko', 'a.ko']);
});

test('moduleDependencies() reads the depends field of a module', () => {
  const module = (info: string) => Buffer.from(`\x7fELF...\0${info}\0vermagic=6.1\0`);
  assert.deepEqual(moduleDependencies(module('license=GPL\0depends=virtio,virtio_ring')), [
    'virtio',
    'virtio_ring',
  ]);
  assert.deepEqual(moduleDependencies(module('depends=')), []);
  assert.deepEqual(moduleDependencies(Buffer.from('no module')), []);
});

test('insertList() puts a checksum that a module asks for by name before it, where there is one', () => {
  const index = parseModulesDep('erofs.ko: libcrc32c.ko\nlibcrc32c.ko:\ncrc32c_generic.ko:\n');
  const { paths } = insertList(['erofs'], index, new Set());
  assert.deepEqual(paths, ['crc32c_generic.ko', 'libcrc32c.ko', 'erofs.ko']);
  const builtIn = parseModulesDep('erofs.ko: libcrc32c.ko\nlibcrc32c.ko:\n');
  assert.deepEqual(insertList(['erofs'], builtIn, new Set()).missing, []);
});
