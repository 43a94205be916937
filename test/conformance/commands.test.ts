import assert from 'node:assert/strict';
import { buffer, text } from 'node:stream/consumers';
import { after, before } from 'node:test';
import {
  BoxCommand,
  type ExecResult,
  type Execution,
  type LiteBox,
  Seconds,
} from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from '../vm/fixture.ts';
import { eventually, inTime } from '../vm/polling.ts';
import { prove } from './prove.ts';

forEachEngine((engine) => {
  let owner: TestRuntime;
  let box: LiteBox;
  before(async () => {
    owner = new TestRuntime(engine);
    box = await owner.makeBox({
      env: { LAYER: 'box', ONLY_BOX: 'yes' },
      workingDir: '/var/log',
      memoryMib: 256,
    });
    await box.start();
  });
  after(() => owner[Symbol.asyncDispose]());

  const sh = (script: string) => new BoxCommand('sh').args(['-c', script]);
  /** What a command says. */
  async function says(command: BoxCommand): Promise<string> {
    const { stdout, stderr } = await (await box.run(command)).output();
    return stdout + stderr;
  }
  async function resultOf(script: string): Promise<ExecResult> {
    return (await box.run(sh(script))).wait();
  }
  function taken<T>(value: T | null): T {
    assert.ok(value !== null);
    return value;
  }

  prove('BoxCommand.new', async () => {
    assert.equal(await says(new BoxCommand('hostname')), `${box.id.asStr().toLowerCase()}\n`);
    assert.throws(() => new BoxCommand(''), { kind: 'InvalidArgument' });
  });

  prove('BoxCommand.arg', async () => {
    assert.equal(await says(new BoxCommand('echo').arg('one').arg('two words')), 'one two words\n');
  });

  prove('BoxCommand.args', async () => {
    const words = new Set(['%s|', 'one', 'two', '']);
    assert.equal(await says(new BoxCommand('printf').args(words)), 'one|two||');
  });

  prove('BoxCommand.env', async () => {
    const command = sh('echo "$GREETING"').env('GREETING', 'hello world');
    assert.equal(await says(command), 'hello world\n');
  });

  prove('BoxCommand.envs', async () => {
    assert.equal(await says(sh('echo $A $B').envs({ A: '1', B: '2' })), '1 2\n');
  });

  prove('BoxCommand.timeout', async () => {
    const result = await (await box.run(new BoxCommand('sleep').arg('100000').timeout(50))).wait();
    assert.deepEqual([result.timedOut, result.signal], [true, 'SIGTERM']);
    const quick = await (await box.run(new BoxCommand('true').timeout(100_000))).wait();
    assert.deepEqual([quick.timedOut, quick.exitCode], [false, 0]);
  });

  prove('BoxCommand.timeout: Seconds', async () => {
    const command = new BoxCommand('sleep').arg('100000').timeout(Seconds.fromSeconds(0.05));
    assert.equal((await (await box.run(command)).wait()).timedOut, true);
  });

  prove('BoxCommand.timeout: tree', async () => {
    // It and its child in another session both ignore SIGTERM, which is for the tree to be asked by.
    const script = `trap 'echo term' TERM; setsid sh -c 'trap "" TERM; sleep 98765' &
      echo ready; while :; do sleep 0.05; done`;
    const execution = await box.run(sh(script).timeout(500));
    const lines: string[] = [];
    for await (const line of execution.stdout() ?? []) lines.push(line);
    const result = await execution.wait();
    assert.deepEqual(lines, ['ready', 'term']);
    assert.deepEqual([result.timedOut, result.signal], [true, 'SIGKILL']);
    assert.ok(result.durationMs >= 2_500, `${result.durationMs} ms`);
    assert.equal(await says(sh('ps -o args | grep "sleep 9876[5]"')), '');
  });

  prove('BoxCommand.workingDir', async () => {
    assert.equal(await says(new BoxCommand('pwd').workingDir('/tmp')), '/tmp\n');
  });

  prove('BoxCommand.user', async () => {
    assert.equal(await says(sh('id -u').user('nobody')), '65534\n');
    assert.equal(await says(sh('id -u; id -g').user('1000:1000')), '1000\n1000\n');
  });

  prove('BoxCommand.user: forms', async () => {
    const ids = (user: string) => says(sh('echo $(id -u):$(id -g)').user(user));
    assert.equal(await ids('nobody'), '65534:65534\n');
    assert.equal(await ids('1234'), '1234:0\n');
    assert.equal(await ids('1234:5678'), '1234:5678\n');
    assert.equal(await ids('nobody:root'), '65534:0\n');
    for (const user of ['', 'a b', 'a:b:c', ':', 'x:']) {
      assert.throws(() => new BoxCommand('id').user(user), { kind: 'InvalidArgument' });
    }
    await assert.rejects(box.run(new BoxCommand('id').user('nobody-known')), { kind: 'Run' });
  });

  prove('BoxCommand.tty', async () => {
    assert.equal(await says(sh('tty').tty(false)), 'not a tty\n');
    assert.match(await says(sh('tty').tty(true)), /^\/dev\/pts\/\d+\r\n$/);
  });

  prove('BoxCommand: example', async () => {
    const cmd = new BoxCommand('python3')
      .args(['-c', "print('hello')"])
      .env('PYTHONPATH', '/app')
      .timeout(Seconds.fromSeconds(30))
      .workingDir('/workspace')
      .user('nobody')
      .tty(true);
    await shell(
      box,
      `mkdir -p /workspace; cat > /bin/python3 <<'.'
#!/bin/sh
echo "$2 $PYTHONPATH $(pwd) $(id -un)"; tty
.
chmod 755 /bin/python3`,
    );
    assert.match(
      await says(cmd),
      /^print\('hello'\) \/app \/workspace nobody\r\n\/dev\/pts\/\d+\r\n$/,
    );
  });

  prove('BoxCommand: immutable', async () => {
    const base = new BoxCommand('echo').arg('a');
    const more = base.arg('b');
    base.env('X', '1');
    assert.notEqual(base, more);
    assert.equal(await says(base), 'a\n');
    assert.equal(await says(more), 'a b\n');
  });

  prove('BoxCommand: validated', () => {
    const command = new BoxCommand('true');
    const wrong: [() => unknown, RegExp][] = [
      [() => command.arg('a\0b'), /^arg: /],
      [() => command.args('ab'), /^args: /],
      [() => command.args([1] as never), /^args\[0\]: /],
      [() => command.env('A=B', 'c'), /^env: key: /],
      [() => command.env('A', 1 as never), /^env: value: /],
      [() => command.timeout(-1), /^timeout: /],
      [() => command.workingDir('relative'), /^workingDir: /],
      [() => command.tty(1 as never), /^tty: /],
    ];
    for (const [call, message] of wrong) assert.throws(call, { kind: 'InvalidArgument', message });
  });

  prove('Execution.id', async () => {
    const [one, two] = [await box.run(['true']), await box.run(['true'])];
    assert.match(one.id, /^\S+$/);
    assert.notEqual(one.id, two.id);
    await Promise.all([one.wait(), two.wait()]);
  });

  prove('Execution.stdin', async () => {
    await using execution = await box.run(['cat']);
    assert.ok(execution.stdin() !== null);
    assert.equal(execution.stdin(), null);
  });

  prove('Execution.stdout', async () => {
    const execution = await box.run(['echo', 'out']);
    assert.equal(await taken(execution.stdout()).text(), 'out\n');
    assert.equal(execution.stdout(), null);
  });

  prove('Execution.stderr', async () => {
    const execution = await box.run(sh('echo err >&2'));
    assert.equal(await taken(execution.stderr()).text(), 'err\n');
    assert.equal(execution.stderr(), null);
  });

  prove('Execution.wait', async () => {
    assert.equal((await (await box.run(sh('sleep 0.1; exit 5'))).wait()).exitCode, 5);
  });

  prove('Execution.wait: cached', async () => {
    const own = await owner.makeBox();
    const execution = await own.run(['sh', '-c', 'exit 3']);
    const result = await execution.wait();
    assert.equal(await execution.wait(), result);
    await own.stop();
    assert.equal((await execution.wait()).exitCode, 3);
  });

  prove('Execution.kill', async () => {
    const execution = await box.run(sh('trap "" TERM; sleep 100000'));
    await execution.kill();
    const result = await inTime('wait()', execution.wait());
    assert.deepEqual([result.exitCode, result.signal], [-9, 'SIGKILL']);
  });

  prove('Execution.signal', async () => {
    assert.equal(await trapped('USR1', (execution) => execution.signal(10)), 'got USR1');
  });

  prove('Execution.signal: name', async () => {
    assert.equal(await trapped('HUP', (execution) => execution.signal('SIGHUP')), 'got HUP');
    await using execution = await box.run(['sleep', '100000']);
    await assert.rejects(execution.signal(1000), { kind: 'InvalidArgument' });
  });

  /** What a command says that waits for a signal. */
  async function trapped(signal: string, send: (execution: Execution) => Promise<void>) {
    const script = `trap 'echo got ${signal}; exit' ${signal}; echo ready; while :; do sleep 0.05; done`;
    await using execution = await box.run(sh(script));
    let last = '';
    for await (const line of execution.stdout() ?? []) {
      if (line === 'ready') await send(execution);
      last = line;
    }
    return last;
  }

  prove('Execution.resizeTty', async () => {
    const script = 'trap "stty size; exit" WINCH; stty size; while :; do sleep 0.05; done';
    await using execution = await box.run(sh(script).tty(true));
    const lines: string[] = [];
    for await (const line of execution.stdout() ?? []) {
      lines.push(line);
      if (lines.length === 1) await execution.resizeTty(40, 132);
    }
    assert.deepEqual(lines, ['24 80', '40 132']);
  });

  prove('Execution.resizeTty: no tty', async () => {
    await using execution = await box.run(['sleep', '100000']);
    await assert.rejects(execution.resizeTty(40, 132), { kind: 'InvalidState', message: /tty/ });
  });

  prove('Execution: example', async () => {
    const run = await box.run(new BoxCommand('ls').arg('-la'));
    const printed: string[] = [];
    const stdout = taken(run.stdout());
    for await (const line of stdout) printed.push(line);
    const status = await run.wait();
    assert.match(printed[0] ?? '', /^total \d+$/);
    assert.equal(`Exit code: ${status.exitCode}`, 'Exit code: 0');
  });

  prove('Execution.output', async () => {
    const output = await (await box.run(sh('echo out; echo err >&2; exit 4'))).output();
    assert.deepEqual([output.stdout, output.stderr, output.exitCode], ['out\n', 'err\n', 4]);
    assert.equal(output.success(), false);
  });

  prove('Execution[Symbol.asyncDispose]', async () => {
    {
      await using execution = await box.run(['sleep', '54321']);
      assert.equal(await says(sh('ps -o args | grep -c "sleep 5432[1]"')), '1\n');
      void execution;
    }
    assert.equal(await says(sh('ps -o args | grep "sleep 5432[1]"')), '');
  });

  prove('Execution: exit code', async () => {
    for (const code of [0, 1, 42, 255])
      assert.equal((await resultOf(`exit ${code}`)).exitCode, code);
  });

  prove('Execution: not found', async () => {
    await assert.rejects(box.run(['no-such-program']), { kind: 'Run', message: /not found/ });
  });

  prove('Execution: not executable', async () => {
    await assert.rejects(box.run(['/etc/passwd']), { kind: 'Run', message: /not executable/ });
  });

  prove('Execution: untaken output', async () => {
    // What is still on its way when the command ends is not kept, but taken.
    const execution = await box.run(sh('seq 1000000; sleep 2'));
    assert.equal((await inTime('wait()', execution.wait())).exitCode, 0);
    const kept = await taken(execution.stdout()).text();
    assert.ok(kept.length <= 1024 * 1024 && kept.length > 1024 * 512, `${kept.length} bytes`);
    assert.ok(kept.endsWith('999999\n1000000\n'));
  });

  prove('Execution: environment', async () => {
    const script = 'echo $LAYER $ONLY_BOX';
    assert.equal(await says(sh(script)), 'box yes\n');
    assert.equal(await says(sh(script).env('LAYER', 'command')), 'command yes\n');
  });

  prove('Execution: working directory', async () => {
    assert.equal(await says(new BoxCommand('pwd')), '/var/log\n');
    assert.equal(await says(new BoxCommand('pwd').workingDir('/etc')), '/etc\n');
  });

  prove('ExecStdin.write', async () => {
    const execution = await box.run(['od', '-An', '-tx1']);
    const stdin = taken(execution.stdin());
    await stdin.write(Buffer.from([0, 1, 254, 255]));
    await stdin.close();
    assert.equal((await execution.output()).stdout, ' 00 01 fe ff\n');
  });

  prove('ExecStdin.write: text', async () => {
    const execution = await box.run(['od', '-An', '-tx1']);
    const stdin = taken(execution.stdin());
    await stdin.write('é');
    await stdin.close();
    assert.equal((await execution.output()).stdout, ' c3 a9\n');
  });

  prove('ExecStdin.writeAll', async () => {
    const execution = await box.run(['wc', '-c']);
    const stdin = taken(execution.stdin());
    await stdin.writeAll(Buffer.alloc(3_000_000, 'x'));
    await stdin.close();
    assert.equal((await execution.output()).stdout, '3000000\n');
  });

  prove('ExecStdin: example', async () => {
    const run = await box.run(new BoxCommand('cat'));
    const stdin = taken(run.stdin());
    await stdin.write('Hello from stdin!\n');
    await stdin.writeAll('More data\n');
    await stdin.close();
    const result = await run.wait();
    assert.ok(result.success());
    assert.equal(await run.stdout()?.text(), 'Hello from stdin!\nMore data\n');
  });

  prove('ExecStdin.close', async () => {
    const execution = await box.run(sh('cat; echo ended'));
    const stdin = taken(execution.stdin());
    await stdin.close();
    assert.equal((await execution.output()).stdout, 'ended\n');
    await stdin.close();
  });

  prove('ExecStdin[Symbol.asyncDispose]', async () => {
    const execution = await box.run(['cat']);
    {
      await using stdin = taken(execution.stdin());
      await stdin.write('text');
    }
    assert.equal((await execution.output()).stdout, 'text');
  });

  prove('ExecStdout', async () => {
    const execution = await box.run(['seq', '3']);
    assert.deepEqual(await Array.fromAsync(taken(execution.stdout())), ['1', '2', '3']);
  });

  prove('ExecStderr', async () => {
    const execution = await box.run(sh('seq 3 >&2'));
    assert.deepEqual(await Array.fromAsync(taken(execution.stderr())), ['1', '2', '3']);
  });

  prove('ExecStdout / ExecStderr: example', async () => {
    const run = await box.run(sh('ls /etc/passwd /none'));
    const printed: string[] = [];
    for await (const line of taken(run.stdout())) printed.push(`stdout: ${line}`);
    for await (const line of taken(run.stderr())) printed.push(`stderr: ${line}`);
    assert.deepEqual(printed, [
      'stdout: /etc/passwd',
      'stderr: ls: /none: No such file or directory',
    ]);
  });

  prove('ExecStdout / ExecStderr: concurrent', async () => {
    const run = await box.run(sh('for i in 1 2 3; do echo out $i; echo err $i >&2; done'));
    const seen: string[] = [];
    const read = async (stream: AsyncIterable<string> | null, name: string) => {
      for await (const line of taken(stream)) seen.push(`${name}: ${line}`);
    };
    await Promise.all([read(run.stdout(), 'stdout'), read(run.stderr(), 'stderr')]);
    assert.deepEqual(seen.toSorted(), [
      ...['stderr: err 1', 'stderr: err 2', 'stderr: err 3'],
      ...['stdout: out 1', 'stdout: out 2', 'stdout: out 3'],
    ]);
  });

  prove('ExecStdout: lines', async () => {
    const script = "printf 'one\\ncaf\\303'; sleep 0.1; printf '\\251\\nlast'";
    const execution = await box.run(sh(script));
    assert.deepEqual(await Array.fromAsync(taken(execution.stdout())), ['one', 'café', 'last']);
  });

  const bytes = "printf '\\000\\377\\n'";

  prove('ExecStdout.bytes', async () => {
    const execution = await box.run(sh(bytes));
    const pieces = await Array.fromAsync(taken(execution.stdout()).bytes());
    assert.deepEqual(Buffer.concat(pieces), Buffer.from([0, 255, 10]));
  });

  prove('ExecStderr.bytes', async () => {
    const execution = await box.run(sh(`${bytes} >&2`));
    const pieces = await Array.fromAsync(taken(execution.stderr()).bytes());
    assert.deepEqual(Buffer.concat(pieces), Buffer.from([0, 255, 10]));
  });

  prove('ExecStdout.text', async () => {
    assert.equal(await taken((await box.run(['echo', 'é'])).stdout()).text(), 'é\n');
  });

  prove('ExecStderr.text', async () => {
    assert.equal(await taken((await box.run(sh('echo é >&2'))).stderr()).text(), 'é\n');
  });

  prove('ExecStdout.readable', async () => {
    const stream = taken((await box.run(sh(bytes))).stdout()).readable();
    assert.deepEqual(await buffer(stream), Buffer.from([0, 255, 10]));
  });

  prove('ExecStderr.readable', async () => {
    const stream = taken((await box.run(sh('echo text >&2'))).stderr()).readable();
    assert.equal(await text(stream), 'text\n');
  });

  prove('ExecResult.exitCode', async () => {
    assert.equal((await resultOf('true')).exitCode, 0);
    assert.equal((await resultOf('exit 9')).exitCode, 9);
  });

  prove('ExecResult.exitCode: signal', async () => {
    assert.equal((await resultOf('kill -USR1 $$')).exitCode, -10);
    assert.equal((await resultOf('kill -KILL $$')).exitCode, -9);
  });

  prove('ExecResult.success', async () => {
    assert.deepEqual(
      [(await resultOf('true')).success(), (await resultOf('false')).success()],
      [true, false],
    );
  });

  prove('ExecResult.code', async () => assert.equal((await resultOf('exit 6')).code(), 6));

  prove('ExecResult.signal', async () => {
    assert.equal((await resultOf('kill -TERM $$')).signal, 'SIGTERM');
    assert.equal((await resultOf('exit 15')).signal, null);
  });

  prove('ExecResult.timedOut', async () => {
    const timed = await box.run(new BoxCommand('sleep').arg('100000').timeout(20));
    assert.equal((await timed.wait()).timedOut, true);
    assert.equal((await resultOf('kill -TERM $$')).timedOut, false);
  });

  prove('ExecResult.durationMs', async () => {
    const { durationMs } = await resultOf('sleep 0.2');
    assert.ok(durationMs >= 190 && durationMs < 30_000, `${durationMs}`);
  });

  prove('Thread Safety: LiteBox', async () => {
    const answers = Array.from({ length: 8 }, (_, i) => says(new BoxCommand('echo').arg(`${i}`)));
    assert.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 8 }, (_, i) => `${i}\n`),
    );
  });

  prove('Thread Safety: Execution', async () => {
    const execution = await box.run(sh('sleep 0.1; exit 8'));
    const results = await Promise.all([1, 2, 3, 4].map(() => execution.wait()));
    assert.deepEqual(
      results.map(({ exitCode }) => exitCode),
      [8, 8, 8, 8],
    );
    assert.ok(await eventually('the same', () => (new Set(results).size === 1 ? true : null)));
  });
});
