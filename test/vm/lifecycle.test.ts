import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { LiteBox, VolumeNode, VolumeProvider } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';
import { eventually, eventuallyNone, inTime } from './polling.ts';
import { descendants, isAlive, type ProcessEntry, readProcess } from './processes.ts';

/** The VMM of a box, with all that belongs to it. */
function processesOf(box: LiteBox) {
  const { pid } = box.info();
  const root = pid === null ? null : readProcess(pid);
  assert.ok(root !== null, 'the box has no VMM');
  return [root, ...descendants(root.pid)];
}

/** They have been killed by then, but the kernel may still be taking them apart. */
function untilGone(processes: readonly ProcessEntry[]): Promise<void> {
  return eventuallyNone('still there', () =>
    processes.filter(isAlive).map(({ pid, name }) => `${pid} ${name}`),
  );
}

/** Resolves once this program has started a VMM. */
function untilVmmRuns(): Promise<true> {
  const isVmm = ({ name }: { name: string }) => /^(linux|qemu-system)/.test(name);
  return eventually('a VMM', () => (descendants().some(isVmm) ? true : null));
}

/** A directory in which nothing is ever found, nor found missing. */
function silentVolume(onAsked: () => void): VolumeProvider {
  const node: VolumeNode = {
    stat: async () => ({ type: 'directory', mode: 0o755 }),
    lookup: () => {
      onAsked();
      return new Promise(() => undefined);
    },
    list: async () => [],
  };
  return { root: async () => ({ node, stat: await node.stat() }) };
}

/** Has every change of a home's records fail, as on a full disk, until it is disposed of. */
function refuseRecords(homeDir: string): Disposable {
  const tables = ['boxes', 'box_measures', 'totals'];
  const changes = tables.flatMap((table) =>
    ['INSERT', 'UPDATE', 'DELETE'].map((change) => ({
      name: `refuse_${change}_${table}`,
      change,
      table,
    })),
  );
  const execute = (statement: (on: (typeof changes)[number]) => string) => {
    using database = new DatabaseSync(join(homeDir, 'boxlite.db'));
    for (const each of changes) database.exec(statement(each));
  };
  const refusal = "SELECT RAISE(ABORT, 'the disk is full')";
  execute(
    ({ name, change, table }) =>
      `CREATE TRIGGER ${name} BEFORE ${change} ON ${table} BEGIN ${refusal}; END`,
  );
  return { [Symbol.dispose]: () => execute(({ name }) => `DROP TRIGGER ${name}`) };
}

