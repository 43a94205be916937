/** How much the owner's memory grows over idle while 1 GiB streams through it, each way. */
import { measureInChild } from './child.ts';
import { atMost, type Figure, figure } from './figure.ts';
import type { OwnerMemory } from './owner-memory-child.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;
const TARGET = atMost(64);

export async function ownerMemory({ engine }: Subject): Promise<Figure[]> {
  const figures: Figure[] = [];
  // A program each: memory that has been touched once stays with its process.
  for (const direction of ['out', 'in']) {
    const args = [engine, direction];
    const { idle, peak } = await measureInChild<OwnerMemory>('owner-memory-child.ts', args);
    figures.push(
      figure(engine, {
        name: `owner growth, 1 GiB ${direction}`,
        unit: 'MiB',
        samples: [Math.max(0, peak - idle) / MIB],
        target: TARGET,
        note: `idle ${(idle / MIB).toFixed(0)} MiB, largest of samples every 1 MiB or 10 ms; V8 lets 64 MiB of dead buffers lie`,
      }),
    );
  }
  return figures;
}
