/** Whoever is root in the guest, and whatever happens on the host meanwhile: nothing outside of the share is reached. */
import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryVolume } from '../../src/index.ts';
import { opcodes } from '../../src/volume/fuse-protocol.ts';
import { HostVolume } from '../../src/volume/host-provider.ts';
import { VolumeServer } from '../../src/volume/server.ts';
import { FuseClient, name, Refused, refused, request, u32, u64 } from './fuse-client.ts';

const [EPERM, EACCES, ESTALE] = [1, 13, 116];
const ROOT = 1;
const SECRET = 'the secret outside of the share';

let folder: string;
let client: FuseClient;
const outside = (path: string) => join(folder, 'outside', path);
const inside = (path: string) => join(folder, 'share', path);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'boxlite-escape-'));
  mkdirSync(join(folder, 'share'));
  mkdirSync(join(folder, 'outside/directory'), { recursive: true });
  writeFileSync(outside('secret'), SECRET, { mode: 0o600 });
  client = await FuseClient.of(new HostVolume(join(folder, 'share')));
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  const { mode, mtimeMs } = statSync(outside('secret'));
  assert.equal(readFileSync(outside('secret'), 'utf8'), SECRET);
  assert.equal(mode & 0o7777, 0o600);
  assert.ok(mtimeMs > 1e12);
  assert.deepEqual(readdirSync(outside('')).toSorted(), ['directory', 'secret']);
  assert.deepEqual(readdirSync(outside('directory')), []);
  rmSync(folder, { recursive: true });
});

/** Everything that could be done with a node, whatever becomes of it. */
async function tryEverything(node: number): Promise<void> {
  const attempts = [
    async () => {
      const handle = await client.open(node, 2);
      const content = await client.read(node, handle, 0, 100);
      assert.ok(!content.includes(SECRET), 'the secret was read');
      await client.write(node, handle, 0, Buffer.from('overwritten'));
    },
    () => client.truncate(node, 0),
    () => client.setattr(node, 1, { mode: 0o777 }),
    () => client.setattr(node, 32, { mtime: 1000 }),
    () => client.create(node, 'planted'),
    () => client.mkdir(node, 'planted'),
    () => client.lookup(node, 'secret').then(({ node: found }) => tryEverything(found)),
    () => client.list(node, true),
    () => client.unlink(node, 'secret'),
    () => client.rename(node, 'secret', ROOT, 'stolen'),
    () => client.link(node, ROOT, `linked${node}`),
  ];
  for (const attempt of attempts) {
    await attempt().catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error;
    });
  }
}

describe('a share', () => {
  it('does not lead out by links of the host or the guest', async () => {
    symlinkSync(outside(''), inside('host'));
    symlinkSync(outside('secret'), inside('file'));
    await client.symlink(ROOT, 'guest', outside('secret'));
    await client.symlink(ROOT, 'up', '../outside');
    await client.symlink(ROOT, 'proc', '/proc/self/root');
    for (const link of ['host', 'file', 'guest', 'up', 'proc']) {
      const { node, mode } = await client.lookup(ROOT, link);
      assert.equal(mode & 0o170000, 0o120000);
      await tryEverything(node);
    }
  });

  it('does not lead out when a directory becomes a link', async () => {
    const directory = await client.mkdir(ROOT, 'd');
    const file = await client.create(directory.node, 'secret');
    await client.release(file.node, file.handle);
    renameSync(inside('d'), inside('moved'));
    symlinkSync(outside(''), inside('d'));
    // What was looked up is still what it was: the directory, wherever it is now.
    await client.create(directory.node, 'made');
    assert.deepEqual(readdirSync(inside('moved')).toSorted(), ['made', 'secret']);
    await tryEverything(file.node);
    await tryEverything((await client.lookup(ROOT, 'd')).node);
  });

  it('does not lead out when a file becomes a link', async () => {
    const file = await client.create(ROOT, 'f');
    await client.release(file.node, file.handle);
    rmSync(inside('f'));
    symlinkSync(outside('secret'), inside('f'));
    await refused(ESTALE, client.open(file.node, 2));
    await refused(ESTALE, client.truncate(file.node, 0));
    await refused(ESTALE, client.setattr(file.node, 1, { mode: 0o777 }));
    await tryEverything(file.node);
  });

  it('does not lead out when a file becomes another one', async () => {
    const file = await client.create(ROOT, 'f');
    await client.release(file.node, file.handle);
    rmSync(inside('f'));
    writeFileSync(inside('f'), 'another one');
    await refused(ESTALE, client.open(file.node, 0));
    assert.notEqual((await client.lookup(ROOT, 'f')).node, file.node);
  });

  it('stays what it is when it is renamed on the host and a link takes its place', async () => {
    renameSync(inside(''), join(folder, 'elsewhere'));
    symlinkSync('outside', join(folder, 'share'));
    await client.create(ROOT, 'new');
    assert.deepEqual(readdirSync(join(folder, 'elsewhere')), ['new']);
  });

  it('opens no device, FIFO or socket of the host', async () => {
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [inside('fifo')]);
    const fifo = await client.lookup(ROOT, 'fifo');
    await refused(EACCES, client.open(fifo.node, 0));
    await refused(EACCES, client.open(fifo.node, 1));
  });

  it('keeps no set-id bit on the host', async () => {
    const file = await client.create(ROOT, 'f', 0o6755);
    assert.equal(statSync(inside('f')).mode & 0o7777, 0o755);
    await client.setattr(file.node, 1, { mode: 0o4777 });
    assert.equal(statSync(inside('f')).mode & 0o7777, 0o777);
  });

  it('a hard link to the outside is the file that the host has put there, and no more can be made', async () => {
    linkSync(outside('secret'), inside('hard'));
    const { node } = await client.lookup(ROOT, 'hard');
    assert.equal((await client.getattr(node)).size, SECRET.length);
    rmSync(inside('hard'));
    await client.symlink(ROOT, 'soft', outside('secret'));
    const soft = await client.lookup(ROOT, 'soft');
    // A link to a link is a link.
    const linked = await client.link(soft.node, ROOT, 'linked');
    assert.equal(linked.mode & 0o170000, 0o120000);
  });

  it('does not take names that are paths', async () => {
    for (const wrong of ['..', '.', '../outside', 'a/b', '/etc/passwd', '']) {
      const other = await FuseClient.of(new HostVolume(inside('')));
      other.server.receive(request(opcodes.lookup, 90, ROOT, name(wrong)));
      assert.match(String(other.failure?.message), /broke the FUSE protocol/, wrong);
      await other[Symbol.asyncDispose]();
    }
  });

  it('does not lead out while the host renames and links without pause', async () => {
    const directory = await client.mkdir(ROOT, 'd');
    await client.create(directory.node, 'secret');
    let going = true;
    const racing = (async () => {
      while (going) {
        renameSync(inside('d'), inside('away'));
        symlinkSync(outside(''), inside('d'));
        await new Promise(setImmediate);
        rmSync(inside('d'));
        renameSync(inside('away'), inside('d'));
        await new Promise(setImmediate);
      }
    })();
    for (let i = 0; i < 40; i++) {
      const found = await client.lookup(ROOT, 'd').catch(() => null);
      if (found !== null) await tryEverything(found.node);
      await tryEverything(directory.node);
    }
    going = false;
    await racing;
  });
});

