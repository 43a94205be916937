import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Seconds } from '../../src/base/durations.ts';
import { BoxCommand, parseCommand } from '../../src/spec/command.ts';
import { refuses } from './refusal.ts';

const plain = {
  env: [],
  timeoutMs: null,
  workingDir: null,
  user: null,
  tty: false,
  ttySize: null,
};

test('BoxCommand collects everything a command has', () => {
  const command = new BoxCommand('python3')
    .arg('-u')
    .args(['-c', 'print(1)'])
    .env('A', '1')
    .envs({ B: '2', C: '' })
    .timeout(Seconds.fromSeconds(30))
    .workingDir('/workspace')
    .user('1000:1000')
    .tty(true, { rows: 50, cols: 132 });
  assert.deepEqual(command.toSpec(), {
    argv: ['python3', '-u', '-c', 'print(1)'],
    env: [
      ['A', '1'],
      ['B', '2'],
      ['C', ''],
    ],
    timeoutMs: 30_000,
    workingDir: '/workspace',
    user: '1000:1000',
    tty: true,
    ttySize: { rows: 50, cols: 132 },
  });
});

test('BoxCommand has defaults', () => {
  assert.deepEqual(new BoxCommand('ls').toSpec(), { argv: ['ls'], ...plain });
});

test('BoxCommand is immutable: each call returns a new one', () => {
  const base = new BoxCommand('ls').env('A', '1');
  const before = structuredClone(base.toSpec());
  const changed = [
    base.arg('-l'),
    base.args(['-l']),
    base.env('A', '2'),
    base.envs({ B: '1' }),
    base.timeout(1),
    base.workingDir('/'),
    base.user('root'),
    base.tty(true),
  ];
  assert.deepEqual(base.toSpec(), before);
  for (const command of changed) {
    assert.notEqual(command, base);
    assert.notDeepEqual(command.toSpec(), before);
  }
});

test('BoxCommand gives frozen data', () => {
  const spec = new BoxCommand('ls').arg('-l').env('A', '1').toSpec();
  assert.ok(Object.isFrozen(spec));
  assert.ok(Object.isFrozen(spec.argv));
  assert.ok(Object.isFrozen(spec.env));
  assert.ok(Object.isFrozen(spec.env[0]));
});

test('BoxCommand.args() takes any list of strings, but not a string', () => {
  const words = new Set(['-a', '-b']);
  assert.deepEqual(new BoxCommand('ls').args(words).toSpec().argv, ['ls', '-a', '-b']);
  const command = new BoxCommand('ls');
  refuses(() => command.args('-la'), 'args: expected a list of strings, got a string');
});

test('BoxCommand lets the last value of a variable win', () => {
  const command = new BoxCommand('a').env('A', '1').env('B', '2').envs({ A: '3' });
  assert.deepEqual(command.toSpec().env, [
    ['A', '3'],
    ['B', '2'],
  ]);
});

test('BoxCommand.timeout() takes milliseconds or Seconds', () => {
  assert.equal(new BoxCommand('a').timeout(1500).toSpec().timeoutMs, 1500);
  assert.equal(new BoxCommand('a').timeout(Seconds.fromHours(1)).toSpec().timeoutMs, 3_600_000);
});

test('BoxCommand refuses what no guest could take', () => {
  const a = new BoxCommand('a');
  const nul = 'expected a string without NUL, got one with NUL';
  const bad = (value: unknown) => value as never;
  const cases: [() => unknown, string][] = [
    [() => new BoxCommand(''), 'command: expected a string that is not empty, got ""'],
    [() => new BoxCommand('a\0'), `command: ${nul}`],
    [() => new BoxCommand(bad(undefined)), 'command: expected a string, got nothing'],
    [() => a.arg('\0'), `arg: ${nul}`],
    [() => a.arg(bad(1)), 'arg: expected a string, got 1'],
    [() => a.args(['x', '\0']), `args[1]: ${nul}`],
    [() => a.args(bad(null)), 'args: expected a list of strings, got null'],
    [() => a.args(bad({})), 'args: expected a list of strings, got an object'],
    [() => a.env('', '1'), 'env: key: expected a string that is not empty, got ""'],
    [() => a.env('A=B', '1'), 'env: key: expected a name without "=", got "A=B"'],
    [() => a.env('A', '\0'), `env: value: ${nul}`],
    [() => a.env('A', bad(1)), 'env: value: expected a string, got 1'],
    [() => a.envs({ 'A=': '1' }), 'envs["A="]: expected a name without "=", got "A="'],
    [() => a.envs(bad([['A', '1']])), 'envs: expected a record of strings, got an array'],
    [() => a.timeout(0), 'timeout: expected 1..2147483647 ms or Seconds, got 0'],
    [() => a.timeout(Infinity), 'timeout: expected 1..2147483647 ms or Seconds, got Infinity'],
    [() => a.workingDir('x'), 'workingDir: expected an absolute path, got "x"'],
    [() => a.workingDir('/\0'), `workingDir: ${nul}`],
    [() => a.user('a:'), 'user: expected "name", "uid", "uid:gid" or "name:group", got "a:"'],
    [() => a.tty(bad('yes')), 'tty: expected a boolean, got a string'],
    [() => a.tty(true, bad([])), 'tty: size: expected an object, got an array'],
    [() => a.tty(true, { rows: 0, cols: 80 }), 'tty: size.rows: expected 1..65535, got 0'],
    [() => a.tty(true, { rows: 1, cols: 65_536 }), 'tty: size.cols: expected 1..65535, got 65536'],
  ];
  for (const [act, message] of cases) refuses(act, message);
});

test('BoxCommand.user() takes every form there is', () => {
  for (const user of ['root', '0', '1000:1000', 'nobody:nogroup', '1000:users', 'me:4294967294']) {
    assert.equal(new BoxCommand('a').user(user).toSpec().user, user);
  }
});

test('parseCommand() takes a builder or a list', () => {
  const command = new BoxCommand('ls').arg('-l');
  assert.deepEqual(parseCommand(command), { argv: ['ls', '-l'], ...plain });
  assert.deepEqual(parseCommand(['ls', '-l']), { argv: ['ls', '-l'], ...plain });
});

test('parseCommand() refuses what is neither', () => {
  const expected = 'command: expected a BoxCommand or a list of strings';
  refuses(() => parseCommand('ls -l'), `${expected}, got a string`);
  refuses(() => parseCommand(undefined), `${expected}, got nothing`);
  refuses(() => parseCommand([]), 'command: expected a program, got an empty list');
  refuses(() => parseCommand(['']), 'command[0]: expected a string that is not empty, got ""');
  refuses(() => parseCommand(['ls', 1]), 'command[1]: expected a string, got 1');
  refuses(
    () => parseCommand(['ls', '\0']),
    'command[1]: expected a string without NUL, got one with NUL',
  );
});

test('parseCommand() keeps every word as it is', () => {
  const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(word, fc.array(word), (program, args) => {
      fc.pre(program !== '');
      assert.deepEqual(parseCommand([program, ...args]).argv, [program, ...args]);
    }),
  );
});
