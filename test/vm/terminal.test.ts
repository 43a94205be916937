import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoxCommand, type ExecStdout } from '../../src/index.ts';
import { forEachEngine, sharedBox } from './fixture.ts';

function script(text: string): BoxCommand {
  return new BoxCommand('sh').args(['-c', text]).tty(true);
}

/** Reads on until the text has come; returns all that did. */
async function readUntil(output: AsyncIterator<Uint8Array>, wanted: string): Promise<string> {
  let text = '';
  while (!text.includes(wanted)) {
    const { done, value } = await output.next();
    if (done === true) assert.fail(`"${wanted}" did not come, but ${JSON.stringify(text)}`);
    text += Buffer.from(value).toString();
  }
  return text;
}

function iterate(output: ExecStdout | null): AsyncIterator<Uint8Array> {
  assert.ok(output !== null);
  return output.bytes()[Symbol.asyncIterator]();
}

forEachEngine((engine) => {
  describe('a command with a terminal', () => {
    const box = sharedBox(engine);

    it('has one on all three descriptors, and in its environment', async () => {
      const text = 'for i in 0 1 2; do test -t $i && echo yes; done; echo $TERM; stty size; tty';
      const { stdout, stderr } = await (await box().run(script(text))).output();
      assert.equal(stdout, 'yes\r\nyes\r\nyes\r\nxterm\r\n24 80\r\n/dev/pts/0\r\n');
      assert.equal(stderr, '');
    });

    it('has the size it is told from the start', async () => {
      const command = new BoxCommand('stty').arg('size').tty(true, { rows: 50, cols: 132 });
      const { stdout } = await (await box().run(command)).output();
      assert.equal(stdout, '50 132\r\n');
    });

    it('has no stderr of its own: it comes with stdout', async () => {
      const execution = await box().run(script('echo out; echo err >&2'));
      assert.equal(execution.stderr(), null);
      assert.equal(await execution.stdout()?.text(), 'out\r\nerr\r\n');
      assert.equal((await execution.wait()).exitCode, 0);
    });

    it('gets what is typed, and sees it echoed', async () => {
      const execution = await box().run(script('read line; echo "got $line"'));
      const stdin = execution.stdin();
      await stdin?.write('héllo\n');
      assert.equal(await execution.stdout()?.text(), 'héllo\r\ngot héllo\r\n');
    });

    it('is told when the terminal changes its size', async () => {
      const text = `trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done`;
      const execution = await box().run(script(text));
      const output = iterate(execution.stdout());
      await readUntil(output, 'ready');
      await execution.resizeTty(50, 132);
      await readUntil(output, '50 132\r\n');
      assert.equal((await execution.wait()).exitCode, 0);
    });

    it('is interrupted by Ctrl-C, like what it started', async () => {
      const execution = await box().run(script('echo ready; sleep 100000; echo never'));
      const stdin = execution.stdin();
      const output = iterate(execution.stdout());
      await readUntil(output, 'ready');
      await stdin?.write('\x03');
      const { exitCode } = await execution.wait();
      assert.ok(exitCode === -2 || exitCode === 130, String(exitCode));
    });

    it('reads to the end when its input is closed', async () => {
      const execution = await box().run(script('cat; echo over'));
      const stdin = execution.stdin();
      await stdin?.write('line\n');
      await stdin?.close();
      assert.match((await execution.stdout()?.text()) ?? '', /line\r\n.*over\r\n$/s);
    });

    it('has its terminal alone: two do not share one', async () => {
      const executions = await Promise.all([1, 2].map(() => box().run(script('tty; read x'))));
      const inputs = executions.map((execution) => execution.stdin());
      const names = await Promise.all(
        executions.map((execution) => readUntil(iterate(execution.stdout()), '\n')),
      );
      assert.notEqual(names[0], names[1]);
      for (const input of inputs) await input?.write('\n');
      for (const execution of executions) assert.equal((await execution.wait()).exitCode, 0);
    });

    it('that is killed ends with its terminal', async () => {
      const execution = await box().run(script('sleep 100000 & sleep 100000'));
      await execution.kill();
      assert.equal((await execution.wait()).exitCode, -9);
      assert.equal(await execution.stdout()?.text(), '');
    });

    it('of a size that cannot be is InvalidArgument', async () => {
      await using execution = await box().run(script('sleep 100000'));
      for (const [rows, cols] of [
        [0, 80],
        [24, 0],
        [65_536, 80],
        [1.5, 80],
        [-1, 80],
      ] as const) {
        await assert.rejects(execution.resizeTty(rows, cols), { kind: 'InvalidArgument' });
      }
    });
  });

  describe('a command without a terminal', () => {
    const box = sharedBox(engine);

    it('has none, and cannot be resized', async () => {
      const command = new BoxCommand('sh').args(['-c', 'test -t 0 || test -t 1 || tty; exit 4']);
      const execution = await box().run(command);
      await assert.rejects(execution.resizeTty(24, 80), { kind: 'InvalidState' });
      const { exitCode, stdout } = await execution.output();
      assert.deepEqual([exitCode, stdout], [4, 'not a tty\n']);
    });
  });
});
