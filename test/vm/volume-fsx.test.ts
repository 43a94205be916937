/**
 * Random operations on a file of a volume, through the box's kernel, compared with an array of bytes: `BOXLITE_FSX_SECONDS`
 * goes on with new seeds for that long.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { MemoryVolume } from '../../src/index.ts';
import { compileGuest } from './compile.ts';
import { forEachEngine, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

const SECONDS = Number(process.env['BOXLITE_FSX_SECONDS'] ?? 0);
const SEEDS = 4;
const OPERATIONS = 150;
/** For the rest of it. */
const SUITE_MS = 300_000;

forEachEngine(
  (engine) => {
    it('is as a model has it, in a directory and in memory', {
      timeout: Infinity,
    }, async (test) => {
      await using owner = new TestRuntime(engine);
      const [tools, share] = ['tools', 'share'].map((name) => join(owner.homeDir, name));
      assert.ok(tools !== undefined && share !== undefined);
      for (const folder of [tools, share]) mkdirSync(folder);
      compileGuest('fsx', tools);
      await using box = await owner.makeBox({
        volumes: [
          { hostPath: tools, guestPath: '/tools', readOnly: true },
          { hostPath: share, guestPath: '/share' },
          { provider: new MemoryVolume(), guestPath: '/memory' },
        ],
      });
      const ends = performance.now() + SECONDS * 1000;
      let seed = 1;
      do {
        for (const volume of ['share', 'memory']) {
          const args = [`/${volume}/f`, seed, SEEDS, OPERATIONS].map(String);
          await using execution = await box.run(['/tools/fsx', ...args]);
          const { stdout } = await inTime(`seed ${seed}`, execution.output(), SUITE_MS);
          assert.equal(stdout, `${SEEDS} seeds alike\n`, `${volume}: ${stdout}`);
        }
        seed += SEEDS;
      } while (performance.now() < ends);
      test.diagnostic(`${seed - 1} seeds of ${OPERATIONS} operations on each`);
    });
  },
  SUITE_MS + SECONDS * 1000,
);
