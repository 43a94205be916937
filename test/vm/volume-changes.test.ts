/** What the host changes in a shared directory while programs of the box use it. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LiteBox } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';

forEachEngine((engine) => {
  describe('a change on the host', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    let share: string;
    before(async () => {
      owner = new TestRuntime(engine);
      share = join(owner.homeDir, 'share');
      mkdirSync(join(share, 'd'), { recursive: true });
      box = await owner.makeBox({ volumes: [{ hostPath: share, guestPath: '/data' }] });
      await box.start();
    });
    after(() => owner[Symbol.asyncDispose]());

    const onHost = (name: string) => join(share, name);

    /**
     * What the box sees, looking without pause from before the change until `seen` holds. Everything it saw on the way has
     * to be what was there before.
     */
    async function sees(seen: string, change: () => void): Promise<void> {
      const script = `${seen} && exit 1; echo ready; until ${seen}; do :; done; echo seen`;
      await using execution = await box.run(['sh', '-c', script]);
      const lines: string[] = [];
      for await (const line of execution.stdout() ?? []) {
        lines.push(line.trim());
        if (lines.length === 1) change();
      }
      assert.deepEqual(lines, ['ready', 'seen']);
    }

    it('to what a file holds and how large it is', async () => {
      writeFileSync(onHost('file'), 'old');
      await sees('[ "$(cat /data/file)" = "something new" ]', () =>
        writeFileSync(onHost('file'), 'something new'),
      );
      await sees('[ $(stat -c %s /data/file) = 5 ]', () => writeFileSync(onHost('file'), '12345'));
    });

    it('to a file that a program has open and follows', async () => {
      writeFileSync(onHost('log'), 'first\n');
      await using execution = await box.run(['tail', '-f', '/data/log']);
      const lines: string[] = [];
      for await (const line of execution.stdout() ?? []) {
        lines.push(line.trim());
        if (lines.length === 3) break;
        appendFileSync(onHost('log'), `line ${lines.length}\n`);
      }
      assert.deepEqual(lines, ['first', 'line 1', 'line 2']);
      await execution.kill();
    });

    it('that makes, renames and deletes a file', async () => {
      await sees('[ -e /data/d/made ]', () => writeFileSync(onHost('d/made'), ''));
      await sees('[ ! -e /data/d/made ] && [ -e /data/d/renamed ]', () =>
        renameSync(onHost('d/made'), onHost('d/renamed')),
      );
      await sees('[ ! -e /data/d/renamed ]', () => rmSync(onHost('d/renamed')));
    });

    it('that replaces a file, as editors save', async () => {
      writeFileSync(onHost('text'), 'one');
      await sees('[ "$(cat /data/text)" = two ]', () => {
        writeFileSync(onHost('.text.new'), 'two');
        renameSync(onHost('.text.new'), onHost('text'));
      });
    });

    it('that renames a directory', async () => {
      mkdirSync(onHost('before'));
      writeFileSync(onHost('before/f'), 'inside');
      await sees('[ ! -e /data/before/f ] && [ "$(cat /data/after/f)" = inside ]', () =>
        renameSync(onHost('before'), onHost('after')),
      );
    });

    it('that comes while the box writes as well loses nothing of either', async () => {
      const script = 'for i in $(seq 200); do echo $i > /data/d/box$i; done';
      const writing = shell(box, script);
      for (let i = 0; i < 200; i++) writeFileSync(onHost(`d/host${i}`), `${i}\n`);
      await writing;
      assert.equal((await shell(box, 'cat /data/d/host* | wc -l')).stdout, '200\n');
      for (let i = 1; i <= 200; i++)
        assert.equal(readFileSync(onHost(`d/box${i}`), 'utf8'), `${i}\n`);
    });
  });
});