describe('a guest that sends garbage', () => {
  it('loses the volume or is refused, and the server stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(60), fc.nat(5), fc.uint8Array({ maxLength: 120 })), {
          maxLength: 20,
        }),
        async (messages) => {
          let failed = 0;
          const provider = new MemoryVolume();
          const root = await provider.root();
          const server = new VolumeServer({
            provider,
            root,
            readOnly: false,
            owner: { uid: 0, gid: 0 },
            send: async () => true,
            consumed: () => undefined,
            failed: () => failed++,
          });
          for (const [i, [opcode, node, body]] of messages.entries()) {
            server.receive(request(opcode, i, node, body));
          }
          await server.close();
          assert.ok(failed <= 1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gets no credit for requests whose replies it does not take', async () => {
    const provider = new MemoryVolume();
    const root = await provider.root();
    let [sent, consumed] = [0, 0];
    const taken = Promise.withResolvers<boolean>();
    const server = new VolumeServer({
      provider,
      root,
      readOnly: false,
      owner: { uid: 0, gid: 0 },
      send: () => {
        sent++;
        return taken.promise;
      },
      consumed: (bytes) => {
        consumed += bytes;
      },
      failed: (reason) => assert.fail(reason),
    });
    const init = [u32(7), u32(36), u32(0), u32(0)];
    const attributes = [u32(0), u32(0), u64(0)];
    const requests = [
      request(opcodes.init, 1, 0, ...init),
      ...Array.from({ length: 100 }, (_, i) => request(opcodes.getattr, i + 2, 1, ...attributes)),
      // One that waits for its turn.
      request(opcodes.interrupt, 200, 0, u64(101)),
    ];
    for (const each of requests) server.receive(each);
    await new Promise(setImmediate);
    const interrupt = requests.at(-1)?.length;
    assert.deepEqual([sent, consumed], [1 + 64 + 1, interrupt]);
    taken.resolve(true);
    await new Promise(setImmediate);
    const all = requests.reduce((sum, { length }) => sum + length, 0);
    assert.deepEqual([sent, consumed], [101, all]);
    await server.close();
  });

  it('cannot forget what it does not know, nor use a number twice', async () => {
    for (const wrong of [
      request(opcodes.forget, 0, 99, u64(1)),
      request(opcodes.forget, 0, ROOT, u64(1000)),
      Buffer.concat([request(opcodes.statfs, 8, 1), request(opcodes.statfs, 8, 1)]),
    ]) {
      const provider = new MemoryVolume();
      const other = await FuseClient.of(provider);
      const waiting = other.ask(opcodes.getattr, ROOT, u32(0), u32(0), u64(0)).catch(() => null);
      other.server.receive(wrong);
      assert.match(String(other.failure?.message), /broke the FUSE protocol/);
      void waiting;
      await other[Symbol.asyncDispose]();
    }
    assert.equal(EPERM, 1);
  });

  it('has its requests counted back', async () => {
    const before = client.consumed;
    for (let i = 0; i < 50; i++) await client.getattr(ROOT);
    await new Promise(setImmediate);
    assert.equal(client.consumed - before, 50 * 56);
  });
});

describe('a provider that is slow', () => {
  it('does not hold up whoever does not wait for it, and can be given up', async () => {
    const held = Promise.withResolvers<null>();
    const root = {
      stat: async () => ({ type: 'directory', mode: 0o755 }) as const,
      lookup: () => held.promise,
      list: async () => [],
    };
    const provider = { root: async () => ({ node: root, stat: await root.stat() }) };
    const slow = await FuseClient.of(provider);
    const lookup = slow.lookup(ROOT, 'x');
    const refusal = refused(4, lookup);
    assert.deepEqual(await slow.list(ROOT), []);
    // The client's numbers begin with 4, which INIT has.
    slow.server.receive(request(opcodes.interrupt, 1001, 0, u64(6)));
    await refusal;
    held.resolve(null);
    await slow[Symbol.asyncDispose]();
  });
});
