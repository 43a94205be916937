import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BoxliteRuntime, type BoxOptions, type LiteBox, type LogEntry } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';
import { eventually, inTime } from './polling.ts';

/** A box that is kept, so that one can see how it ended. */
function makeBox(owner: TestRuntime, script: string, options: BoxOptions = {}) {
  return owner.makeBox({ autoRemove: false, cmd: ['sh', '-c', script], ...options });
}

async function untilStopped(box: LiteBox): Promise<string | null> {
  await eventually('the box to stop', () => (box.info().status === 'stopped' ? true : null));
  return box.info().exitReason;
}

async function all(log: AsyncIterable<LogEntry>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { source, line } of log) lines.push(`${source}: ${line}`);
  return lines;
}

forEachEngine((engine) => {
  describe('the main command', () => {
    it('runs when the box starts, and the box stops with its exit code', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, 'echo out; echo error >&2; exit 3');
      await box.start();
      assert.equal(await untilStopped(box), 'exit code 3');
      const lines = await all(box.logs());
      assert.deepEqual(lines.toSorted(), ['stderr: error', 'stdout: out']);
      // Its output comes behind that of the run before.
      await box.start();
      assert.equal(await untilStopped(box), 'exit code 3');
      assert.equal((await all(box.logs())).length, 4);
      await owner.runtime.remove(box.id);
      await assert.rejects(all(box.logs()), { kind: 'NotFound' });
      assert.deepEqual(readdirSync(join(owner.homeDir, 'boxes')), []);
    });

    it('that is ended by a signal says so, with the entrypoint before the command', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, '', {
        entrypoint: ['sh', '-c'],
        cmd: ['kill -KILL $$'],
        env: { NAME: 'value' },
      });
      await box.start();
      assert.equal(await untilStopped(box), 'signal SIGKILL');
    });

    it('is asked to end when the box is stopped, and commands run beside it till then', async () => {
      await using owner = new TestRuntime(engine);
      const script = 'trap "echo bye; exit 0" TERM; echo hello $NAME; while :; do sleep 0.05; done';
      const box = await makeBox(owner, script, { env: { NAME: 'world' } });
      await box.start();
      const followed = all(box.logs({ follow: true }));
      assert.equal((await shell(box, 'echo beside')).stdout, 'beside\n');
      // It has set its trap by then.
      while ((await all(box.logs())).length === 0) await shell(box, 'sleep 0.05');
      await inTime('stop()', box.stop());
      assert.deepEqual(await inTime('logs()', followed), ['stdout: hello world', 'stdout: bye']);
      assert.equal(box.info().exitReason, 'stopped');
    });

    it('has an init above it, which leaves it its signals and its orphans', async () => {
      await using owner = new TestRuntime(engine);
      const script = [
        'echo "$(id -un) $PWD $(tr "\\0" " " < /proc/1/comm) $PPID"',
        '[ -t 1 ] || echo no terminal',
        '(sh -c "sleep 0.1" &)',
        'sleep 0.3; ps -o stat,comm | grep -c "^Z"',
        'exec sleep 1000',
      ].join('; ');
      const box = await makeBox(owner, script, { user: 'nobody', workingDir: '/tmp' });
      await box.start();
      const followed = all(box.logs({ follow: true }));
      while ((await all(box.logs())).length < 3) await shell(box, 'sleep 0.05');
      // A first process would not hear the SIGTERM that it has no handler for; this one need not be killed.
      await inTime('stop()', box.stop({ timeoutMs: 60_000 }));
      assert.deepEqual(await followed, [
        'stdout: nobody /tmp init 0',
        'stdout: no terminal',
        'stdout: 0',
      ]);
    });

    it('that does not listen is killed when its time is up', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, 'trap "" TERM; while :; do sleep 1; done');
      await box.start();
      await inTime('stop()', box.stop({ timeoutMs: 200 }));
      assert.equal(box.info().status, 'stopped');
    });

    it('can be followed from another runtime, until that does not want to any more', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, 'i=0; while :; do echo $((i++)); sleep 0.05; done');
      await box.start();
      await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
      const same = await other.get(box.id);
      assert.ok(same !== null);
      const control = new AbortController();
      const reason = new Error('enough');
      const lines: string[] = [];
      const reading = (async () => {
        for await (const { line } of same.logs({ follow: true, signal: control.signal })) {
          lines.push(line);
          if (line === '3') control.abort(reason);
        }
      })();
      await assert.rejects(inTime('logs()', reading), reason);
      assert.deepEqual(lines, ['0', '1', '2', '3']);
    });

    it('that cannot be run fails the start, and leaves the box stopped', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, '', { cmd: ['no-such-program'] });
      await assert.rejects(box.start(), { kind: 'Run', message: /not found/ });
      assert.equal(box.info().status, 'stopped');
    });

    it('leaves nothing of a box that is removed when it stops', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, 'echo out', { autoRemove: true });
      await box.start();
      await eventually('the box to go', () =>
        readdirSync(join(owner.homeDir, 'boxes')).length === 0 ? true : null,
      );
    });

    it('runs in a detached box, which ends with it', async () => {
      await using owner = new TestRuntime(engine);
      const box = await makeBox(owner, 'echo detached', { detach: true });
      await box.start();
      assert.equal(await untilStopped(box), 'exit code 0');
      assert.deepEqual(await all(box.logs()), ['stdout: detached']);
    });
  });

  describe('a box whose main command has ended', () => {
    it('runs it again when it is started, and not because somebody wants something else', async () => {
      await using owner = new TestRuntime(engine);
      const script = 'if [ -e /once ]; then exit 8; fi; touch /once; exit 7';
      const box = await makeBox(owner, script);
      assert.equal(box.info().status, 'configured');
      await box.start();
      assert.equal(await untilStopped(box), 'exit code 7');
      const refused = { kind: 'InvalidState', message: /exit code 7.*start it/ } as const;
      await assert.rejects(box.run(['true']), refused);
      await assert.rejects(box.fs.readFile('/once'), refused);
      await assert.rejects(box.copyIn(owner.homeDir, '/tmp'), refused);
      await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
      await assert.rejects((await other.get(box.id))?.run(['true']) ?? box.start(), refused);
      assert.deepEqual([box.info().status, box.info().exitReason], ['stopped', 'exit code 7']);
      await box.start();
      assert.equal(await untilStopped(box), 'exit code 8');
    });
  });

  describe('metrics()', () => {
    it('measures a box that runs, whoever runs it, and remembers what it was', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ autoRemove: false });
      assert.equal((await box.metrics()).memoryBytes, null);
      assert.equal((await shell(box, 'echo four')).stdout, 'four\n');
      await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
      const same = await other.get(box.id);
      for (const handle of [box, same]) {
        const measured = await handle?.metrics();
        assert.ok((measured?.memoryBytes ?? 0) > 1024 * 1024);
        assert.ok((measured?.cpuPercent ?? -1) >= 0);
        assert.equal(measured?.commandsRunTotal, 1);
        assert.equal(measured?.bytesReceivedTotal, 5);
        assert.ok((measured?.guestBootDurationMs ?? 0) > 0);
        assert.equal(measured?.networkBytesSent, 0);
      }
      await box.stop();
      const after = await box.metrics();
      assert.deepEqual([after.cpuPercent, after.memoryBytes], [null, null]);
      assert.equal(after.commandsRunTotal, 1);
      await owner.runtime.remove(box.id);
      await assert.rejects(box.metrics(), { kind: 'NotFound' });
    });
  });
});
