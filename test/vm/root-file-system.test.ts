import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { BoxCommand } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';

/** The host's static busybox, which `builtin:base` is made of. */
function findBusybox(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'busybox')).find(existsSync);
  assert.ok(found !== undefined, 'busybox is not installed');
  return found;
}

/** Folders of the host that are root file systems of boxes. */
function makeRoot(within: string, name: string, fill: (root: string) => void): string {
  const root = join(within, name);
  mkdirSync(root);
  fill(root);
  return root;
}

forEachEngine((engine) => {
  describe('a directory as the root file system', () => {
    it('is what the box sees, and the box cannot change it', async () => {
      await using owner = new TestRuntime(engine);
      const rootfsPath = makeRoot(owner.homeDir, 'root', (root) => {
        copyFileSync(findBusybox(), join(root, 'busybox'));
        writeFileSync(join(root, 'data'), 'of the host');
        writeFileSync(join(root, 'private'), 'for its owner');
        chmodSync(join(root, 'private'), 0o4640);
        symlinkSync('data', join(root, 'link'));
        mkdirSync(join(root, 'folder'));
      });
      const box = await owner.makeBox({ rootfs: { rootfsPath } });
      const run = async (script: string) =>
        (await box.run(['/busybox', 'sh', '-c', script])).output();
      assert.equal(box.info().image, rootfsPath);
      assert.equal((await run('/busybox cat /link')).stdout, 'of the host');
      assert.equal((await run('/busybox stat -c "%a %F" /private')).stdout, '4640 regular file\n');
      // What a root file system lacks and a box needs is made.
      const { stdout } = await run('/busybox ls /; echo text > /folder/new; echo other > /data');
      assert.deepEqual(stdout.trim().split('\n').sort(), [
        ...['busybox', 'data', 'dev', 'etc', 'folder', 'link', 'private', 'proc', 'sys'],
      ]);
      assert.equal((await run('/busybox cat /data /folder/new')).stdout, 'other\ntext\n');
      assert.equal(existsSync(join(rootfsPath, 'folder/new')), false);
      assert.equal(existsSync(join(rootfsPath, 'proc')), false);

      // It has no /etc/passwd: only numbers are users there.
      await assert.rejects(box.run(new BoxCommand('/busybox').user('nobody')), {
        kind: 'Run',
        message: /no such user/,
      });
      const asNumber = new BoxCommand('/busybox').args(['id', '-u']).user('1234');
      assert.equal((await (await box.run(asNumber)).output()).stdout, '1234\n');
    });

    it('without the command is Run, and the box goes on', async () => {
      await using owner = new TestRuntime(engine);
      const rootfsPath = makeRoot(owner.homeDir, 'empty', () => undefined);
      const box = await owner.makeBox({ rootfs: { rootfsPath } });
      for (let i = 0; i < 2; i++) {
        await assert.rejects(box.run(['echo', 'hello']), {
          kind: 'Run',
          message: /"echo": it was not found in the box/,
        });
      }
      assert.equal(box.info().status, 'running');
    });

    it('with a program for another system is Run, and says that it cannot be executed', async () => {
      await using owner = new TestRuntime(engine);
      const rootfsPath = makeRoot(owner.homeDir, 'foreign', (root) => {
        writeFileSync(join(root, 'program'), 'MZ no program of ours', { mode: 0o755 });
        writeFileSync(join(root, 'script'), '#!/no/such/shell\n', { mode: 0o755 });
      });
      const box = await owner.makeBox({ rootfs: { rootfsPath } });
      await assert.rejects(box.run(['/program']), {
        kind: 'Run',
        message: /"\/program": it is not executable/,
      });
      await assert.rejects(box.run(['/script']), { kind: 'Run' });
    });

    it('that is not there is refused before anything boots', async () => {
      await using owner = new TestRuntime(engine);
      await assert.rejects(async () => {
        const box = await owner.makeBox({ rootfs: { rootfsPath: join(owner.homeDir, 'none') } });
        await box.start();
      }, /none/);
    });

    it('with more attributes than can be read is refused, and not without some of them', async () => {
      await using owner = new TestRuntime(engine);
      // Each takes twice as much as text, and a file system may give a file no more than a block.
      const names = Array.from({ length: 600 }, (_, i) => `${i}`);
      const directory = makeRoot(owner.homeDir, 'labelled', (root) => {
        for (const name of names) writeFileSync(join(root, name), '');
      });
      const value = '61'.repeat(3_900);
      const dump = names.map((name) => `# file: ${name}\nuser.label=0x${value}\n`);
      execFileSync('setfattr', ['--restore=-'], { cwd: directory, input: dump.join('\n') });
      await assert.rejects(
        async () => {
          const box = await owner.makeBox({ rootfs: { rootfsPath: directory } });
          await box.start();
        },
        { kind: 'Image', message: /labelled.*4 MiB/ },
      );
    });
  });

  describe('the file system of a box', () => {
    const box = sharedBox(engine, { diskSizeGb: 1 });

    it("has the devices and the kernel's file systems that programs expect", async () => {
      const script = `
        set -e
        echo text > /dev/null; test -z "$(cat /dev/null)"
        test "$(head -c 3 /dev/zero | od -An -tx1 | tr -d ' ')" = 000000
        ! echo text > /dev/full
        test "$(head -c 16 /dev/urandom | wc -c)" = 16
        test -d /dev/pts; test -c /dev/ptmx; test -c /dev/tty
        echo text | cat /dev/stdin; echo err > /dev/stderr; echo out > /dev/stdout
        echo shared > /dev/shm/file; cat /dev/shm/file; rm /dev/shm/file
        test "$(stat -c %a /dev/shm)" = 1777
        test -r /proc/self/status; test -d /sys/kernel
        ls /dev/fd/0 > /dev/null
        echo good`;
      const { exitCode, stdout, stderr } = await shell(box(), script);
      assert.equal(stdout, 'text\nout\nshared\ngood\n', stderr);
      assert.equal(exitCode, 0);
    });

    it('does not let a box change its kernel by way of /sys', async () => {
      const { stdout } = await shell(box(), 'grep " /sys " /proc/mounts');
      assert.match(stdout, /^sysfs \/sys sysfs ro,/);
    });

    it('can be written all over, as large as the disk is', async () => {
      const script =
        'mkdir /a /usr/b; echo 1 > /a/f; echo 2 > /usr/b/f; cat /a/f /usr/b/f; df -m /';
      const { stdout } = await shell(box(), script);
      assert.match(stdout, /^1\n2\n/);
      const size = Number(/overlay\s+(\d+)/.exec(stdout)?.[1]);
      assert.ok(size > 900 && size <= 1024, `${size} MiB`);
    });

    it('keeps owners, modes, links and large files', async () => {
      const script = `
        cd /tmp; echo x > f; chown 12:34 f; chmod 4751 f; ln f hard; ln -s f soft; mkfifo pipe
        stat -c "%u %g %a %h" f; readlink soft; stat -c %F pipe
        dd if=/dev/zero of=large bs=1M count=0 seek=3000 2>/dev/null; stat -c %s large; rm -r /tmp/*`;
      const { stdout } = await shell(box(), script);
      assert.equal(stdout, '12 34 4751 2\nf\nfifo\n3145728000\n');
    });

    it('that is full says so, and the box goes on', async () => {
      const script =
        'fallocate -l 2000000000 /fill 2>&1 | grep -o "No space left"; rm -f /fill; echo ok';
      const { stdout } = await shell(box(), script);
      assert.equal(stdout, 'No space left\nok\n');
    });
  });
});
