import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { OUTPUT_BYTES_MAX, runCommand } from '../../src/process/run.ts';

const shell = (script: string, options = {}) => runCommand('sh', ['-c', script], options);

/** Whether a process is there and is not a zombie that nobody has waited for yet. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await runCommand('cat', [`/proc/${pid}/stat`]);
  return stat.code === 0 && !/^\d+ \(.*\) [ZX]/.test(stat.stdout);
}

test('runCommand() returns output, exit code and signal of a program', async () => {
  assert.deepEqual(await shell('echo out; echo err >&2; exit 3'), {
    code: 3,
    signal: null,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  assert.deepEqual(await shell('kill -9 $$'), {
    code: null,
    signal: 'SIGKILL',
    stdout: '',
    stderr: '',
  });
});

test('runCommand() passes arguments as they are, without a shell', async () => {
  const result = await runCommand('printf', ['%s|', '$HOME; echo x', '*', '']);
  assert.equal(result.stdout, '$HOME; echo x|*||');
});

test('runCommand() names the program that does not exist', async () => {
  await assert.rejects(runCommand('boxlite-no-such-program', []), (error) => {
    assert(BoxliteError.is(error, 'Config'));
    assert.match(error.message, /"boxlite-no-such-program": it is not installed, or not in PATH/);
    return true;
  });
  await assert.rejects(runCommand('/nonexistent/program', []), /there is no such file/);
});

test('runCommand() tells a missing working directory from a missing program', async () => {
  await assert.rejects(
    runCommand('true', [], { cwd: '/nonexistent' }),
    /working directory "\/nonexistent" does not exist/,
  );
});

test('runCommand() gives the program only the environment it was told', async () => {
  assert.equal((await runCommand('/usr/bin/env', [], { env: { A: '1' } })).stdout, 'A=1\n');
  const names = (await runCommand('env', [])).stdout.match(/^\w+/gm) ?? [];
  assert.deepEqual(names.toSorted(), ['HOME', 'LANG', 'PATH']);
});

test('runCommand() feeds its input and survives a program that does not read it', async () => {
  assert.equal((await runCommand('cat', [], { input: 'hello' })).stdout, 'hello');
  assert.equal((await runCommand('true', [], { input: 'x'.repeat(1 << 20) })).code, 0);
  assert.equal((await runCommand('cat', [])).stdout, '');
});

test('runCommand() hands on lines of both streams, and a last one without line end', async () => {
  const lines: string[] = [];
  await shell('printf "one\\ntw"; printf "o\\nthree" ; sleep 0.05; echo four >&2', {
    onLine: (line: string) => lines.push(line),
  });
  assert.deepEqual(lines.toSorted(), ['four', 'one', 'three', 'two']);
});

test('runCommand() keeps the last part of endless output', async () => {
  const result = await shell('head -c 6000000 /dev/zero | tr "\\0" a; echo end');
  assert.equal(result.stdout.length, OUTPUT_BYTES_MAX);
  assert(result.stdout.endsWith('aend\n'));
});

test('runCommand() ends a cancelled program with all its children and gives the reason', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  let child = 0;
  const running = shell('sleep 1000 & echo $!; wait', {
    signal: abort.signal,
    onLine(line: string) {
      child = Number(line);
      abort.abort(reason);
    },
  });
  await assert.rejects(running, (error) => error === reason);
  assert(child > 0);
  assert.equal(await isAlive(child), false);
});

test('runCommand() ends a program whose listener throws, at a line or at a last one without its end', async () => {
  const wrong = new Error('wrong');
  let child = 0;
  const running = shell('sleep 1000 & echo $!; echo more; wait', {
    onLine(line: string) {
      child ||= Number(line);
      throw wrong;
    },
  });
  await assert.rejects(running, (error) => error === wrong);
  assert(child > 0);
  assert.equal(await isAlive(child), false);
  const onLine = () => {
    throw wrong;
  };
  await assert.rejects(shell('printf end', { onLine }), (error) => error === wrong);
});

test('runCommand() kills a cancelled program that ignores the polite signal', async () => {
  const abort = new AbortController();
  let pid = 0;
  const running = shell('trap "" TERM; echo $$; while :; do sleep 1000; done', {
    signal: abort.signal,
    onLine(line: string) {
      pid = Number(line);
      abort.abort();
    },
  });
  await assert.rejects(running, { name: 'AbortError' });
  assert.equal(await isAlive(pid), false);
});

test('runCommand() starts nothing when it is cancelled already', async () => {
  await assert.rejects(runCommand('boxlite-no-such-program', [], { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});
