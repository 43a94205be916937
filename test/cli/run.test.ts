import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';

import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { cacheDir } from '../../src/base/env.ts';
import { folders, testedEngines } from '../vm/fixture.ts';
import { watchForLeaks } from '../vm/leaks.ts';
import { eventually } from '../vm/polling.ts';
import { boxlite, exited, home, start } from './program.ts';

/** What is tested here is the same on every engine: the fastest does. */
const engine = process.arch === 'x64' ? 'uml' : 'tcg';
const RUN = ['run', '--engine', engine, 'builtin:base'];
const SHELL = [...RUN, 'sh', '-c'];

describe('boxlite run', () => {
  it("shows a command's output and ends with its status", async () => {
    for (const name of testedEngines) {
      const ended = await boxlite(['run', '--engine', name, 'builtin:base', '--', 'echo', 'hello']);
      assert.deepEqual(ended, { status: 0, signal: null, stdout: 'hello\n', stderr: '' });
    }
  });

  it('keeps the two outputs apart', async () => {
    const { status, stdout, stderr } = await boxlite([...SHELL, 'echo out; echo err >&2; exit 3']);
    assert.deepEqual([status, stdout, stderr], [3, 'out\n', 'err\n']);
  });

  it('ends with 128 and the number of the signal that ended the command', async () => {
    assert.equal((await boxlite([...SHELL, 'kill -KILL $$'])).status, 137);
    assert.equal((await boxlite([...SHELL, 'kill -TERM $$'])).status, 143);
  });

  it('says when the box had no memory for the command, however that ended', async () => {
    const script = 'tail /dev/zero 2> /dev/null; exit 3';
    const { status, stderr } = await boxlite(['run', '-m', '64', ...SHELL.slice(1), script]);
    assert.equal(status, 3);
    assert.match(stderr, /boxlite: The box had no memory left .* --memory\n$/);
  });

  it('ends with 124 when the time is up', async () => {
    const options = ['run', '--engine', engine, '--timeout', '1', 'builtin:base'];
    const { status, stdout } = await boxlite([...options, 'sh', '-c', 'echo out; sleep 100000']);
    assert.deepEqual([status, stdout], [124, 'out\n']);
  });

  it('ends with 127 if there is no such command, and 126 if it cannot be executed', async () => {
    const missing = await boxlite([...RUN, 'no-such-program']);
    assert.equal(missing.status, 127);
    assert.match(missing.stderr, /^boxlite: .*"no-such-program".*not found.*\n$/);
    const file = await boxlite([...RUN, '/etc/passwd']);
    assert.equal(file.status, 126);
    assert.match(file.stderr, /^boxlite: .*"\/etc\/passwd".*not executable.*\n$/);
  });

  it('ends with 125 for a failure of our own, in one line', async () => {
    const foreign = process.platform === 'darwin' ? 'kvm' : 'hvf';
    const ended = await boxlite(['run', '--engine', foreign, 'builtin:base', 'true']);
    assert.equal(ended.status, 125);
    assert.match(ended.stderr, /^boxlite: .*\n$/);
    assert.equal(ended.stderr.split('\n').length, 2);
    const user = await boxlite([...RUN.slice(0, -1), '-u', 'somebody', 'builtin:base', 'true']);
    assert.equal(user.status, 125);
    assert.match(user.stderr, /no such user/);
  });

  it('shows with --debug where a failure came from', async () => {
    const ended = await boxlite(['--debug', ...RUN, 'no-such-program']);
    assert.equal(ended.status, 127);
    assert.match(ended.stderr, /\n\s+at /);
  });

  it('ends with 2 for a line that makes no sense, and names the help', async () => {
    for (const args of [
      ['run'],
      ['run', 'builtin:base'],
      ['run', '--no-such-option', 'builtin:base', 'true'],
      ['run', '--cpus', 'two', 'builtin:base', 'true'],
      ['run', '--cpus', '0', 'builtin:base', 'true'],
      ['run', '--engine', 'steam', 'builtin:base', 'true'],
      ['run', '-e', '=value', 'builtin:base', 'true'],
      ['run', '--name', 'not a name', 'builtin:base', 'true'],
      ['run', '-w', 'relative', 'builtin:base', 'true'],
    ]) {
      const { status, stdout, stderr } = await boxlite(args);
      assert.equal(status, 2, `${args.join(' ')}: ${stderr}`);
      assert.equal(stdout, '');
      assert.match(stderr, /^boxlite: .+\n/);
    }
    assert.match((await boxlite(['run'])).stderr, /Try "boxlite run --help"/);
  });

  it("takes everything after the image as the command's, whatever it looks like", async () => {
    const words = ['-e', '--debug', '--help', '-i', '--', '--rm'];
    const { status, stdout } = await boxlite([...RUN, 'echo', 'x', ...words]);
    assert.deepEqual([status, stdout], [0, `x ${words.join(' ')}\n`]);
  });

  it('passes its input on with -i only', async () => {
    const input = 'line\n\xff\0'.repeat(1000);
    const options = ['run', '--engine', engine, '-i', 'builtin:base', 'cat'];
    assert.equal((await boxlite(options, { input })).stdout, input);
    assert.equal((await boxlite([...RUN, 'cat'], { input })).stdout, '');
  });

  it('ends with the command, although its own input is open', async () => {
    for (const args of [
      [...RUN, 'true'],
      ['run', '--engine', engine, '-i', 'builtin:base', 'true'],
    ]) {
      const child = start(args, { input: null });
      assert.equal((await exited(child)).status, 0);
    }
  });

  it('sets variables: a value, an empty one, its own, and none it does not have', async () => {
    const variables = ['-e', 'GIVEN=a=b c', '-e', 'EMPTY=', '-e', 'OURS', '-e', 'UNSET'];
    const script = 'env | grep -E "^(GIVEN|EMPTY|OURS|UNSET|OTHER)=" | sort';
    const { stdout } = await boxlite(
      ['run', '--engine', engine, ...variables, 'builtin:base', 'sh', '-c', script],
      { env: { OURS: 'from here', OTHER: 'stays here', UNSET: undefined } },
    );
    assert.equal(stdout, 'EMPTY=\nGIVEN=a=b c\nOURS=from here\n');
  });

  it('sets the directory, the user, the processors and the memory', async () => {
    const options = ['-w', '/var/log', '-u', 'nobody:root', '--cpus', '1', '--memory', '128'];
    const script = 'pwd; id -u; id -g; nproc; grep MemTotal /proc/meminfo';
    const { stdout, stderr } = await boxlite([
      ...['run', '--engine', engine, ...options, 'builtin:base', 'sh', '-c', script],
    ]);
    const [directory, uid, gid, processors, memory = ''] = stdout.split('\n');
    assert.deepEqual([directory, uid, gid, processors], ['/var/log', '65534', '0', '1'], stderr);
    assert.ok(Number(/\d+/.exec(memory)) <= 128 * 1024);
  });

  it('runs on a directory of the host, given by a relative path too', async () => {
    const root = join(home, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    const path = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'busybox'));
    copyFileSync(path.find(existsSync) ?? '', join(root, 'bin/busybox'));
    const command = ['--', 'busybox', 'ls', '/bin'];
    const { status, stdout, stderr } = await boxlite([
      ...['run', '--engine', engine, '--rootfs', root, ...command],
    ]);
    assert.deepEqual([status, stdout], [0, 'busybox\n'], stderr);
    const missing = await boxlite(['run', '--rootfs', join(home, 'none'), 'true']);
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /none/);
  });

  it('forwards signals to the command', async () => {
    for (const [signal, status] of [
      ['SIGINT', 5],
      ['SIGTERM', 6],
      ['SIGHUP', 7],
    ] as const) {
      const script =
        "trap 'echo int; exit 5' INT; trap 'echo term; exit 6' TERM; trap 'exit 7' HUP; " +
        'echo ready; while :; do sleep 0.01; done';
      const child = start([...SHELL, script]);
      const [first] = await once(child.stdout ?? child, 'data');
      assert.equal(String(first), 'ready\n');
      child.kill(signal);
      assert.equal((await exited(child)).status, status);
    }
    const child = start([...SHELL, 'echo ready; exec sleep 100000']);
    await once(child.stdout ?? child, 'data');
    child.kill('SIGINT');
    assert.equal((await exited(child)).status, 130);
  });

  it('leaves nothing when it is ended before the command runs', async () => {
    const cache = join(folders.temporary, 'cache');
    mkdirSync(cache);
    symlinkSync(join(cacheDir(), 'kernels'), join(cache, 'kernels'));
    try {
      const child = start([...RUN, 'true'], { env: { BOXLITE_CACHE: cache } });
      // The image is being made, which no other program does in this cache.
      const images = join(cache, 'images');
      await eventually('an image in the making', () =>
        existsSync(images) && readdirSync(images).length > 0 ? true : null,
      );
      child.kill('SIGINT');
      assert.equal((await exited(child)).status, 130);
      const left = readdirSync(images).filter((name) => name.startsWith('new-'));
      assert.deepEqual(
        [left, readdirSync(join(home, 'boxes')), readdirSync(join(home, 'owners'))],
        [[], [], []],
      );
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('ends when nobody reads its output any more', async () => {
    const child = start([...RUN, 'yes']);
    assert.ok(child.stderr !== null);
    const stderr = text(child.stderr);
    await once(child.stdout ?? child, 'data');
    child.stdout?.destroy();
    // As the shell tells of a program that SIGPIPE has ended.
    assert.equal((await exited(child)).status, 141);
    assert.equal(await stderr, '');
  });

  it('says why its output cannot be written, as all commands do, and ends', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      for (const args of [[...RUN, 'yes'], ['ls'], ['images', '--help'], ['--help']]) {
        const child = start(args, { stdout: full });
        assert.ok(child.stderr !== null);
        const [{ status }, stderr] = await Promise.all([exited(child), text(child.stderr)]);
        assert.match(stderr, /^boxlite: Cannot write the output: ENOSPC: [^\n]*\n$/);
        assert.equal(status, 125);
      }
    } finally {
      closeSync(full);
    }
  });

  it('leaves no box behind', async () => {
    await boxlite([...RUN, 'true']);
    const { stdout } = await boxlite(['ls', '-a', '--format', 'json']);
    if (stdout !== '') assert.deepEqual(JSON.parse(stdout), []);
  });

  watchForLeaks(folders);
});
