import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoxCommand, BoxliteError } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';

forEachEngine((engine) => {
  describe('a command', () => {
    const box = sharedBox(engine, {
      env: { FROM_BOX: 'box', IN_BOTH: 'box' },
      workingDir: '/etc',
    });

    it('exits with its own status', async () => {
      for (const status of [0, 1, 3, 127, 255]) {
        const result = await (await box().run(['sh', '-c', `exit ${status}`])).wait();
        assert.equal(result.exitCode, status);
        assert.equal(result.code(), status);
        assert.equal(result.success(), status === 0);
        assert.equal(result.signal, null);
        assert.equal(result.timedOut, false);
      }
    });

    it('ended by a signal has its negative number and its name', async () => {
      for (const [name, number] of [
        ['SIGKILL', 9],
        ['SIGSEGV', 11],
        ['SIGTERM', 15],
      ] as const) {
        const result = await (await box().run(['sh', '-c', `kill -${number} $$`])).wait();
        assert.equal(result.exitCode, -number);
        assert.equal(result.signal, name);
        assert.equal(result.success(), false);
      }
    });

    it('ended by a real-time signal has its number and no name', async () => {
      const result = await (await box().run(['sh', '-c', 'kill -40 $$'])).wait();
      assert.equal(result.exitCode, -40);
      assert.equal(result.signal, null);
    });

    it('gets its arguments as they are', async () => {
      const words = [
        '',
        ' ',
        "'",
        '"',
        '$HOME',
        '\\',
        'a\nb',
        '\t',
        'ünïcødé 🎁',
        '*',
        '-n',
        '\u0001',
      ];
      const program = 'for word; do printf "%s\\0" "$word"; done';
      const execution = await box().run(['sh', '-c', program, 'sh', ...words]);
      assert.equal((await execution.output()).stdout, words.map((word) => `${word}\0`).join(''));
    });

    it('takes an argument of 100 KiB', async () => {
      const long = 'x'.repeat(100 * 1024);
      const execution = await box().run(['sh', '-c', 'printf %s "$1" | wc -c', 'sh', long]);
      assert.equal((await execution.output()).stdout.trim(), String(long.length));
    });

    it('is refused with a reason when an argument is more than the kernel takes', async () => {
      await assert.rejects(box().run(['echo', 'x'.repeat(200 * 1024)]), (error) => {
        assert.ok(BoxliteError.is(error, 'Run'));
        assert.match(error.message, /"echo".*Argument list too long/);
        return true;
      });
    });

    it('that is larger than the portal carries is InvalidArgument', async () => {
      const args = Array.from({ length: 50 }, () => 'x'.repeat(100 * 1024));
      await assert.rejects(box().run(['echo', ...args]), { kind: 'InvalidArgument' });
      assert.equal((await shell(box(), 'echo fine')).stdout, 'fine\n');
    });

    it('takes 2000 variables', async () => {
      const variables = Object.fromEntries(
        Array.from({ length: 2000 }, (_, i) => [`VARIABLE_${i}`, `value ${i}`]),
      );
      const { stdout } = await (await box().run(new BoxCommand('env').envs(variables))).output();
      const lines = new Set(stdout.split('\n'));
      for (const [name, value] of Object.entries(variables))
        assert.ok(lines.has(`${name}=${value}`));
    });

    it("sees its own variables over the box's, and HOME, PATH and HOSTNAME", async () => {
      const command = new BoxCommand('env').env('IN_BOTH', 'command').env('OWN', 'a=b\nc');
      const { stdout } = await (await box().run(command)).output();
      for (const line of ['FROM_BOX=box', 'IN_BOTH=command', 'OWN=a=b\nc', 'HOME=/root']) {
        assert.ok(`\n${stdout}`.includes(`\n${line}\n`), `${line} in ${stdout}`);
      }
      assert.match(stdout, /^PATH=.*\/bin/m);
      assert.match(stdout, /^HOSTNAME=/m);
      assert.doesNotMatch(stdout, /^TERM=/m);
    });

    it("starts in the box's working directory, or in its own", async () => {
      assert.equal((await (await box().run(['pwd'])).output()).stdout, '/etc\n');
      const elsewhere = new BoxCommand('pwd').workingDir('/var/log');
      assert.equal((await (await box().run(elsewhere)).output()).stdout, '/var/log\n');
    });

    it('in a directory that is not there is Run, and names the directory', async () => {
      await assert.rejects(box().run(new BoxCommand('pwd').workingDir('/no/such')), {
        kind: 'Run',
        message: /"pwd".*\/no\/such.*No such file or directory/,
      });
    });

    it('runs as the user it is told, by name or number', async () => {
      const cases = [
        ['root', '0:0', '/root'],
        ['0', '0:0', '/root'],
        ['nobody', '65534:65534', '/nonexistent'],
        ['65534', '65534:65534', '/nonexistent'],
        ['65534:65534', '65534:65534', '/nonexistent'],
        ['nobody:root', '65534:0', '/nonexistent'],
        ['1234:nogroup', '1234:65534', '/'],
        ['1234', '1234:0', '/'],
      ] as const;
      for (const [user, ids, home] of cases) {
        const command = new BoxCommand('sh')
          .args(['-c', 'echo $(id -u):$(id -g) $HOME'])
          .user(user);
        const { stdout } = await (await box().run(command)).output();
        assert.equal(stdout, `${ids} ${home}\n`, user);
      }
    });

    it('as a user or group that is not there is Run, and says so', async () => {
      await assert.rejects(box().run(new BoxCommand('id').user('somebody')), {
        kind: 'Run',
        message: /no such user/,
      });
      await assert.rejects(box().run(new BoxCommand('id').user('nobody:some')), {
        kind: 'Run',
        message: /no such group/,
      });
    });

    it('has its directory, its user and its time all at once', async () => {
      const command = new BoxCommand('sh')
        .args(['-c', 'echo "$PWD $(id -un)"; exec sleep 1000'])
        .workingDir('/tmp')
        .user('nobody')
        .timeout(5_000);
      const result = await (await box().run(command)).output();
      assert.deepEqual([result.stdout, result.exitCode], ['/tmp nobody\n', -15]);
      assert.ok(result.timedOut && !result.success());
    });

    it('as an ordinary user may not do what root may', async () => {
      const command = new BoxCommand('sh').args(['-c', 'echo x > /etc/mine']).user('nobody');
      const { exitCode, stderr } = await (await box().run(command)).output();
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /Permission denied/);
    });

    it('that is not there is Run, and says that it was not found', async () => {
      for (const name of ['no-such-program', '/bin/no-such-program', '/etc/passwd/x']) {
        await assert.rejects(box().run([name]), {
          kind: 'Run',
          message: new RegExp(`"${name}": it was not found in the box`),
        });
      }
    });

    it('that cannot be executed is Run, and says so', async () => {
      for (const name of ['/etc/passwd', '/etc']) {
        await assert.rejects(box().run([name]), {
          kind: 'Run',
          message: new RegExp(`"${name}": it is not executable`),
        });
      }
    });

    it('with a NUL is refused before it is sent', async () => {
      await assert.rejects(box().run(['echo', 'a\0b']), { kind: 'InvalidArgument' });
      assert.throws(() => new BoxCommand('echo').arg('a\0b'), { kind: 'InvalidArgument' });
      assert.throws(() => new BoxCommand('echo').env('A', 'a\0b'), { kind: 'InvalidArgument' });
      const { workingDir, user } = { workingDir: '/tmp\0', user: 'root\0' };
      assert.throws(() => new BoxCommand('true').workingDir(workingDir), {
        kind: 'InvalidArgument',
      });
      assert.throws(() => new BoxCommand('true').user(user), { kind: 'InvalidArgument' });
    });

    it('takes 1 MiB of arguments, as they are', async () => {
      const args = Array.from({ length: 16 }, (_, i) => String.fromCharCode(97 + i).repeat(65_536));
      const execution = await box().run(['printf', '%s', ...args]);
      const { stdout } = await execution.output();
      assert.ok(stdout === args.join(''), `${stdout.length} characters came back`);
    });

    it('gets half a character of UTF-16 as a replacement, wherever it stands', async () => {
      const half = '\ud800';
      const command = new BoxCommand('sh')
        .args(['-c', 'printf "%s %s" "$1" "$HALF"', 'sh', `a${half}b`])
        .env('HALF', half);
      const { stdout } = await (await box().run(command)).output();
      assert.equal(stdout, 'a\ufffdb \ufffd');
    });

    it('starts in a directory with a path of 4095 bytes, and in none with one of 4096', async () => {
      const at = `/tmp/${'d'.repeat(200)}/`.concat('./'.repeat(2048)).slice(0, 4094);
      await box().fs.mkdir(`/tmp/${'d'.repeat(200)}`);
      const inside = new BoxCommand('pwd').workingDir(`${at}/`);
      const { stdout } = await (await box().run(inside)).output();
      assert.equal(stdout, `/tmp/${'d'.repeat(200)}\n`);
      const beyond = new BoxCommand('pwd').workingDir(`${at}//`);
      await assert.rejects(box().run(beyond), /name too long/i);
    });

    it('can run 16 times at once, each with its own streams', async () => {
      const runs = Array.from({ length: 16 }, async (_, i) => {
        const script = `read line; echo "out $line"; echo "err $line" >&2; exit ${i}`;
        const execution = await box().run(['sh', '-c', script]);
        const stdin = execution.stdin();
        await stdin?.write(`number ${i}\n`);
        await stdin?.close();
        return execution.output();
      });
      for (const [i, { exitCode, stdout, stderr }] of (await Promise.all(runs)).entries()) {
        assert.deepEqual([exitCode, stdout, stderr], [i, `out number ${i}\n`, `err number ${i}\n`]);
      }
    });

    it('leaves no process behind in the box, however often it runs', async () => {
      for (let i = 0; i < 30; i++) await (await box().run(['true'])).wait();
      // All the container has: its init, and the listing.
      const { stdout } = await shell(box(), 'exec ps -o pid,ppid,stat,comm');
      const left = stdout.split('\n').filter((line) => /^\s*\d+\s/.test(line));
      assert.equal(left.length, 2, stdout);
    });
  });
});
