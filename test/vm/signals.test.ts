import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { BoxCommand, type Execution, type LiteBox, Seconds } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { inTime } from './polling.ts';

/** Long after any test: what sleeps so long has to be ended by somebody. */
const FOREVER = '100000';

async function firstLine(execution: Execution): Promise<string> {
  for await (const line of execution.stdout() ?? []) return line;
  return '';
}

/** A script that runs until somebody ends it; resolves once it has said that it is ready. */
async function startScript(box: LiteBox, script: string, signal?: AbortSignal) {
  const options = signal === undefined ? {} : { signal };
  const execution = await box.run(['sh', '-c', script], options);
  assert.equal(await firstLine(execution), 'ready');
  return execution;
}

/** Finds what sleeps, and not the one who looks. */
const SLEEPERS = 'ps -o args | grep -q "^[s]leep 100"';

/** Waits, in the box, until nothing sleeps any more. */
async function nothingSleeps(box: LiteBox): Promise<void> {
  await inTime('what was ended', shell(box, `while ${SLEEPERS}; do sleep 0.05; done`));
}

forEachEngine((engine) => {
  describe('a signal', () => {
    const box = sharedBox(engine);

    it('reaches the command by name or by number', async () => {
      for (const signal of ['SIGUSR1', 'SIGINT', 'SIGHUP', 10, 64] as const) {
        const number = { SIGUSR1: 10, SIGINT: 2, SIGHUP: 1 }[String(signal)] ?? Number(signal);
        const script = `trap 'exit ${number}' ${number}; echo ready; while :; do sleep 0.01; done`;
        const execution = await startScript(box(), script);
        await execution.signal(signal);
        assert.equal((await execution.wait()).exitCode, number);
      }
    });

    it('that the command does not handle ends it, with a negative exit code', async () => {
      for (const [signal, number] of [
        ['SIGTERM', 15],
        ['SIGINT', 2],
        ['SIGUSR2', 12],
      ] as const) {
        const execution = await box().run(['sleep', FOREVER]);
        await execution.signal(signal);
        const result = await execution.wait();
        assert.deepEqual([result.exitCode, result.signal], [-number, signal]);
      }
    });

    it('stops a command and lets it go on', async () => {
      const execution = await box().run(['cat']);
      const stdin = execution.stdin();
      const lines = execution.stdout()?.[Symbol.asyncIterator]();
      await execution.signal('SIGSTOP');
      await stdin?.write('line\n');
      await shell(box(), 'true');
      await execution.signal('SIGCONT');
      assert.equal((await lines?.next())?.value, 'line');
      await stdin?.close();
      assert.equal((await execution.wait()).exitCode, 0);
    });

    it('that there is none of is InvalidArgument', async () => {
      await using execution = await box().run(['sleep', FOREVER]);
      for (const signal of [0, -1, 65, 1.5, 'SIGNAL', 'TERM', '']) {
        await assert.rejects(execution.signal(signal as never), { kind: 'InvalidArgument' });
      }
    });

    it('to a command that has ended is InvalidState', async () => {
      const execution = await box().run(['true']);
      await execution.wait();
      await assert.rejects(execution.signal('SIGTERM'), { kind: 'InvalidState' });
    });

    it('goes to the command alone, not to what it started', async () => {
      const script = `trap 'exit 7' TERM; sleep ${FOREVER} & echo ready; wait`;
      const execution = await startScript(box(), script);
      await execution.signal('SIGTERM');
      assert.equal((await execution.wait()).exitCode, 7);
      const { stdout } = await shell(box(), `${SLEEPERS} && echo left; killall sleep`);
      assert.equal(stdout, 'left\n');
      await nothingSleeps(box());
    });
  });

  describe('kill()', () => {
    const box = sharedBox(engine);

    it('ends the command and all it started, in other sessions too', async () => {
      const script =
        `trap '' TERM INT HUP; sleep ${FOREVER} & (sleep ${FOREVER} & sleep ${FOREVER}) & ` +
        `setsid sleep ${FOREVER} & setsid sh -c 'sleep ${FOREVER} & sleep ${FOREVER}' & ` +
        'sleep 0.2; echo ready; wait';
      const execution = await startScript(box(), script);
      await execution.kill();
      const result = await execution.wait();
      assert.deepEqual([result.exitCode, result.signal, result.timedOut], [-9, 'SIGKILL', false]);
      await nothingSleeps(box());
    });

    it('does nothing to a command that has ended', async () => {
      const execution = await box().run(['true']);
      await execution.wait();
      await execution.kill();
      assert.equal((await execution.wait()).exitCode, 0);
    });

    it('leaves other commands alone', async () => {
      const other = await box().run(['cat']);
      const stdin = other.stdin();
      const execution = await box().run(['sleep', FOREVER]);
      await execution.kill();
      await execution.wait();
      await stdin?.write('still here');
      await stdin?.close();
      assert.equal((await other.output()).stdout, 'still here');
    });

    it('is what disposing of an execution does', async () => {
      {
        await using execution = await box().run(['sleep', FOREVER]);
        assert.ok(execution.id.length > 0);
      }
      await nothingSleeps(box());
    });
  });

  describe('a timeout', () => {
    const box = sharedBox(engine);

    it('ends the command with SIGTERM', async () => {
      const command = new BoxCommand('sleep').arg(FOREVER).timeout(100);
      const result = await (await box().run(command)).wait();
      assert.deepEqual([result.timedOut, result.exitCode, result.signal], [true, -15, 'SIGTERM']);
      assert.equal(result.success(), false);
      assert.ok(result.durationMs >= 100);
    });

    it('lets the command end in its own way', async () => {
      const script = `trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.01; done`;
      const command = new BoxCommand('sh').args(['-c', script]).timeout(Seconds.fromSeconds(2));
      const result = await (await box().run(command)).output();
      assert.deepEqual([result.timedOut, result.exitCode], [true, 9]);
      assert.equal(result.stdout, 'ready\nbye\n');
    });

    it('ends what does not listen with SIGKILL', async () => {
      const script = `trap '' TERM; while :; do sleep 0.01; done`;
      // It must have come to its trap by then, also on a busy machine.
      const command = new BoxCommand('sh').args(['-c', script]).timeout(2_000);
      const result = await (await box().run(command)).wait();
      assert.deepEqual([result.timedOut, result.exitCode], [true, -9]);
    });

    it('ends the whole tree, also what does not listen and holds no stream', async () => {
      const deaf = `trap "" TERM; exec sleep ${FOREVER} </dev/null >/dev/null 2>&1`;
      const script = `(${deaf}) & setsid sh -c '${deaf}' & sleep ${FOREVER} & sleep ${FOREVER}`;
      const command = new BoxCommand('sh').args(['-c', script]).timeout(2_000);
      const result = await (await box().run(command)).wait();
      assert.deepEqual([result.timedOut, result.exitCode], [true, -15]);
      await nothingSleeps(box());
    });

    it('that is not reached changes nothing', async () => {
      const command = new BoxCommand('sh').args(['-c', 'exit 3']).timeout(60_000);
      const result = await (await box().run(command)).wait();
      assert.deepEqual([result.timedOut, result.exitCode], [false, 3]);
    });
  });

  describe('an AbortSignal', () => {
    const box = sharedBox(engine);
    const reason = new Error('enough');

    it('that is aborted already runs nothing', async () => {
      const signal = AbortSignal.abort(reason);
      await assert.rejects(box().run(['touch', '/tmp/never'], { signal }), reason);
      assert.equal((await shell(box(), 'ls /tmp')).stdout, '');
    });

    it('kills the command and all it started, and wait() gives its reason', async () => {
      const control = new AbortController();
      const script = `sleep ${FOREVER} & setsid sleep ${FOREVER} & echo ready; wait`;
      const execution = await startScript(box(), script, control.signal);
      control.abort(reason);
      await assert.rejects(execution.wait(), reason);
      await assert.rejects(execution.wait(), reason);
      await nothingSleeps(box());
    });

    it('while the command is being started ends it, and the box stays usable', async () => {
      const control = new AbortController();
      const starting = box().run(['sleep', FOREVER], { signal: control.signal });
      setImmediate(() => control.abort(reason));
      // It may have started by then.
      await assert.rejects(async () => (await starting).wait(), reason);
      await nothingSleeps(box());
      assert.equal((await shell(box(), 'echo fine')).stdout, 'fine\n');
    });

    it('after the end changes nothing', async () => {
      const control = new AbortController();
      const execution = await box().run(['echo', 'text'], { signal: control.signal });
      await execution.wait();
      control.abort(reason);
      assert.equal((await execution.output()).stdout, 'text\n');
    });

    it('leaves no listener behind', async () => {
      const control = new AbortController();
      for (let i = 0; i < 3; i++) {
        await (await box().run(['true'], { signal: control.signal })).wait();
      }
      await assert.rejects(box().run(['no-such-program'], { signal: control.signal }));
      assert.equal(getEventListeners(control.signal, 'abort').length, 0);
    });
  });
});
