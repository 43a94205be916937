/** Volumes that are full, large, many, or have names that no text has. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type LiteBox, MemoryVolume, type VolumeNode } from '../../src/index.ts';
import { compileGuest } from './compile.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

const MANY_FILES = 100_000;
const MANY_VOLUMES = 16;
/** An emulated box lists that many in about ten seconds when it has the host to itself. */
const LONG_MS = 120_000;
/** The middle of a file of 5 GiB. */
const FAR = 4_500_000_000;

forEachEngine((engine) => {
  describe('a volume', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    let share: string;
    before(async () => {
      owner = new TestRuntime(engine);
      share = join(owner.homeDir, 'share');
      const tools = join(owner.homeDir, 'tools');
      for (const folder of [share, tools]) mkdirSync(folder);
      compileGuest('inotify', tools);
      box = await owner.makeBox({
        volumes: [
          { hostPath: share, guestPath: '/data' },
          { hostPath: tools, guestPath: '/tools', readOnly: true },
          { provider: overQuota(), guestPath: '/quota' },
          { provider: new MemoryVolume({ maxBytes: 100_000 }), guestPath: '/small' },
        ],
      });
      await box.start();
    });
    after(() => owner[Symbol.asyncDispose]());

    const says = async (script: string) => {
      await using execution = await box.run(['sh', '-c', script]);
      const { stdout, stderr } = await inTime(script, execution.output(), LONG_MS);
      return stdout + stderr;
    };

    it(`has ${MANY_FILES} files in a directory`, async () => {
      const many = join(share, 'many');
      mkdirSync(many);
      for (let i = 0; i < MANY_FILES; i++) writeFileSync(join(many, `file${i}`), '');
      assert.equal(
        await says('cd /data/many; rm file7; ls -1 | grep -c file'),
        `${MANY_FILES - 1}\n`,
      );
      assert.ok(!existsSync(join(many, 'file7')));
      rmSync(many, { recursive: true });
    });

    it('has files of more than 4 GiB, most of which are holes', async () => {
      const script = `cd /data; truncate -s 5G huge; printf far | dd of=huge bs=1 seek=${FAR} conv=notrunc 2>/dev/null
        dd if=huge bs=1 skip=${FAR} count=3 2>/dev/null; stat -c " %s" huge; [ $(du -k huge | cut -f1) -lt 100 ] && echo sparse`;
      assert.equal(await says(script), `far ${5 * 1024 ** 3}\nsparse\n`);
      const { size, blocks } = statSync(join(share, 'huge'));
      assert.equal(size, 5 * 1024 ** 3);
      assert.ok(blocks < 200);
      rmSync(join(share, 'huge'));
    });

    it('keeps names that are no text, and tells cases apart', async () => {
      const bytes = Buffer.from([0x66, 0xff, 0xfe, 0x0a, 0x80]);
      writeFileSync(Buffer.concat([Buffer.from(`${share}/`), bytes]), 'from the host');
      assert.equal(await says(`cat "$(printf '/data/f\\377\\376\\n\\200')"`), 'from the host');
      await says(
        `echo x > "$(printf '/data/g\\303\\050')"; echo 1 > /data/Case; echo 2 > /data/case`,
      );
      const names = readdirSync(share, { encoding: 'buffer' }).map((name) =>
        name.toString('latin1'),
      );
      assert.ok(names.includes('g\u00c3('));
      assert.equal(readFileSync(join(share, 'Case'), 'utf8'), '1\n');
      assert.equal(await says('cat /data/case'), '2\n');
    });

    it('wakes whoever watches it in the box', async () => {
      await using watcher = await box.run(['/tools/inotify', '/data']);
      const seen: string[] = [];
      for await (const line of watcher.stdout() ?? []) {
        seen.push(line.trim());
        if (seen.length === 1) await says('cd /data; echo x > new; mv new moved; rm moved');
      }
      // IN_CREATE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE
      const expected = ['100 new', '2 new', '40 new', '80 moved', '200 moved'];
      assert.deepEqual(seen, ['ready', ...expected]);
    });

    it('that is full says so', async () => {
      assert.match(
        await says('dd if=/dev/zero of=/small/f bs=1k count=200'),
        /No space left on device/,
      );
      assert.equal(await says('rm /small/f; echo room > /small/g; cat /small/g'), 'room\n');
    });

    it('that is over its quota says so', async () => {
      assert.match(await says('echo x > /quota/file'), /Disk quota exceeded|quota/i);
    });
  });

  it('a directory on a disk that is full says so', {
    skip: process.getuid?.() === 0 ? false : 'only root can mount a small disk',
  }, async () => {
    await using owner = new TestRuntime(engine);
    const share = join(owner.homeDir, 'small');
    mkdirSync(share);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'small', share]);
    try {
      await using box = await owner.makeBox({ volumes: [{ hostPath: share, guestPath: '/data' }] });
      const full = await shell(box, 'dd if=/dev/zero of=/data/f bs=4k count=500');
      assert.match(full.stderr, /No space left on device/);
      assert.equal((await shell(box, 'rm /data/f; echo x > /data/g; cat /data/g')).stdout, 'x\n');
      await box.stop();
    } finally {
      execFileSync('umount', [share]);
    }
  });

  it(`a box has ${MANY_VOLUMES} volumes, one inside the other and side by side`, async () => {
    await using owner = new TestRuntime(engine);
    const paths = Array.from({ length: MANY_VOLUMES }, (_, i) => {
      return i < MANY_VOLUMES / 2 ? `/deep${'/in'.repeat(i)}` : `/flat/${i}`;
    });
    const volumes = paths.map((guestPath, i) => {
      const hostPath = join(owner.homeDir, `volume${i}`);
      mkdirSync(hostPath);
      return { hostPath, guestPath };
    });
    await using box = await owner.makeBox({ volumes: volumes.toReversed() });
    const script = paths.map((path) => `echo ${path} > ${path}/file`).join('\n');
    assert.equal((await shell(box, script)).stderr, '');
    for (const { hostPath, guestPath } of volumes) {
      assert.equal(readFileSync(join(hostPath, 'file'), 'utf8'), `${guestPath}\n`);
    }
  });
});

/** A directory in which everything fails as on a disk whose quota is used up. */
function overQuota() {
  const exceeded = Object.assign(new Error('over quota'), { code: 'EDQUOT' });
  const stat = { type: 'directory', mode: 0o755 } as const;
  const node: VolumeNode = {
    stat: async () => stat,
    lookup: async () => null,
    list: async () => [],
    create: () => Promise.reject(exceeded),
  };
  return { root: async () => ({ node, stat }) };
}
