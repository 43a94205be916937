/** What a command sees of the machine it is in, what it cannot do to it, and what it cannot use up. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BoxCommand, BoxliteError, type LiteBox } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

/** Docker's 14: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
 * sys_chroot, mknod, audit_write, setfcap. */
const CAPABILITIES = '00000000a80425fb';
const NONE = '0000000000000000';
/** One no other command has, so that it can be found. */
const FOREVER = '31536000';

/** The fields of /proc/self/status. */
async function statusOf(box: LiteBox, user: string): Promise<Map<string, string>> {
  const command = new BoxCommand('cat').arg('/proc/self/status').user(user);
  const { stdout } = await (await box.run(command)).output();
  return new Map(
    stdout
      .split('\n')
      .map((line) => line.split(':\t').map((part) => part.trim()) as [string, string]),
  );
}

/** How many processes sleep for ever, by what the box's /proc says. */
async function sleepers(box: LiteBox): Promise<number> {
  const { stdout } = await shell(box, `ps -o args | grep -c "^sleep ${FOREVER}"`);
  return Number(stdout);
}

async function until(what: string, met: () => Promise<boolean>): Promise<void> {
  const poll = async () => {
    while (!(await met())) await sleep(50);
  };
  await inTime(what, poll());
}

forEachEngine((engine) => {
  describe('a container', () => {
    const box = sharedBox(engine);

    it('has an init of its own, and nobody else in it but the command', async () => {
      const { stdout } = await shell(box(), 'exec ps -o pid,ppid,comm');
      const rows = stdout.trim().split('\n').slice(1);
      assert.deepEqual(
        rows.map((row) => row.trim().split(/\s+/).slice(1)),
        [
          ['0', 'init'],
          ['0', 'ps'],
        ],
        stdout,
      );
    });

    it('has an init that reaps what has lost its parents', async () => {
      await shell(box(), 'for i in 1 2 3 4 5; do (sh -c "sleep 0.05 &" &); done');
      await until('the orphans to be gone', async () => {
        const { stdout } = await shell(box(), 'exec ps -o pid,stat');
        return stdout.trim().split('\n').length === 3;
      });
    });

    it('has an init that no command can end, stop, trace or look into', async () => {
      const { stdout } = await shell(
        box(),
        'kill -9 1; kill -STOP 1; kill -TERM 1; cat /proc/1/environ /proc/1/maps; ls -l /proc/1/fd /proc/1/exe;' +
          'head -c 1 /proc/1/mem; echo "$?"; ps -o pid,stat | grep "^ *1 "',
      );
      assert.match(stdout, /1\n\s*1 S\s*\n$/);
    });

    it('has commands that get to their start although somebody stops all he sees', async () => {
      await using _stopper = await box().run(['sh', '-c', 'while :; do kill -STOP -1; done']);
      const runOne = async () => {
        await using _ = await inTime('a command to start', box().run(['true']));
      };
      for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 16 }, runOne));
      await inTime('an answer of the agent', box().fs.stat('/'));
    });

    it("has Docker's capabilities for root, and none for others", async () => {
      const root = await statusOf(box(), 'root');
      for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
        assert.equal(root.get(set), CAPABILITIES, set);
      for (const set of ['CapInh', 'CapAmb']) assert.equal(root.get(set), NONE, set);
      assert.equal(root.get('NoNewPrivs'), '0');
      const other = await statusOf(box(), '1000');
      assert.equal(other.get('CapBnd'), CAPABILITIES);
      for (const set of ['CapPrm', 'CapEff', 'CapInh']) assert.equal(other.get(set), NONE, set);
    });

    it('cannot be mounted in, renamed, or given another time', async () => {
      for (const command of [
        'mount -t tmpfs none /tmp',
        'hostname other',
        'date -s 2001-01-01; [ "$(date +%Y)" = 2001 ]',
        'umount /proc',
      ]) {
        const { exitCode, stdout } = await shell(box(), command);
        assert.notEqual(exitCode, 0, `${command}: ${stdout}`);
      }
    });

    it("hides and protects what is the machine's", async () => {
      const script =
        'for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/x /proc/bus/x /sys/x /sys/fs/cgroup/x; ' +
        'do (echo b > $path) 2>/dev/null && echo "wrote $path"; done; ' +
        'for path in /proc/kcore /proc/keys /proc/interrupts /proc/timer_list /proc/sched_debug; ' +
        'do [ ! -s $path ] && [ -z "$(head -c 1 $path 2>/dev/null)" ] || echo "read $path"; done; ' +
        'ls /sys/firmware; cat /proc/sys/fs/protected_symlinks /proc/sys/fs/protected_hardlinks';
      assert.equal((await shell(box(), script)).stdout, '1\n1\n');
    });

    it('has no device but the usual ones, whatever nodes are made', async () => {
      // The disks of both engines, and the wire of one.
      const script =
        'for place in /dev /tmp /root /dev/shm; do for node in "b 98 0" "b 254 0" "b 253 0" "c 4 64" "c 1 1"; do ' +
        'rm -f $place/node; mknod $place/node $node && (: < $place/node) 2>/dev/null && echo "$place $node"; done; done; ' +
        'echo through > /dev/null && head -c 4 /dev/zero | wc -c';
      assert.equal((await shell(box(), script)).stdout.trim(), '4');
    });

    it('has shared memory, message queues, terminals and descriptors in /dev', async () => {
      const script =
        'stat -c "%a %n" /dev/shm /dev/mqueue; grep -c " /dev/\\(shm\\|mqueue\\|pts\\) " /proc/mounts; ' +
        'for link in fd stdin ptmx; do readlink /dev/$link; done; echo x > /dev/shm/file && cat /dev/shm/file';
      const { stdout } = await shell(box(), script);
      assert.equal(
        stdout,
        '1777 /dev/shm\n1777 /dev/mqueue\n3\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\nx\n',
      );
    });

    it('has the names of its box, its host and its resolver', async () => {
      const { stdout } = await shell(
        box(),
        'hostname; cat /etc/hostname; grep -c "$(hostname)" /etc/hosts; grep host.boxlite /etc/hosts; cat /etc/resolv.conf',
      );
      const hostname = box().id.asStr().toLowerCase();
      assert.equal(
        stdout,
        `${hostname}\n${hostname}\n1\n192.168.127.254\thost.boxlite.internal\nnameserver 192.168.127.1\n`,
      );
    });

    it('shares its file systems with the files of the box', async () => {
      await box().fs.writeFile('/dev/shm/from-host', 'seen');
      assert.equal((await shell(box(), 'cat /dev/shm/from-host')).stdout, 'seen');
      assert.match(await box().fs.readFile('/etc/resolv.conf', 'utf8'), /^nameserver /);
      assert.match(await box().fs.readFile('/proc/1/comm', 'utf8'), /^init$/m);
      // Who works on files is not in the container.
      const { stdout } = await shell(box(), 'exec ps -o comm');
      assert.deepEqual(stdout.trim().split('\n'), ['COMMAND', 'init', 'ps']);
    });

    it('gives a user the streams of its command', async () => {
      const command = (tty: boolean) =>
        new BoxCommand('sh')
          .args(['-c', 'echo out > /dev/stdout; echo err > /dev/stderr; tty'])
          .user('1000')
          .tty(tty);
      const piped = await (await box().run(command(false))).output();
      assert.deepEqual([piped.stdout, piped.stderr], ['out\nnot a tty\n', 'err\n']);
      const { stdout } = await (await box().run(command(true))).output();
      assert.match(stdout, /^out\r\nerr\r\n\/dev\/pts\/\d+\r\n$/);
    });

    it('lets a command go that leaves somebody behind, whom kill() of another does not reach', async () => {
      const left = await shell(box(), `(setsid sleep ${FOREVER} </dev/null >/dev/null 2>&1 &)`);
      assert.equal(left.exitCode, 0);
      // The shell was done before what it left behind had become a sleep.
      await until('the sleeper', async () => (await sleepers(box())) === 1);
      await using other = await box().run(['sleep', '1000']);
      await other.kill();
      assert.equal((await other.wait()).exitCode, -9);
      assert.equal(await sleepers(box()), 1);
      await shell(box(), 'killall sleep');
      await until('its end', async () => (await sleepers(box())) === 0);
    });

    for (const [how, end] of [
      ['kill()', 'kill'],
      ['a timeout', 'timeout'],
    ] as const) {
      it(`loses a daemon to ${how}, which has left its session and its parents`, async () => {
        const daemon = `(setsid sh -c "setsid sleep ${FOREVER} &" &) >/dev/null 2>&1`;
        const untilThere = `until ps -o args | grep -q "^sleep ${FOREVER}"; do sleep 0.05; done`;
        const script = `${daemon}; ${untilThere}; echo ready; sleep 1000`;
        const command = new BoxCommand('sh').args(['-c', script]);
        const execution = await box().run(end === 'timeout' ? command.timeout(5_000) : command);
        const said: string[] = [];
        for await (const line of execution.stdout() ?? []) {
          said.push(line);
          if (line === 'ready') break;
        }
        assert.deepEqual(said, ['ready']);
        if (end === 'kill') await execution.kill();
        await execution.wait();
        await until('the daemon to be gone', async () => (await sleepers(box())) === 0);
      });
    }

    it('tells a program with a path that is too long from one that is not there', async () => {
      const long = `/${'x'.repeat(250)}`.repeat(17).slice(0, 4096);
      await assert.rejects(box().run([long]), (error) => {
        assert.ok(BoxliteError.is(error, 'Run'));
        assert.match(error.message, /name too long/i);
        return true;
      });
      await assert.rejects(box().run(new BoxCommand('true').workingDir(long)), { kind: 'Run' });
    });

    it('takes an environment of 1 MiB, and refuses an argument of as much in words', async () => {
      const value = 'v'.repeat(1024);
      const variables = Object.fromEntries(
        Array.from({ length: 1000 }, (_, i) => [`LARGE_${i}`, value]),
      );
      const command = new BoxCommand('sh')
        .args(['-c', 'env | grep -c "^LARGE_.*v$"'])
        .envs(variables);
      const long = new BoxCommand('echo').args(['x'.repeat(1024 * 1024)]);
      // The wire asks now and then whether all has arrived: sooner or later that is in the middle of such a message.
      for (let round = 0; round < 12; round++) {
        assert.equal((await (await box().run(command)).output()).stdout, '1000\n');
        await assert.rejects(box().run(long), /Argument list too long/);
      }
    });

    it('takes 64 commands at once, each with its own streams', async () => {
      const runs = Array.from({ length: 64 }, async (_, i) => {
        const execution = await box().run(['sh', '-c', 'read line; echo "$line"']);
        const stdin = execution.stdin();
        await stdin?.write(`line ${i}\n`);
        await stdin?.close();
        return (await execution.output()).stdout;
      });
      const outputs = await inTime('64 commands', Promise.all(runs), 120_000);
      assert.deepEqual(
        outputs,
        runs.map((_, i) => `line ${i}\n`),
      );
    });

    it('leaks nothing, however many commands it runs', async (test) => {
      const few = engine === 'uml' ? 300 : 150;
      await leaksNothing(box(), Number(process.env['BOXLITE_TEST_COMMANDS'] ?? few), test);
    });

    it('follows when the time of the host jumps', async (test) => {
      const now = Date.now.bind(Date);
      test.after(() => shell(box(), 'true'));
      const hour = 3_600_000;
      using _ = replaceNow(() => now() + hour);
      const { stdout } = await shell(box(), 'date +%s');
      assert.ok(Math.abs(Number(stdout) * 1000 - now() - hour) < 60_000, stdout);
    });
  });

  describe('a container without memory or process numbers', () => {
    it('loses whoever takes all memory, says so, and goes on', async () => {
      await using owner = new TestRuntime(engine);
      await using box = await owner.makeBox({ memoryMib: 128 });
      const alone = await inTime('tail', (await box.run(['tail', '/dev/zero'])).wait(), 120_000);
      assert.deepEqual([alone.signal, alone.outOfMemory], ['SIGKILL', true]);
      // Whose command lost somebody says so however it ends, and nobody else does.
      await using beside = await box.run(['cat']);
      for (const [script, exitCode] of [
        ['tail /dev/zero; exit $?', 137],
        ['tail /dev/zero; exit 3', 3],
        ['(tail /dev/zero; true) & wait', 0],
      ] as const) {
        const run = await box.run(['sh', '-c', script]);
        const within = await inTime('tail', run.wait(), 120_000);
        assert.deepEqual([within.exitCode, within.outOfMemory], [exitCode, true], script);
      }
      assert.equal((await beside.wait()).outOfMemory, false);
      assert.equal((await shell(box, 'kill -9 $$')).outOfMemory, false);
      assert.equal((await shell(box, 'cat /proc/1/comm')).stdout, 'init\n');
    });

    it('answers through a fork bomb, which kill() ends', async () => {
      await using owner = new TestRuntime(engine);
      await using box = await owner.makeBox({ memoryMib: 128 });
      await using bomb = await box.run(['sh', '-c', 'b() { b | b & }; b; sleep 1000']);
      await sleep(1_000);
      const { stdout } = await inTime('echo', (await box.run(['echo', 'here'])).output(), 120_000);
      assert.equal(stdout, 'here\n');
      await bomb.kill();
      assert.equal((await inTime('the end of the bomb', bomb.wait(), 120_000)).exitCode, -9);
      await until('the bomb to be gone', async () => {
        const { stdout: list } = await shell(box, 'exec ps -o pid');
        return list.trim().split('\n').length === 3;
      });
    });

    it('answers through a fork bomb that does not listen, which a timeout ends', async () => {
      await using owner = new TestRuntime(engine);
      // Memory for so many processes that new ones come faster than they are counted.
      await using box = await owner.makeBox({ memoryMib: 512 });
      const script = 'trap "" TERM; b() { b | b & }; b; sleep 1000';
      const command = new BoxCommand('sh').args(['-c', script]).timeout(1_000);
      await using bomb = await box.run(command);
      const result = await inTime('the end of the bomb', bomb.wait(), 120_000);
      assert.deepEqual([result.exitCode, result.timedOut], [-9, true]);
      await inTime('an answer of the agent', box.fs.stat('/'), 120_000);
    });
  });

  describe('the files by which names are found', () => {
    it('stand where the links of an image lead, and nowhere else', async () => {
      await using owner = new TestRuntime(engine);
      const rootfsPath = join(owner.homeDir, 'root');
      mkdirSync(join(rootfsPath, 'etc'), { recursive: true });
      copyFileSync('/bin/busybox', join(rootfsPath, 'busybox'));
      writeFileSync(join(rootfsPath, 'etc/hosts'), 'of the image\n');
      symlinkSync('../run/systemd/resolve/stub.conf', join(rootfsPath, 'etc/resolv.conf'));
      mkdirSync(join(rootfsPath, 'etc/hostname'));
      const box = await owner.makeBox({
        rootfs: { rootfsPath },
        network: 'disabled',
        autoRemove: false,
      });
      const run = async (...args: string[]) =>
        (await (await box.run(['/busybox', ...args])).output()).stdout;
      assert.match(await run('cat', '/etc/hosts'), /localhost/);
      assert.equal(await run('readlink', '/etc/resolv.conf'), '../run/systemd/resolve/stub.conf\n');
      assert.equal(await run('cat', '/run/systemd/resolve/stub.conf'), '');
      assert.equal(await run('stat', '-c', '%F', '/etc/hostname'), 'directory\n');
      // What a command writes there is gone with the machine; the image's own has not changed.
      await run('sh', '-c', 'echo mine > /etc/hosts');
      assert.equal(await run('cat', '/etc/hosts'), 'mine\n');
      await box.stop();
      assert.match(await run('cat', '/etc/hosts'), /localhost/);
      assert.equal(readFileSync(join(rootfsPath, 'etc/hosts'), 'utf8'), 'of the image\n');
    });
  });
});