forEachEngine((engine) => {
  describe('a box', () => {
    it('boots when it is first used, and once', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      assert.equal(box.info().status, 'configured');
      assert.equal(box.info().pid, null);
      await Promise.all([box.start(), box.start(), shell(box, 'true')]);
      const { pid } = box.info();
      await box.start();
      assert.equal(box.info().pid, pid);
      assert.equal(box.info().status, 'running');
      assert.equal(descendants().filter(({ parent }) => parent === process.pid).length, 1);
    });

    it('that is stopped is gone, with everything it had', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      await shell(box, 'echo text > /file; sync');
      const processes = processesOf(box);
      assert.ok(processes.length >= 2);
      await box.stop();
      await untilGone(processes);
      assert.deepEqual(readdirSync(join(owner.homeDir, 'boxes')), []);
      for (const use of [() => box.start(), () => box.run(['true'])]) {
        await assert.rejects(use, { kind: 'NotFound' });
      }
      assert.equal(await owner.runtime.get(box.id), null);
    });

    it('can be stopped again and again, and before it has run', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      await box.start();
      await Promise.all([box.stop(), box.stop()]);
      await box.stop();
      const unused = await owner.makeBox();
      await unused.stop();
      await unused.stop();
      await assert.rejects(unused.start(), { kind: 'NotFound' });
    });

    it('with autoRemove: false keeps its files when it is stopped', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 }, 'kept');
      // Written, and not synchronised: stopping does that.
      await shell(box, 'mkdir /data; echo text > /data/file; rm /bin/cal; ln -s file /data/link');
      await box.stop();
      assert.equal(box.info().status, 'stopped');
      assert.equal(box.info().pid, null);
      assert.ok(existsSync(join(owner.homeDir, 'boxes', box.id.asStr(), 'disk.ext4')));
      const { stdout } = await shell(
        box,
        'cat /data/link; ls /bin/cal 2>&1; dmesg | grep -i recover',
      );
      assert.match(stdout, /^text\nls: \/bin\/cal: No such file or directory\n$/);
      await box.stop();
      await owner.runtime.remove('kept');
      assert.deepEqual(readdirSync(join(owner.homeDir, 'boxes')), []);
      await assert.rejects(box.start(), { kind: 'NotFound' });
    });

    it('has a disk that grows when it is started, and never shrinks', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 }, 'growing');
      const sizeMib = async () =>
        Number((await shell(box, 'df -m / | tail -1')).stdout.split(/ +/)[1]);
      await shell(box, 'echo text > /file');
      const before = await sizeMib();
      await assert.rejects(box.start({ diskSizeGb: 3 }), { kind: 'InvalidState', message: /stop/ });
      await box.stop();
      await box.start({ diskSizeGb: 3 });
      const after = await sizeMib();
      assert.ok(before < 1024 && after > 2 * 1024 && after <= 3 * 1024, `${before}, ${after} MiB`);
      assert.equal((await shell(box, 'cat /file')).stdout, 'text\n');
      await box.start({ diskSizeGb: 3 });
      await box.stop();
      await assert.rejects(box.start({ diskSizeGb: 2 }), {
        kind: 'InvalidArgument',
        message: /^diskSizeGb: expected 3 or more/,
      });
      assert.equal(await sizeMib(), after);
      await box.stop();
      await owner.runtime.remove('growing');
    });

    it('is stopped by disposing of it, and with its runtime', async () => {
      await using owner = new TestRuntime(engine);
      let processes: ProcessEntry[] = [];
      {
        await using box = await owner.makeBox();
        await box.start();
        processes = processesOf(box);
      }
      await untilGone(processes);
      const box = await owner.makeBox();
      await box.start();
      processes = processesOf(box);
      await owner.runtime.shutdown();
      await untilGone(processes);
      await assert.rejects(owner.makeBox(), { kind: 'InvalidState' });
    });

    it('that runs is not removed but by force', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({}, 'running');
      await box.start();
      await assert.rejects(owner.runtime.remove('running'), {
        kind: 'InvalidState',
        message: /force/,
      });
      const processes = processesOf(box);
      await owner.runtime.remove('running', true);
      await untilGone(processes);
      assert.equal(await owner.runtime.exists('running'), false);
    });
  });

  describe('stopping a box', () => {
    it('kills its commands, and whoever waits for them is told', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const execution = await box.run(['sh', '-c', 'trap "" TERM HUP INT; echo out; sleep 100000']);
      const stdin = execution.stdin();
      // The rest of the output may be lost with the box; whoever reads it is not left waiting.
      const text = execution
        .stdout()
        ?.text()
        .catch(() => '');
      const waiting = execution.wait();
      await box.stop();
      const result = await inTime('wait()', waiting);
      assert.deepEqual([result.exitCode, result.signal], [-9, 'SIGKILL']);
      assert.equal(await execution.wait(), result);
      await inTime('stdout', text ?? Promise.resolve(''));
      await assert.rejects(stdin?.write('more') ?? Promise.resolve());
    });

    it('leaves the results of commands that have ended', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const execution = await box.run(['sh', '-c', 'echo out; exit 3']);
      const result = await execution.wait();
      const unread = await box.run(['sh', '-c', 'echo kept; exit 4']);
      const output = await unread.output();
      await box.stop();
      assert.equal(await execution.wait(), result);
      assert.equal((await execution.wait()).exitCode, 3);
      assert.equal(await execution.stdout()?.text(), 'out\n');
      assert.equal(output.stdout, 'kept\n');
      await execution.kill();
    });

    it('of which nothing can be written down ends it all the same', async () => {
      await using owner = new TestRuntime(engine);
      const boxes = [
        await owner.makeBox({ autoRemove: false, diskSizeGb: 1 }),
        await owner.makeBox({ autoRemove: false, diskSizeGb: 1 }),
      ] as const;
      for (const box of boxes) await box.start();
      const processes = boxes.flatMap(processesOf);
      // The end of the other may come to be known with its runtime's only, which needs records.
      using _refused = refuseRecords(owner.homeDir);
      // That it cannot be counted is no failure of a command, nor of this program.
      assert.equal((await shell(boxes[0], 'exit 3')).exitCode, 3);
      await assert.rejects(boxes[0].run(['no-such-program']), { kind: 'Run' });
      await assert.rejects(inTime('stop()', boxes[0].stop()), { kind: 'Database' });
      process.kill(boxes[1].info().pid ?? 0, 'SIGKILL');
      await untilGone(processes);
    });

    it('whose agent does not listen takes no longer than it may', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      // The agent itself is stopped, as a hostile guest's root can.
      await box.run(['sh', '-c', 'kill -STOP 1; echo c > /proc/sysrq-trigger; sleep 100000']);
      const processes = processesOf(box);
      await inTime('stop()', box.stop({ timeoutMs: 200 }));
      await untilGone(processes);
    });
  });

  describe('a boot that is aborted', () => {
    const reason = new Error('enough');

    it('rejects with the reason, leaves nothing, and the box can be started again', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const control = new AbortController();
      const starting = box.start({ signal: control.signal });
      starting.catch(() => undefined);
      await untilVmmRuns();
      control.abort(reason);
      await assert.rejects(starting, reason);
      await untilGone(descendants());
      assert.notEqual(box.info().status, 'running');
      assert.equal((await shell(box, 'echo fine')).stdout, 'fine\n');
    });

    it('before it has begun does not begin', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const signal = AbortSignal.abort(reason);
      await assert.rejects(box.start({ signal }), reason);
      await assert.rejects(box.run(['true'], { signal }), reason);
      assert.equal(box.info().status, 'configured');
    });

    it('by one of two who wait for it still boots for the other', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const control = new AbortController();
      const first = box.start({ signal: control.signal });
      first.catch(() => undefined);
      const second = shell(box, 'echo fine');
      second.catch(() => undefined);
      await untilVmmRuns();
      control.abort(reason);
      await assert.rejects(first, reason);
      assert.equal((await second).stdout, 'fine\n');
    });

    it('while its programs are being prepared ends, too', async () => {
      await using owner = new TestRuntime(engine);
      const asked = Promise.withResolvers<void>();
      const box = await owner.makeBox({
        secrets: [{ name: 'key', hosts: ['example.com'], value: 'value' }],
        // Where certificates are, there is a file system that does not answer.
        volumes: [{ guestPath: '/etc/ssl', provider: silentVolume(asked.resolve) }],
      });
      const control = new AbortController();
      const starting = box.start({ signal: control.signal });
      starting.catch(() => undefined);
      await inTime('the box', asked.promise);
      const processes = processesOf(box);
      control.abort(reason);
      await assert.rejects(inTime('start()', starting), reason);
      await untilGone(processes);
      // It had begun to run, and a box that has run is gone when it stops.
      await assert.rejects(inTime('start()', box.start()), { kind: 'NotFound' });
    });

    it('by shutting the runtime down is not made up for later', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
      const starting = box.start();
      const over = owner.runtime.shutdown();
      await assert.rejects(inTime('start()', starting), { kind: 'InvalidState' });
      await inTime('shutdown()', over);
      await untilGone(descendants());
      assert.equal(box.info().status, 'configured');
    });

    it('by stopping the box ends at once', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const starting = box.start();
      starting.catch(() => undefined);
      await untilVmmRuns();
      await box.stop();
      await untilGone(descendants());
      await starting.catch(() => undefined);
      await assert.rejects(box.start(), { kind: 'NotFound' });
    });
  });
});
