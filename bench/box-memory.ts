/** Host memory of one of 20 boxes: its processes and files, and its share of what the owner has grown. */
import type { BoxMemory } from './box-memory-child.ts';
import { measureInChild } from './child.ts';
import { atMost, type Figure, figure } from './figure.ts';
import { totalBytes } from './process-memory.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;

export async function boxMemory({ engine }: Subject): Promise<Figure> {
  const seen = await measureInChild<BoxMemory>('box-memory-child.ts', [engine]);
  const count = seen.boxes.length;
  const ownerShare = seen.ownerGrowth / count;
  const mean = (bytes: number) => (bytes / count / MIB).toFixed(1);
  const sum = (part: 'processes' | 'mapped' | 'tmpfs' | 'pageTables') =>
    seen.boxes.reduce((total, box) => total + box[part], 0);
  return figure(engine, {
    name: `memory of each of ${count} boxes`,
    unit: 'MiB',
    samples: seen.boxes.map((box) => (totalBytes(box) + ownerShare) / MIB),
    target: atMost(engine === 'tcg' ? 80 : 16),
    note:
      `mapped ${mean(sum('mapped'))}, tmpfs ${mean(sum('tmpfs'))}, page tables ` +
      `${mean(sum('pageTables'))}, owner ${mean(seen.ownerGrowth)} MiB, in ` +
      `${sum('processes') / count} processes; the host has ${mean(seen.hostLoss)} MiB less available`,
  });
}