/** What a run of many commands may not add to, on either side. */
/** What the heap may have grown by, however many commands there were. */
const HEAP_GROWTH_BYTES = 1024 * 1024;

/** Compares what the box and this program hold before and after; `BOXLITE_TEST_COMMANDS=10000` makes it a long run. */
async function leaksNothing(box: LiteBox, rounds: number, test: TestContext): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const many = async (count: number) => {
    for (let i = 0; i < count; i++) await (await box.run(['true'])).wait();
  };
  const look = async () => {
    const script =
      'cut -f 1 /proc/sys/fs/file-nr; ls -d /sys/fs/cgroup/*/ | wc -l; grep -E "^(AnonPages|SUnreclaim)" /proc/meminfo | tr -dc "0-9\n"';
    const { stdout } = await shell(box, script);
    const [files = 0, groups = 0, ...kib] = stdout.trim().split('\n').map(Number);
    const [anonymousKib = 0, kernelKib = 0] = kib;
    collect();
    const { heapUsed } = process.memoryUsage();
    return {
      files,
      groups,
      anonymousKib,
      kernelKib,
      descriptors: readdirSync('/proc/self/fd').length,
      heapUsed,
    };
  };
  await many(50);
  const before = await look();
  await many(rounds);
  const after = await look();
  test.diagnostic(JSON.stringify({ rounds, before, after }));
  // The kernel counts open files a processor at a time.
  assert.ok(after.files <= before.files + 64, `${before.files} open files became ${after.files}`);
  assert.ok(after.groups <= before.groups + 4, `${before.groups} groups became ${after.groups}`);
  assert.ok(
    after.anonymousKib <= before.anonymousKib + 512,
    `${before.anonymousKib} KiB became ${after.anonymousKib}`,
  );
  assert.ok(
    after.kernelKib <= before.kernelKib + 2048,
    `${before.kernelKib} KiB of the kernel's became ${after.kernelKib}`,
  );
  assert.ok(
    after.descriptors <= before.descriptors + 2,
    `${after.descriptors} descriptors of the owner`,
  );
  assert.ok(
    after.heapUsed < before.heapUsed + HEAP_GROWTH_BYTES,
    `the heap grew to ${after.heapUsed} bytes`,
  );
}

/** Until disposed of, the time is what `now` says. */
function replaceNow(now: () => number): Disposable {
  const real = Date.now;
  Date.now = now;
  return {
    [Symbol.dispose]: () => {
      Date.now = real;
    },
  };
}
