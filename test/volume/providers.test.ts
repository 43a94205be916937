/** The same file system, whoever keeps it: every provider answers a kernel in the same way. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryVolume, type VolumeProvider } from '../../src/index.ts';
import { opcodes } from '../../src/volume/fuse-protocol.ts';
import { HostVolume } from '../../src/volume/host-provider.ts';
import { FuseClient, name, refused, u32, u64 } from './fuse-client.ts';

/** How a file is made where it is no matter. */
const ANY = { read: true, write: true, truncate: false, exclusive: false, mode: 0o644 };

const [EPERM, ENOENT, EBADF, EEXIST, ENOTDIR, EISDIR, EINVAL] = [1, 2, 9, 17, 20, 21, 22];
const [EFBIG, ENOSPC, EROFS, ENOTEMPTY, ENODATA, ENOTSUP, ESTALE] = [27, 28, 30, 39, 61, 95, 116];
const [WRITE, RDWR] = [1, 2];
const ROOT = 1;

const makers: Record<string, (use: (provider: VolumeProvider) => Promise<void>) => Promise<void>> =
  {
    'a directory': async (use) => {
      const directory = mkdtempSync(join(tmpdir(), 'boxlite-volume-'));
      try {
        await use(new HostVolume(directory));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
    memory: (use) => use(new MemoryVolume()),
  };

for (const [kind, make] of Object.entries(makers)) {
  const withClient = (work: (client: FuseClient) => Promise<void>, readOnly = false) =>
    make(async (provider) => {
      await using client = await FuseClient.of(provider, { readOnly });
      await work(client);
      assert.equal(client.failure, null);
    });

  describe(kind, () => {
    it('makes files and reads back what was written', () =>
      withClient(async (client) => {
        const file = await client.create(ROOT, 'file', 0o640);
        assert.equal(file.mode, 0o100640);
        assert.equal(await client.write(file.node, file.handle, 3, Buffer.from('abc')), 3);
        const content = await client.read(file.node, file.handle, 0, 100);
        assert.deepEqual([...content], [0, 0, 0, 97, 98, 99]);
        assert.equal((await client.getattr(file.node)).size, 6);
        await client.release(file.node, file.handle);
        await refused(EBADF, client.read(file.node, file.handle, 0, 1));
        await refused(EEXIST, client.create(ROOT, 'file', 0o640, 0o302));
        assert.equal((await client.lookup(ROOT, 'file')).node, file.node);
      }));

    it('tells whoever has a file open what others have done to it', () =>
      withClient(async (client) => {
        const made = await client.create(ROOT, 'file');
        const reader = await client.open(made.node, 0);
        const writer = await client.open(made.node, WRITE);
        await client.write(made.node, writer, 0, Buffer.from('longer'));
        for (const handle of [made.handle, reader]) {
          assert.equal((await client.getattr(made.node, handle)).size, 6);
        }
        for (const handle of [made.handle, reader, writer]) {
          await client.release(made.node, handle);
        }
      }));

    it('keeps a file that is deleted while it is open', () =>
      withClient(async (client) => {
        const file = await client.create(ROOT, 'file');
        await client.write(file.node, file.handle, 0, Buffer.from('still here'));
        await client.unlink(ROOT, 'file');
        await refused(ENOENT, client.lookup(ROOT, 'file'));
        assert.equal((await client.getattr(file.node)).size, 10);
        assert.equal((await client.getattr(file.node)).links, 0);
        assert.equal((await client.truncate(file.node, 5)).size, 5);
        const content = await client.read(file.node, file.handle, 0, 100);
        assert.equal(content.toString(), 'still');
        await client.release(file.node, file.handle);
      }));

    it('has directories', () =>
      withClient(async (client) => {
        const directory = await client.mkdir(ROOT, 'd', 0o750);
        assert.equal(directory.mode, 0o040750);
        await client.create(directory.node, 'x');
        await refused(ENOTEMPTY, client.rmdir(ROOT, 'd'));
        await refused(EEXIST, client.mkdir(ROOT, 'd'));
        await refused(ENOTDIR, client.rmdir(directory.node, 'x'));
        await refused(ENOENT, client.rmdir(ROOT, 'none'));
        await client.unlink(directory.node, 'x');
        await client.rmdir(ROOT, 'd');
        assert.deepEqual(await client.list(ROOT), []);
        await refused(ENOENT, client.unlink(ROOT, 'd'));
      }));

    it('lists many names, whatever their bytes', () =>
      withClient(async (client) => {
        const names = Array.from({ length: 500 }, (_, i) => `file ${i}`);
        names.push('\xff\xfe\x01', 'x'.repeat(255), '...');
        for (const text of names) await client.create(ROOT, Buffer.from(text, 'latin1'));
        assert.deepEqual(await client.list(ROOT), names.toSorted());
        assert.deepEqual(await client.list(ROOT, true), names.toSorted());
      }));

    it('renames over what is there, and not if it must not', () =>
      withClient(async (client) => {
        const a = await client.create(ROOT, 'a');
        await client.write(a.node, a.handle, 0, Buffer.from('a'));
        await client.create(ROOT, 'b');
        const directory = await client.mkdir(ROOT, 'd');
        await client.mkdir(ROOT, 'other');
        await refused(EEXIST, client.rename(ROOT, 'a', ROOT, 'b', 1));
        await client.rename(ROOT, 'a', ROOT, 'b');
        assert.deepEqual(await client.list(ROOT), ['b', 'd', 'other']);
        assert.equal((await client.getattr(a.node)).size, 1);
        await client.rename(ROOT, 'b', directory.node, 'c');
        assert.equal((await client.lookup(directory.node, 'c')).node, a.node);
        assert.equal((await client.setattr(a.node, 1, { mode: 0o600 })).mode, 0o100600);
        await refused(EISDIR, client.rename(directory.node, 'c', ROOT, 'other'));
        await refused(EINVAL, client.rename(ROOT, 'd', directory.node, 'e'));
        await refused(EINVAL, client.rename(ROOT, 'd', ROOT, 'f', 4));
        await refused(ENOENT, client.rename(ROOT, 'none', ROOT, 'f'));
      }));

    it('reaches what is in a directory that was renamed', () =>
      withClient(async (client) => {
        const outer = await client.mkdir(ROOT, 'outer');
        const inner = await client.mkdir(outer.node, 'inner');
        await client.rename(ROOT, 'outer', ROOT, 'moved');
        const file = await client.create(inner.node, 'file');
        assert.equal((await client.getattr(file.node)).mode, 0o100644);
        const moved = await client.lookup(ROOT, 'moved');
        assert.equal(moved.node, outer.node);
      }));

    it('gives a file several names', () =>
      withClient(async (client) => {
        const file = await client.create(ROOT, 'a');
        const linked = await client.link(file.node, ROOT, 'b');
        assert.equal(linked.node, file.node);
        assert.equal(linked.links, 2);
        await client.unlink(ROOT, 'a');
        assert.equal((await client.getattr(file.node)).links, 1);
        assert.equal((await client.truncate(file.node, 3)).size, 3);
        const directory = await client.mkdir(ROOT, 'd');
        await refused(EPERM, client.link(directory.node, ROOT, 'e'));
      }));

    it('keeps the text of links as it is', () =>
      withClient(async (client) => {
        const link = await client.symlink(ROOT, 'l', '../../etc/passwd');
        assert.equal(link.mode & 0o170000, 0o120000);
        const target = await client.ask(opcodes.readlink, link.node);
        assert.equal(target.toString(), '../../etc/passwd');
        await assert.rejects(client.open(link.node, WRITE));
        const file = await client.create(ROOT, 'file');
        await refused(EINVAL, client.ask(opcodes.readlink, file.node));
      }));

    it('keeps times, and sizes that no program can write', () =>
      withClient(async (client) => {
        const file = await client.create(ROOT, 'file');
        assert.equal(
          (await client.setattr(file.node, 32, { mtime: 1_000_000_007 })).mtime,
          1_000_000_007,
        );
        assert.equal((await client.truncate(file.node, 2 ** 40)).size, 2 ** 40);
        await client.write(file.node, file.handle, 2 ** 39, Buffer.from('x'));
        const read = await client.read(file.node, file.handle, 2 ** 39 - 1, 3);
        assert.deepEqual([...read], [0, 120, 0]);
        await refused(EFBIG, client.truncate(file.node, 2n ** 62n));
      }));

    it('remembers an owner, and begins with the usual one', () =>
      withClient(async (client) => {
        const file = await client.create(ROOT, 'file');
        const owner = async () => {
          const reply = await client.ask(opcodes.getattr, file.node, u32(0), u32(0), u64(0));
          return [reply.readUInt32LE(16 + 68), reply.readUInt32LE(16 + 72)];
        };
        // The client asks as 0:0, and so it is 0:0 who has made it.
        assert.deepEqual(await owner(), [0, 0]);
        await client.setattr(file.node, 2, { uid: 1234 });
        assert.deepEqual(await owner(), [1234, 0]);
        const root = await client.ask(opcodes.getattr, ROOT, u32(0), u32(0), u64(0));
        assert.equal(root.readUInt32LE(16 + 68), 7);
      }));

    it('makes no devices', () =>
      withClient(async (client) => {
        const device = [u32(0o020666), u32(0x103), u32(0), u32(0), name('null')];
        await refused(EPERM, client.ask(opcodes.mknod, ROOT, ...device));
        const file = [u32(0o100600), u32(0), u32(0), u32(0), name('file')];
        await client.ask(opcodes.mknod, ROOT, ...file);
        assert.equal((await client.lookup(ROOT, 'file')).mode, 0o100600);
      }));

    it('refuses every change if it is read-only', async () => {
      await make(async (provider) => {
        {
          await using client = await FuseClient.of(provider);
          await client.create(ROOT, 'file');
          await client.mkdir(ROOT, 'd');
        }
        await using client = await FuseClient.of(provider, { readOnly: true });
        const file = await client.lookup(ROOT, 'file');
        const changes = [
          () => client.create(ROOT, 'new'),
          () => client.mkdir(ROOT, 'new'),
          () => client.symlink(ROOT, 'new', 'x'),
          () => client.link(file.node, ROOT, 'new'),
          () => client.unlink(ROOT, 'file'),
          () => client.rmdir(ROOT, 'd'),
          () => client.rename(ROOT, 'file', ROOT, 'new'),
          () => client.truncate(file.node, 0),
          () => client.setattr(file.node, 1, { mode: 0o777 }),
          () => client.setattr(file.node, 2, { uid: 1 }),
          () => client.open(file.node, WRITE),
          () => client.open(file.node, RDWR),
          () => client.open(file.node, 0o1000),
          () => client.write(file.node, 1, 0, Buffer.from('x')),
          () => client.ask(opcodes.setxattr, file.node, u32(0), u32(0), name('user.x')),
        ];
        for (const change of changes) await refused(EROFS, change());
        await refused(EBADF, client.read(file.node, 99, 0, 1));
        assert.equal(await client.open(file.node, 0), 1);
      });
    });

    it('is as a model has it, after any operations on a file', { timeout: 120_000 }, () =>
      fc.assert(
        fc.asyncProperty(fc.array(fileOperation, { maxLength: 60 }), async (operations) => {
          await withClient((client) => compareWithModel(client, operations));
        }),
        { numRuns: Number(process.env['BOXLITE_FSX_RUNS'] ?? 30) },
      ),
    );
  });
}

const POSITIONS = 300_000;
const fileOperation = fc.oneof(
  fc.record({
    op: fc.constant('write'),
    at: fc.nat(POSITIONS),
    length: fc.nat(70_000),
    byte: fc.nat(255),
  }),
  fc.record({
    op: fc.constant('read'),
    at: fc.nat(POSITIONS),
    length: fc.nat(70_000),
    byte: fc.constant(0),
  }),
  fc.record({
    op: fc.constant('truncate'),
    at: fc.nat(POSITIONS),
    length: fc.constant(0),
    byte: fc.constant(0),
  }),
  fc.record({
    op: fc.constant('copy'),
    at: fc.nat(POSITIONS),
    length: fc.nat(70_000),
    byte: fc.nat(255),
  }),
  fc.record({
    op: fc.constant('reopen'),
    at: fc.constant(0),
    length: fc.constant(0),
    byte: fc.constant(0),
  }),
);

/** What fsx does: any operations on one file, and on an array of bytes. */
async function compareWithModel(
  client: FuseClient,
  operations: readonly { op: string; at: number; length: number; byte: number }[],
): Promise<void> {
  const model = { bytes: Buffer.alloc(2 * POSITIONS), size: 0 };
  const file = await client.create(ROOT, 'file', 0o644, 0o102);
  let { handle } = file;
  for (const { op, at, length, byte } of operations) {
    if (op === 'write') {
      const data = Buffer.alloc(length, byte);
      assert.equal(await client.write(file.node, handle, at, data), length);
      data.copy(model.bytes, at);
      if (length > 0) model.size = Math.max(model.size, at + length);
    } else if (op === 'read') {
      const read = await client.read(file.node, handle, at, length);
      const end = Math.max(at, Math.min(at + length, model.size));
      assert.ok(read.equals(model.bytes.subarray(at, end)));
    } else if (op === 'truncate') {
      assert.equal((await client.truncate(file.node, at, handle)).size, at);
      if (at < model.size) model.bytes.fill(0, at, model.size);
      model.size = at;
    } else if (op === 'copy') {
      const to = (at * 7 + byte) % POSITIONS;
      const parts = [
        u64(handle),
        u64(at),
        u64(file.node),
        u64(handle),
        u64(to),
        u64(length),
        u64(0),
      ];
      const copied = (await client.ask(opcodes.copyFileRange, file.node, ...parts)).readUInt32LE(0);
      assert.equal(copied, Math.max(0, Math.min(length, model.size - at)));
      const piece = Buffer.from(model.bytes.subarray(at, at + copied));
      piece.copy(model.bytes, to);
      if (copied > 0) model.size = Math.max(model.size, to + copied);
    } else {
      await client.release(file.node, handle);
      handle = await client.open(file.node, RDWR);
    }
    assert.equal((await client.getattr(file.node)).size, model.size);
  }
  const whole = await client.read(file.node, handle, 0, 250_000);
  assert.ok(whole.equals(model.bytes.subarray(0, Math.min(model.size, 250_000))));
}

describe('memory', () => {
  it('takes set-id bits away from a file that is written, cut or given away by somebody else', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const made = await client.create(ROOT, 'program', 0o6755);
    const mode = async () => (await client.getattr(made.node)).mode & 0o7777;
    const again = () => client.setattr(made.node, 1, { mode: 0o6755 });
    await client.write(made.node, made.handle, 0, Buffer.from('by its owner'));
    assert.equal(await mode(), 0o6755);
    await client.write(made.node, made.handle, 0, Buffer.from('by another'), 4);
    assert.equal(await mode(), 0o755);
    await again();
    await client.ask(opcodes.open, made.node, u32(RDWR | 0o1000), u32(1));
    assert.equal(await mode(), 0o755);
    await again();
    assert.equal((await client.setattr(made.node, 2, { uid: 5 })).mode & 0o7777, 0o755);
    await client.setattr(made.node, 1, { mode: 0o2644 });
    assert.equal((await client.setattr(made.node, 2, { uid: 6 })).mode & 0o7777, 0o2644);
  });

  it('has attributes', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const set = [u32(3), u32(0), name('user.a'), Buffer.from('abc')];
    await client.ask(opcodes.setxattr, ROOT, ...set);
    const get = (size: number) =>
      client.ask(opcodes.getxattr, ROOT, u32(size), u32(0), name('user.a'));
    assert.equal((await get(0)).readUInt32LE(0), 3);
    assert.equal((await get(10)).toString(), 'abc');
    await refused(34, get(2));
    const names = await client.ask(opcodes.listxattr, ROOT, u32(100), u32(0));
    assert.equal(names.toString(), 'user.a\0');
    await client.ask(opcodes.removexattr, ROOT, name('user.a'));
    await refused(ENODATA, get(10));
  });

  it('is full when it is full, and has room again', async () => {
    const volume = new MemoryVolume({ maxBytes: 1024 * 1024 });
    await using client = await FuseClient.of(volume);
    const file = await client.create(ROOT, 'file');
    const piece = Buffer.alloc(200_000, 1);
    await refused(
      ENOSPC,
      (async () => {
        for (let i = 0; i < 10; i++) await client.write(file.node, file.handle, i * 200_000, piece);
      })(),
    );
    await client.unlink(ROOT, 'file');
    await client.release(file.node, file.handle);
    const other = await client.create(ROOT, 'other');
    await client.write(other.node, other.handle, 0, Buffer.alloc(250_000));
  });

  it('counts names, links and attributes, too', async () => {
    const provider = new MemoryVolume({ maxBytes: 16 * 1024 });
    const { node } = await provider.root();
    const free = async () => (await provider.space()).freeFiles;
    const [first, target] = [Buffer.from('first'), Buffer.alloc(4000, 'x')];
    const file = (await node.create?.(first, ANY))?.node ?? node;
    const before = await free();
    const fill = async (work: (i: number) => Promise<unknown> | undefined) => {
      for (let i = 0; i < 200; i++) await work(i);
    };
    const named = (i: number) => Buffer.from(`${i}`);
    const empty = async () => {
      for (const { name: each } of (await node.list?.()) ?? []) {
        if (!each.equals(first)) await node.unlink?.(each);
      }
    };
    await assert.rejects(
      fill((i) => node.link?.(named(i), file)),
      { code: 'ENOSPC' },
    );
    await empty();
    assert.equal(await free(), before);
    await assert.rejects(
      fill((i) => node.makeSymlink?.(named(i), target)),
      { code: 'ENOSPC' },
    );
    await empty();
    assert.equal(await free(), before);
    const set = (i: number) =>
      node.setAttribute?.(`user.${i}`, Buffer.of(1), { create: false, replace: false });
    await assert.rejects(
      fill((i) => set(i)),
      { code: 'ENOSPC' },
    );
  });

  it('does not give the program a file that is nearly all hole', async () => {
    const provider = new MemoryVolume();
    const { node } = await provider.root();
    const made = await node.create?.(Buffer.from('hole'), ANY);
    await made?.file.change?.({ size: 2 ** 40 });
    assert.throws(() => provider.readFile('/hole'), { code: 'EFBIG' });
  });

  it('counts the directories in a directory, whatever becomes of them', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const links = async () => (await client.getattr(ROOT)).links;
    const a = await client.mkdir(ROOT, 'a');
    await client.mkdir(ROOT, 'b');
    await client.create(ROOT, 'c');
    assert.equal(await links(), 4);
    await client.rename(ROOT, 'a', ROOT, 'b');
    assert.equal(await links(), 3);
    await client.rename(ROOT, 'b', ROOT, 'c', 2);
    assert.equal(await links(), 3);
    await client.mkdir(a.node, 'd');
    await client.rename(a.node, 'd', ROOT, 'b', 2);
    assert.deepEqual([await links(), (await client.getattr(a.node)).links], [4, 2]);
  });

  it('is written and read by the program', async () => {
    const volume = new MemoryVolume();
    volume.writeFile('/a/b/c', 'hello');
    await using client = await FuseClient.of(volume);
    const a = await client.lookup(ROOT, 'a');
    assert.deepEqual(await client.list(a.node), ['b']);
    assert.equal(volume.readFile('a/b/c').toString(), 'hello');
    assert.throws(() => volume.readFile('/a/b'), { code: 'EISDIR' });
    assert.throws(() => volume.readFile('/a/x'), { code: 'ENOENT' });
    assert.throws(() => volume.writeFile('/a', ''), { code: 'EISDIR' });
  });

  it('changes two names at once', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const a = await client.create(ROOT, 'a');
    const b = await client.mkdir(ROOT, 'b');
    await client.rename(ROOT, 'a', ROOT, 'b', 2);
    assert.equal((await client.lookup(ROOT, 'a')).node, b.node);
    assert.equal((await client.lookup(ROOT, 'b')).node, a.node);
    await refused(ENOENT, client.rename(ROOT, 'a', ROOT, 'c', 2));
  });

  it('reserves, zeroes and punches', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const file = await client.create(ROOT, 'file');
    const allocate = (mode: number, at: number, length: number) =>
      client.ask(
        opcodes.fallocate,
        file.node,
        u64(file.handle),
        u64(at),
        u64(length),
        u32(mode),
        u32(0),
      );
    await client.write(file.node, file.handle, 0, Buffer.from('abcdef'));
    await allocate(3, 1, 2);
    assert.equal((await client.read(file.node, file.handle, 0, 9)).toString('latin1'), 'a\0\0def');
    await allocate(0, 0, 100_000);
    assert.equal((await client.getattr(file.node)).size, 100_000);
    await refused(ENOTSUP, allocate(8, 0, 1));
    const seek = (at: number, whence: number) =>
      client.ask(opcodes.lseek, file.node, u64(file.handle), u64(at), u32(whence), u32(0));
    assert.equal((await seek(0, 4)).readUInt32LE(0), 100_000);
    await client.truncate(file.node, 1_000_000);
    assert.equal((await seek(5, 4)).readUInt32LE(0), 131_072);
    await refused(6, seek(131_072, 3));
  });
});

describe('a node that was forgotten', () => {
  it('is stale', async () => {
    await using client = await FuseClient.of(new MemoryVolume());
    const file = await client.create(ROOT, 'file');
    const { request } = await import('./fuse-client.ts');
    client.server.receive(request(opcodes.forget, 0, file.node, u64(1)));
    await refused(ESTALE, client.getattr(file.node));
    assert.equal((await client.lookup(ROOT, 'file')).size, 0);
  });
});
