/** The owner of 20 small boxes, started one after another and kept; measures them when all have run. */
import { readFile } from 'node:fs/promises';
import type { EngineName, LiteBox } from '../src/index.ts';
import { report, settledMemory } from './child.ts';
import { type TreeMemory, treeMemory } from './process-memory.ts';
import { Subject } from './subject.ts';

export const BOXES = 20;
const MEMORY_MIB = 128;
const KIB = 1024;

/** Bytes. */
export interface BoxMemory {
  readonly boxes: readonly TreeMemory[];
  /** How much the owner has grown by all of them. */
  readonly ownerGrowth: number;
  /** How much less the host has available: the same from the other side, with what others did meanwhile. */
  readonly hostLoss: number;
}

await using subject = await Subject.create(process.argv[2] as EngineName);
const idle = settledMemory();
const available = await availableBytes();
const boxes: LiteBox[] = [];
for (let i = 0; i < BOXES; i++) {
  const box = await subject.box({ memoryMib: MEMORY_MIB });
  boxes.push(box);
  await (await box.run(['true'])).wait();
}
const ownerGrowth = Math.max(0, settledMemory() - idle);
const hostLoss = available - (await availableBytes());
const trees: TreeMemory[] = [];
for (const box of boxes) trees.push(await treeMemory(box.info().pid ?? 0));
report({ boxes: trees, ownerGrowth, hostLoss } satisfies BoxMemory);

async function availableBytes(): Promise<number> {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'latin1'));
  return Number(found?.[1] ?? 0) * KIB;
}
