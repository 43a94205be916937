/** How often a kernel asks: what makes it ask more for the same work makes every volume slower. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, mock } from 'node:test';
import { Operations } from '../../src/volume/operations.ts';
import { forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

const FILES = 50;
const UNPACK_MS = 120_000;

forEachEngine((engine) => {
  it('each file that is unpacked takes few requests', async () => {
    await using owner = new TestRuntime(engine);
    const [share, tree] = ['share', 'tree'].map((name) => join(owner.homeDir, name));
    assert.ok(share !== undefined && tree !== undefined);
    for (const folder of [share, tree]) mkdirSync(folder);
    for (let i = 0; i < FILES; i++) writeFileSync(join(tree, `file${i}`), `content ${i}`);
    execFileSync('tar', ['cf', join(share, 'tree.tar'), '-C', tree, '.']);
    await using box = await owner.makeBox({ volumes: [{ hostPath: share, guestPath: '/data' }] });
    await shell(box, 'cp /data/tree.tar /tmp; mkdir /data/out');
    const perform = mock.method(Operations.prototype, 'perform');
    try {
      await using execution = await box.run(['tar', 'xf', '/tmp/tree.tar', '-C', '/data/out']);
      const { stderr } = await inTime('unpacking', execution.output(), UNPACK_MS);
      assert.equal(stderr, '');
      const asked = new Map<string, number>();
      for (const { arguments: args } of perform.mock.calls) {
        const { op } = args[0];
        asked.set(op, (asked.get(op) ?? 0) + 1);
      }
      const times = (op: string) => (asked.get(op) ?? 0) / FILES;
      assert.equal(times('create'), 1);
      assert.equal(times('write'), 1);
      // Owner, mode and time, each for itself; and a few for the directory.
      assert.ok(times('setattr') < 3.1, `${times('setattr')}`);
      // The distribution's kernels ask once for each, ours do not.
      const { origin } = await kernelOf(engine);
      assert.ok(times('getattr') < (origin === 'own' ? 0.3 : 1.3), `${times('getattr')}`);
      // What a kernel asks that does not know who takes set-id bits away, or that a name is looked for more than it has to.
      assert.ok(times('getxattr') + times('flush') < 0.05);
      assert.ok(times('lookup') < 4.5, `${times('lookup')}`);
    } finally {
      perform.mock.restore();
    }
  });
});
