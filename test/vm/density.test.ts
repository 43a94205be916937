import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LiteBox } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';

/** Far fewer than the benchmark has, which are 300, but with more boxes than the machine has processors. */
const BOXES = { uml: 40, tcg: 4, kvm: 4, hvf: 4 };
/** Boots at the same moment. */
const AT_ONCE = 4;

forEachEngine((engine) => {
  describe('many boxes at once', () => {
    it('all run, each with its own files and processes, and answer together', async () => {
      await using owner = new TestRuntime(engine);
      const numbers = Array.from({ length: BOXES[engine] }, (_, i) => i);
      const waiting = [...numbers];
      const boxes = new Map<number, LiteBox>();
      const starter = async () => {
        for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
          const box = await owner.makeBox({ cpus: 1, memoryMib: 128 }, `box-${i}`);
          boxes.set(i, box);
          await shell(box, `echo ${i} > /number`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, starter));
      const answers = await Promise.all(
        [...boxes].map(async ([i, box]) => [i, (await shell(box, 'cat /number')).stdout] as const),
      );
      for (const [i, stdout] of answers) assert.equal(stdout, `${i}\n`);
      const running = await owner.runtime.listInfo({ status: ['running'] });
      assert.equal(new Set(running.map(({ pid }) => pid)).size, numbers.length);
      assert.equal((await owner.runtime.metrics()).numRunningBoxes, numbers.length);
      await owner.runtime.shutdown();
    });
  });
});
