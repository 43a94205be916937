import assert from 'node:assert/strict';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LiteBox } from '../../src/index.ts';
import { BoxliteRuntime } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';
import { eventually, inTime } from './polling.ts';
import { descendants, isAlive, readProcess } from './processes.ts';
import { Visitor } from './visitors.ts';

const KEPT = { rootfs: 'builtin:base', autoRemove: false, diskSizeGb: 1 };
const DETACHED = { rootfs: 'builtin:base', detach: true, diskSizeGb: 1 };
const WRITE = 'head -c 1000000 /dev/urandom > /data; sha256sum /data > /sum; sync';
const CHECK = 'sha256sum -c /sum';

/** The process and all that it has started. */
function treeOf(pid: number | null) {
  const root = pid === null ? null : readProcess(pid);
  assert.ok(root !== null, 'the process has gone');
  return [root, ...descendants(root.pid)];
}

function parentOf(pid: number | null): number {
  return readProcess(pid ?? 0)?.parent ?? 0;
}

function ownersIn(homeDir: string): string[] {
  const folder = join(homeDir, 'owners');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Resolves when none of them runs any more. */
async function untilGone(what: string, processes: ReturnType<typeof treeOf>): Promise<void> {
  await eventually(`the end of ${what}`, () => (processes.some(isAlive) ? null : true));
}

forEachEngine((engine) => {
  describe('a box of another runtime', () => {
    let owner: TestRuntime;
    let guest: BoxliteRuntime;
    let visitor: Visitor;
    let own: LiteBox;
    let attached: LiteBox;

    before(async () => {
      owner = new TestRuntime(engine);
      own = await owner.makeBox(KEPT, 'shared');
      await own.start();
      guest = new BoxliteRuntime({ homeDir: owner.homeDir, engine });
      const found = await guest.get('shared');
      assert.ok(found !== null);
      attached = found;
      visitor = await Visitor.start(owner.homeDir, engine);
    });

    after(async () => {
      await guest.shutdown();
      await owner[Symbol.asyncDispose]();
    });

    it('is the same to all of them', async () => {
      const info = own.info();
      assert.deepEqual(attached.info(), info);
      assert.deepEqual(await guest.getInfo(own.id.asStr().slice(0, 6)), info);
      const seen = await visitor.does(async ({ runtime }) => {
        const all = await runtime.listInfo();
        return all.map(({ id, pid, status, engine }) => [id.asStr(), pid, status, engine]);
      });
      assert.deepEqual(seen, [[info.id.asStr(), info.pid, 'running', engine]]);
    });

    it('runs commands with their input, output, errors and exit codes', async () => {
      const execution = await attached.run(['sh', '-c', 'cat; echo err >&2; exit 7']);
      const stdin = execution.stdin();
      await stdin?.write('in\n');
      await stdin?.close();
      const { stdout, stderr, exitCode } = await inTime('the command', execution.output());
      assert.deepEqual([stdout, stderr, exitCode], ['in\n', 'err\n', 7]);
      const there = await visitor.shell('shared', 'echo out; echo err >&2; exit 3');
      assert.deepEqual([there.stdout, there.stderr, there.exitCode], ['out\n', 'err\n', 3]);
    });

    it('passes signals on, and tells which one ended a command', async () => {
      const execution = await attached.run([
        'sh',
        '-c',
        'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.05; done',
      ]);
      const lines = execution.stdout()?.[Symbol.asyncIterator]();
      assert.equal((await lines?.next())?.value, 'ready');
      await execution.signal('SIGUSR1');
      assert.equal((await lines?.next())?.value, 'caught');
      assert.equal((await inTime('the command', execution.wait())).exitCode, 5);
      const killed = await attached.run(['sleep', '100000']);
      await killed.kill();
      const result = await inTime('the command', killed.wait());
      assert.deepEqual([result.exitCode, result.signal], [-9, 'SIGKILL']);
    });

    it('offers terminals, which can be resized', async () => {
      const { BoxCommand } = await import('../../src/index.ts');
      const script = 'read line; stty size; test -t 0 && echo terminal';
      const command = new BoxCommand('sh').args(['-c', script]).tty(true);
      const execution = await attached.run(command);
      await execution.resizeTty(31, 77);
      await execution.stdin()?.write('go\n');
      const { stdout } = await inTime('the command', execution.output());
      assert.match(stdout, /31 77\r\nterminal\r\n$/);
    });

    it('says what cannot be found', async () => {
      await assert.rejects(attached.run(['no-such-program']), {
        kind: 'Run',
        message: /not found/,
      });
      const there = visitor.does(async (here) => {
        await (await here.box('shared')).run(['no-such-program']);
      });
      await assert.rejects(there, { kind: 'Run', message: /not found/ });
    });

    it('takes and gives 64 MiB as they are, and neither program holds them', async () => {
      let most = 0;
      const start = process.memoryUsage().rss;
      const watch = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss - start);
      }, 20);
      const seen = await visitor.does(async (here) => {
        const { createHash, randomBytes } = process.getBuiltinModule('node:crypto');
        const execution = await (await here.box('shared')).run(['cat']);
        const [sent, got] = [createHash('sha256'), createHash('sha256')];
        const start = process.memoryUsage().rss;
        let most = 0;
        let bytes = 0;
        const writing = (async () => {
          const stdin = execution.stdin();
          for (let i = 0; i < 1024; i++) {
            const piece = randomBytes(65_536);
            sent.update(piece);
            await stdin?.write(piece);
          }
          await stdin?.close();
        })();
        for await (const piece of execution.stdout()?.bytes() ?? []) {
          got.update(piece);
          bytes += piece.length;
          most = Math.max(most, process.memoryUsage().rss - start);
        }
        await writing;
        return { bytes, same: sent.digest('hex') === got.digest('hex'), most };
      });
      clearInterval(watch);
      assert.equal(seen.bytes, 64 * 1024 * 1024);
      assert.ok(seen.same, 'other bytes came back');
      // Buffers that are not collected yet are a good part of it.
      assert.ok(seen.most < 64 * 1024 * 1024, `the client grew by ${seen.most} bytes`);
      assert.ok(most < 64 * 1024 * 1024, `the owner grew by ${most} bytes`);
    });

    it('ends the commands of a program that was killed', async () => {
      const client = await Visitor.start(owner.homeDir, engine);
      await client.does(async (here) => {
        const box = await here.box('shared');
        const execution = await box.run(['sh', '-c', 'echo $$ > /run/victim; exec sleep 54321']);
        for (;;) {
          const { exitCode } = await here.shell('shared', 'test -s /run/victim');
          if (exitCode === 0) return execution.id;
        }
      });
      await client.kill();
      const script = 'while kill -0 $(cat /run/victim) 2> /dev/null; do sleep 0.05; done';
      assert.equal((await shell(own, script)).exitCode, 0);
    });

    it('has a name that nobody else can give', async () => {
      const twice = visitor.does(async ({ runtime }, options) => {
        await runtime.create(options, 'shared');
      }, KEPT);
      await assert.rejects(twice, { kind: 'AlreadyExists' });
      await assert.rejects(guest.create(KEPT, 'shared'), { kind: 'AlreadyExists' });
    });

    it('is one, however many make it at the same time', async () => {
      const make = async ({ runtime }: { runtime: BoxliteRuntime }, options: typeof KEPT) => {
        const { box, created } = await runtime.getOrCreate(options, 'one');
        return { id: box.id.asStr(), created };
      };
      const made = await Promise.all([
        make({ runtime: guest }, KEPT),
        make({ runtime: owner.runtime }, KEPT),
        visitor.does(make, KEPT),
        visitor.does(make, KEPT),
      ]);
      assert.equal(new Set(made.map(({ id }) => id)).size, 1);
      assert.equal(made.filter(({ created }) => created).length, 1);
      await guest.remove('one');
    });

    it('keeps no program from ending that has used it from several places at once', async () => {
      const client = await Visitor.start(owner.homeDir, engine);
      const codes = await client.does(async (here) => {
        const box = await here.box('shared');
        const runs = await Promise.all([1, 2, 3].map((i) => box.run(['sh', '-c', `exit ${i}`])));
        return await Promise.all(runs.map(async (run) => (await run.wait()).exitCode));
      });
      assert.deepEqual(codes, [1, 2, 3]);
      await client.end();
    });

    it('is stopped from there, started there, and then used from here', async () => {
      await shell(own, WRITE);
      const processes = treeOf(own.info().pid);
      await visitor.does(async (here) => (await here.box('shared')).stop());
      await untilGone('the VMM', processes);
      assert.deepEqual([own.info().status, attached.info().pid], ['stopped', null]);
      await visitor.does(async (here) => (await here.box('shared')).start());
      assert.equal(parentOf(own.info().pid), visitor.pid);
      for (const box of [own, attached]) assert.equal((await shell(box, CHECK)).exitCode, 0);
    });

    it('ends with its owner, keeps its files, and is started by whoever comes next', async () => {
      const processes = treeOf(own.info().pid);
      const execution = await attached.run(['sleep', '100000']);
      const told = assert.rejects(inTime('the command', execution.wait()), { kind: 'Portal' });
      await visitor.kill();
      await told;
      await untilGone('the VMM', processes);
      await using next = await Visitor.start(owner.homeDir, engine);
      const seen = await next.does(async ({ runtime }) => {
        const info = await runtime.getInfo('shared');
        return { status: info?.status, pid: info?.pid, reason: info?.exitReason };
      });
      assert.deepEqual([seen.status, seen.pid], ['stopped', null]);
      assert.match(String(seen.reason), /ended without stopping it/);
      assert.equal((await shell(attached, CHECK)).exitCode, 0);
      await attached.stop();
    });
  });

  describe('a box of a program that has been stopped', () => {
    it('is not removed as long as that program is there, which it says', async () => {
      await using owner = new TestRuntime(engine);
      const holder = await Visitor.start(owner.homeDir, engine);
      const pid = await holder.does(async ({ runtime }, options) => {
        const box = await runtime.create(options, 'box');
        await box.start();
        return box.info().pid;
      }, KEPT);
      const processes = treeOf(pid);
      process.kill(holder.pid, 'SIGSTOP');
      const box = await owner.runtime.get('box');
      assert.ok(box !== null);
      const message = new RegExp(`process ${holder.pid}\\) does not answer`);
      await assert.rejects(inTime('run()', box.run(['true'])), { kind: 'InvalidState', message });
      const control = new AbortController();
      const waiting = box.run(['true'], { signal: control.signal });
      const reason = new Error('enough');
      control.abort(reason);
      await assert.rejects(inTime('run()', waiting), reason);
      await assert.rejects(inTime('remove()', owner.runtime.remove('box', true)), {
        kind: 'InvalidState',
        message: /end that program/,
      });
      await untilGone('the VMM', processes);
      await holder.kill();
      await owner.runtime.remove('box', true);
      assert.equal(await owner.runtime.exists('box'), false);
    });
  });

  describe('programs that do the same at the same time', () => {
    it('start one VMM, and settle on what becomes of the box', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(KEPT, 'box');
      const start = () => Visitor.start(owner.homeDir, engine);
      const visitors = await Promise.all([start(), start(), start()]);
      const pids = await Promise.all(
        visitors.map((visitor) =>
          visitor.does(async (here) => {
            const box = await here.box('box');
            await box.start();
            return box.info().pid;
          }),
        ),
      );
      assert.equal(new Set(pids).size, 1);
      const children = visitors.flatMap(({ pid }) =>
        descendants(pid).filter(({ parent }) => parent === pid),
      );
      assert.deepEqual(
        children.map(({ pid }) => pid),
        [box.info().pid],
      );

      const outcomes = await Promise.allSettled([
        visitors[0]?.does(async (here) => (await here.box('box')).stop()),
        visitors[1]?.does(async (here) => (await here.shell('box', 'echo fine')).stdout),
        visitors[2]?.does(({ runtime }) => runtime.remove('box', true)),
        visitors[1]?.does(async (here) => (await here.box('box')).stop()),
        visitors[0]?.does(({ runtime }) => runtime.remove('box', true)),
      ]);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        // Nothing but that the box was gone, or going.
        assert.match(
          String(outcome.reason.kind),
          /^(NotFound|InvalidState|Portal)$/,
          outcome.reason,
        );
      }
      await owner.runtime.remove('box', true).catch(() => undefined);
      assert.equal(await owner.runtime.exists('box'), false);
      for (const visitor of visitors) await visitor.end();
      assert.deepEqual(ownersIn(owner.homeDir), []);
    });
  });

  describe('a detached box', () => {
    it('outlives whoever made it, and ends with all it had when it is stopped', async () => {
      await using owner = new TestRuntime(engine);
      const makers = [
        await Visitor.start(owner.homeDir, engine),
        await Visitor.start(owner.homeDir, engine),
      ] as const;
      const make = async (here: import('./visitors.ts').Visit, order: { name: string }) => {
        const { name, ...options } = order;
        const box = await here.runtime.create(options, name);
        await box.start();
        return box.info().pid;
      };
      const pids = await Promise.all([
        makers[0].does(make, { name: 'ended', ...DETACHED }),
        makers[1].does(make, { name: 'killed', ...DETACHED }),
      ]);
      await makers[0].end();
      await makers[1].kill();
      for (const [i, name] of ['ended', 'killed'].entries()) {
        const box = await owner.runtime.get(name);
        assert.ok(box !== null);
        assert.deepEqual([box.info().status, box.info().pid], ['running', pids[i]]);
        assert.equal((await shell(box, 'echo fine')).stdout, 'fine\n');
        const shim = treeOf(parentOf(box.info().pid));
        assert.ok(shim.length >= 3, 'a shim has a VMM');
        await box.stop();
        await untilGone('the shim', shim);
        assert.equal(box.info().status, 'stopped');
        await owner.runtime.remove(name);
      }
      assert.deepEqual(ownersIn(owner.homeDir), []);
    });

    it('starts again at once, while the shim that had it still ends', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(DETACHED, 'box');
      await shell(box, WRITE);
      for (let round = 0; round < 3; round++) {
        await box.stop();
        await box.start();
        assert.equal((await shell(box, CHECK)).exitCode, 0);
      }
      const shim = treeOf(parentOf(box.info().pid));
      await owner.runtime.remove('box', true);
      await untilGone('the shim', shim);
    });

    it('ends when its home is removed, and not when that is moved', async () => {
      await using owner = new TestRuntime(engine);
      const homeDir = join(owner.homeDir, 'home');
      const visitor = await Visitor.start(homeDir, engine);
      const pid = await visitor.does(async ({ runtime }, options) => {
        const box = await runtime.create(options, 'box');
        await box.start();
        return box.info().pid;
      }, DETACHED);
      await visitor.end();
      const shim = treeOf(parentOf(pid));
      const moved = `${homeDir}-moved`;
      renameSync(homeDir, moved);
      await using next = new BoxliteRuntime({ homeDir: moved, engine });
      const box = await next.get('box');
      assert.ok(box !== null);
      // It is looked for every five seconds.
      assert.equal((await shell(box, 'sleep 6; echo fine')).stdout, 'fine\n');
      rmSync(moved, { recursive: true });
      await untilGone('the shim', shim);
    });

    it('whose shim was killed is stopped, and starts again with its files', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(DETACHED, 'box');
      await shell(box, WRITE);
      const shim = parentOf(box.info().pid);
      const processes = treeOf(shim);
      process.kill(shim, 'SIGKILL');
      await untilGone('the VMM', processes);
      await using visitor = await Visitor.start(owner.homeDir, engine);
      const seen = await visitor.does(async ({ runtime }) => {
        const info = await runtime.getInfo('box');
        return { status: info?.status, pid: info?.pid, reason: info?.exitReason };
      });
      assert.deepEqual([seen.status, seen.pid], ['stopped', null]);
      assert.match(String(seen.reason), /ended without stopping it/);
      assert.equal((await visitor.shell('box', CHECK)).exitCode, 0);
      const again = treeOf(parentOf(box.info().pid));
      // Somebody else's, and running.
      await owner.runtime.remove('box', true);
      await untilGone('the shim', again);
      assert.deepEqual(readdirSync(join(owner.homeDir, 'boxes')), []);
    });
  });

  describe('the boxes of a program that was killed', () => {
    it('are gone if they were to be removed, and otherwise stopped', async () => {
      await using owner = new TestRuntime(engine);
      const killed = await Visitor.start(owner.homeDir, engine);
      const pids = await killed.does(
        async ({ runtime }, { kept, script }) => {
          const boxes = [
            await runtime.create({ rootfs: 'builtin:base' }, 'removed'),
            await runtime.create(kept, 'kept'),
          ];
          await runtime.create({ rootfs: 'builtin:base' }, 'unstarted');
          for (const box of boxes) await (await box.run(['sh', '-c', script])).output();
          return boxes.map((box) => box.info().pid);
        },
        { kept: KEPT, script: WRITE },
      );
      const processes = pids.flatMap(treeOf);
      await killed.kill();
      await untilGone('the VMMs', processes);
      const infos = await owner.runtime.listInfo();
      assert.deepEqual(
        infos.map(({ name, status }) => [name, status]),
        [['kept', 'stopped']],
      );
      assert.deepEqual(
        readdirSync(join(owner.homeDir, 'boxes')),
        infos.map(({ id }) => id.asStr()),
      );
      assert.deepEqual(ownersIn(owner.homeDir), []);
      const kept = await owner.runtime.get('kept');
      assert.ok(kept !== null);
      assert.equal((await shell(kept, CHECK)).exitCode, 0);
      await kept.stop();
      await owner.runtime.remove('kept');
    });
  });
});
