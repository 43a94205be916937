import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  BoxCommand,
  BoxliteError,
  type LiteBox,
  MemoryVolume,
  type VolumeNode,
} from '../../src/index.ts';
import { folders, forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';

/** What a script says, which must have ended well. */
async function says(box: LiteBox, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await shell(box, script);
  assert.equal(exitCode, 0, `${script}: ${stdout}${stderr}`);
  return stdout;
}

forEachEngine((engine) => {
  describe('a shared directory', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    let share: string;
    before(async () => {
      share = mkdtempSync(join(folders.homes, '../share-'));
      mkdirSync(join(share, 'fixed'));
      writeFileSync(join(share, 'fixed/file'), 'from the host\n');
      writeFileSync(join(share, 'single'), 'one file\n');
      mkdirSync(join(share, 'inner'));
      mkdirSync(join(share, 'shared'));
      owner = new TestRuntime(engine);
      box = await owner.makeBox({
        cpus: 2,
        volumes: [
          { hostPath: join(share, 'inner'), guestPath: '/data/nested/inner' },
          { hostPath: join(share, 'shared'), guestPath: '/data' },
          { hostPath: join(share, 'fixed'), guestPath: '/fixed', readOnly: true },
          { hostPath: join(share, 'single'), guestPath: '/etc/single.conf' },
        ],
      });
      await box.start();
    });
    after(async () => {
      await owner[Symbol.asyncDispose]();
      rmSync(share, { recursive: true, force: true });
    });
    const onHost = (name: string) => join(share, 'shared', name);

    it('leaves all processors to what runs in the box', async () => {
      const allowed = await says(box, "awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status");
      assert.equal(allowed, (await kernelOf(engine)).smp ? '0-1\n' : '0\n');
    });

    it('is read and written on both sides', async () => {
      writeFileSync(onHost('a'), 'host');
      assert.equal(await says(box, 'cat /data/a; echo guest > /data/b'), 'host');
      assert.equal(readFileSync(onHost('b'), 'utf8'), 'guest\n');
    });

    it('keeps whole files through the wire', async () => {
      const content = Buffer.alloc(5_000_001, 'boxlite volumes ');
      writeFileSync(onHost('large'), content);
      await says(box, 'cp /data/large /tmp/x; cp /tmp/x /data/copy; cmp /data/large /data/copy');
      assert.ok(readFileSync(onHost('copy')).equals(content));
    });

    it('has directories, links, modes and times', async () => {
      const script = `cd /data && mkdir -p d/e && echo x > d/e/f && ln -s e/f d/link && ln d/e/f d/hard &&
        chmod 640 d/e/f && touch -d '2020-02-03 04:05:06' d/e/f && mv d/e/f d/e/g && rm -r d/hard &&
        stat -c '%a %h %Y %F' d/e/g && readlink d/link && ls d`;
      assert.equal(await says(box, script), '640 1 1580702706 regular file\ne/f\ne\nlink\n');
      assert.equal(readlinkSync(onHost('d/link')), 'e/f');
      assert.equal(statSync(onHost('d/e/g')).mtimeMs, 1_580_702_706_000);
      await says(box, 'rm -r /data/d');
      assert.ok(!existsSync(onHost('d')));
    });

    it('runs programs and has them as a working directory', async () => {
      writeFileSync(onHost('program'), '#!/bin/sh\necho "$PWD $1"\n', { mode: 0o755 });
      const program = new BoxCommand('./program').args(['ran']).workingDir('/data');
      await using execution = await box.run(program);
      assert.equal((await execution.output()).stdout, '/data ran\n');
      const refused = box.run(new BoxCommand('./none').workingDir('/data'));
      await assert.rejects(refused, (error) => BoxliteError.is(error, 'Run'));
      const elsewhere = box.run(new BoxCommand('true').workingDir('/data/none'));
      await assert.rejects(elsewhere, (error) => BoxliteError.is(error, 'Run'));
    });

    it('is read-only if it is asked to be', async () => {
      const { exitCode, stderr } = await shell(box, 'cat /fixed/file; echo x > /fixed/new');
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /Read-only file system/);
      const again = await shell(box, 'mount -o remount,rw /fixed; rm /fixed/file; mkdir /fixed/d');
      assert.notEqual(again.exitCode, 0);
      assert.deepEqual(readdirSync(join(share, 'fixed')), ['file']);
    });

    it('can be a single file', async () => {
      const script = 'cat /etc/single.conf; echo more >> /etc/single.conf; ls /etc | grep single';
      assert.equal(await says(box, script), 'one file\nsingle.conf\n');
      assert.equal(readFileSync(join(share, 'single'), 'utf8'), 'one file\nmore\n');
    });

    it('can have another one inside', async () => {
      await says(box, 'echo inside > /data/nested/inner/file');
      assert.equal(readFileSync(join(share, 'inner/file'), 'utf8'), 'inside\n');
      assert.deepEqual(readdirSync(onHost('nested')), ['inner']);
      assert.deepEqual(readdirSync(onHost('nested/inner')), []);
    });

    it('does not lead out by a link', async () => {
      writeFileSync(join(share, 'secret'), 'secret');
      symlinkSync('../secret', onHost('out'));
      symlinkSync('/etc/hostname', onHost('absolute'));
      const { stdout } = await shell(box, 'cat /data/out; cat /data/../secret; ls -a /data/..');
      assert.doesNotMatch(stdout, /secret/);
    });
  });

  it('a program shares memory, and files it makes up', async () => {
    await using owner = new TestRuntime(engine);
    const memory = new MemoryVolume();
    memory.writeFile('/in/put', 'hello');
    const greeting: VolumeNode = {
      stat: async () => ({ type: 'file', mode: 0o444, size: 6 }),
      open: async () => ({
        read: async (length, position) =>
          Buffer.from('hello\n').subarray(position, position + length),
        close: async () => undefined,
      }),
    };
    const top: VolumeNode = {
      stat: async () => ({ type: 'directory', mode: 0o755 }),
      lookup: async (name) => (name.equals(Buffer.from('greeting')) ? found(greeting) : null),
      list: async () => [{ name: Buffer.from('greeting'), type: 'file' }],
    };
    const found = async (node: VolumeNode) => ({ node, stat: await node.stat() });
    const volumes = [
      { guestPath: '/memory', provider: memory },
      { guestPath: '/hello', provider: { root: () => found(top) } },
    ];
    await using box = await owner.makeBox({ volumes, user: '12:34' });
    const script = `ls /hello; cat /hello/greeting; tr a-z A-Z < /memory/in/put > /memory/output
      stat -c '%u:%g' /memory/output /memory/in; echo x > /hello/new`;
    const { stdout } = await shell(box, script);
    assert.equal(stdout, 'greeting\nhello\n12:34\n12:34\n');
    assert.equal(memory.readFile('/output').toString(), 'HELLO');
    await assert.rejects(owner.makeBox({ volumes, detach: true }), (error) =>
      BoxliteError.is(error, 'InvalidArgument'),
    );
  });

  it('can be stopped and started with files open', async () => {
    await using owner = new TestRuntime(engine);
    const share = join(owner.homeDir, 'share');
    mkdirSync(share);
    await using box = await owner.makeBox({
      autoRemove: false,
      volumes: [{ hostPath: share, guestPath: '/data' }],
    });
    await shell(box, 'echo kept > /data/file; sleep 1000 < /data/file > /data/log 2>&1 &');
    await box.stop();
    assert.deepEqual(readdirSync(share).toSorted(), ['file', 'log']);
    assert.equal((await shell(box, 'cat /data/file')).stdout, 'kept\n');
  });

  it('a box whose volume cannot be opened does not boot', async () => {
    await using owner = new TestRuntime(engine);
    const missing = [{ hostPath: join(owner.homeDir, 'none'), guestPath: '/x' }];
    await assert.rejects(owner.makeBox({ volumes: missing }), (error) =>
      BoxliteError.is(error, 'InvalidArgument'),
    );
    const file = join(owner.homeDir, 'file');
    writeFileSync(file, '');
    await using box = await owner.makeBox({ volumes: [{ hostPath: file, guestPath: '/etc' }] });
    await assert.rejects(box.start(), /Cannot mount the volume "\/etc": Not a directory/);
  });
});
