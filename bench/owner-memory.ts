/** How much the owner's memory grows over idle while 1 GiB streams through it, each way. */
import { measureInChild } from './child.ts';
import { atMost, type Figure, figure } from './figure.ts';
import type { OwnerMemory } from './owner-memory-child.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;
const TARGET = atMost(64);

export async function ownerMemory({ engine }: Subject): Promise<Figure[]> {
  const seen = await measureInChild<OwnerMemory>('owner-memory-child.ts', [engine]);
  const note = `idle ${(seen.idle / MIB).toFixed(0)} MiB, largest of samples every 1 MiB or 10 ms`;
  const row = (name: string, peak: number, more: { note?: string }) => {
    const samples = [Math.max(0, peak - seen.idle) / MIB];
    return figure(engine, { name, unit: 'MiB', samples, target: TARGET, ...more });
  };
  return [
    row('owner growth, 1 GiB out', seen.outPeak, { note }),
    row('owner growth, 1 GiB in', seen.inPeak, {}),
  ];
}
