/** The owner of many small boxes at once: starts them one after another, keeps them, asks each of them something. */
import type { EngineName, LiteBox } from '../src/index.ts';
import { report, settledMemory } from './child.ts';
import { totalBytes, treeMemory } from './process-memory.ts';
import { Subject } from './subject.ts';

const MEMORY_MIB = 128;
/** How many are asked at the same moment, as a program with work to hand out would. */
const AT_ONCE = 20;

export interface Density {
  /** From `create()` until the box runs, in ms, in the order in which they were started. */
  readonly starts: readonly number[];
  /** How many of them have answered, all running. */
  readonly answered: number;
  /** From asking the first to the answer of the last, in ms. */
  readonly answersMs: number;
  /** Host memory of all that is idle, the owner's growth included, in bytes. */
  readonly idleBytes: number;
}

const [engine = '', count = '0'] = process.argv.slice(2);
await using subject = await Subject.create(engine as EngineName);
// What happens once a process is not the first box's.
await using warmUp = await subject.box();
await warmUp.start();
await warmUp.stop();

const before = settledMemory();
const boxes: LiteBox[] = [];
const starts: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const started = performance.now();
  const box = await subject.box({ memoryMib: MEMORY_MIB });
  await box.start();
  starts.push(performance.now() - started);
  boxes.push(box);
}

const asked = performance.now();
const waiting = [...boxes.entries()];
const answers = await Promise.all(Array.from({ length: AT_ONCE }, ask));
const answersMs = performance.now() - asked;
let idleBytes = Math.max(0, settledMemory() - before);
for (const box of boxes) idleBytes += totalBytes(await treeMemory(box.info().pid ?? 0));
const answered = answers.reduce((sum, each) => sum + each, 0);
report({ starts, answered, answersMs, idleBytes } satisfies Density);

/** Takes box after box until none is left; how many of them said what they were told to. */
async function ask(): Promise<number> {
  let right = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [i, box] = next;
    const { stdout } = await (await box.run(['echo', `box ${i}`])).output();
    if (stdout === `box ${i}\n`) right++;
  }
  return right;
}
