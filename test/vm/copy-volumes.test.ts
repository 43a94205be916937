import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BoxliteError, type LiteBox } from '../../src/index.ts';
import { folders, forEachEngine, shell, TestRuntime } from './fixture.ts';

forEachEngine((engine) => {
  describe('a copy to a box with volumes', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    let host: string;

    before(async () => {
      host = mkdtempSync(join(folders.homes, '../copy-volumes-'));
      for (const name of ['shared', 'fixed']) mkdirSync(join(host, name));
      writeFileSync(join(host, 'fixed/file'), 'fixed');
      writeFileSync(join(host, 'single'), 'one file');
      writeFileSync(join(host, 'file'), 'copied');
      owner = new TestRuntime(engine);
      box = await owner.makeBox({
        volumes: [
          { hostPath: join(host, 'shared'), guestPath: '/data' },
          { hostPath: join(host, 'fixed'), guestPath: '/fixed', readOnly: true },
          { hostPath: join(host, 'single'), guestPath: '/etc/single.conf' },
        ],
      });
      await box.start();
    });
    after(async () => {
      await owner[Symbol.asyncDispose]();
      rmSync(host, { recursive: true, force: true });
    });

    /** The code of the error that a copy ends with. */
    async function refusal(guestPath: string): Promise<string | undefined> {
      const error = await box.copyIn(join(host, 'file'), guestPath).then(
        () => assert.fail(`${guestPath} was written`),
        (reason: unknown) => reason,
      );
      assert.ok(BoxliteError.is(error), String(error));
      return error.systemCode;
    }

    it('reaches a shared directory, and what is in one comes out', async () => {
      await box.copyIn(join(host, 'file'), '/data/in');
      assert.equal(readFileSync(join(host, 'shared/in'), 'utf8'), 'copied');
      await box.copyOut('/fixed', join(host, 'out'));
      assert.equal(readFileSync(join(host, 'out/file'), 'utf8'), 'fixed');
    });

    it('goes beside a shared file, and never takes its place', async () => {
      await box.copyIn(join(host, 'file'), '/etc/other.conf');
      assert.equal((await shell(box, 'cat /etc/other.conf')).stdout, 'copied');
      assert.equal(await refusal('/etc/single.conf'), 'EBUSY');
      assert.equal((await shell(box, 'cat /etc/single.conf')).stdout, 'one file');
      assert.equal(readFileSync(join(host, 'single'), 'utf8'), 'one file');
      assert.equal((await shell(box, 'ls -a /etc | grep boxlite')).stdout, '');
    });

    it('writes nothing to a directory that is shared read-only', async () => {
      assert.equal(await refusal('/fixed/file'), 'EROFS');
      assert.deepEqual(readdirSync(join(host, 'fixed')), ['file']);
      assert.equal(readFileSync(join(host, 'fixed/file'), 'utf8'), 'fixed');
    });
  });
});
