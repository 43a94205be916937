/** 300 boxes at once: whether the last costs more to start than the first, and what each takes while it idles. */
import { measureInChild } from './child.ts';
import type { Density } from './density-child.ts';
import { atMost, type Figure, figure } from './figure.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const BOXES = 300;
/** Starts to either side of the tenth, and at the end, whose median is taken: one alone says little. */
const AROUND = 9;
const MIB = 1024 * 1024;

/** Under `tcg` a box takes 60 MiB and more, which few machines have 300 times. */
export async function density({ engine }: Subject): Promise<Figure[]> {
  if (engine === 'tcg') return [];
  const seen = await measureInChild<Density>('density-child.ts', [engine, String(BOXES)]);
  if (seen.answered !== BOXES) throw new Error(`${seen.answered} of ${BOXES} boxes answered`);
  const tenth = median(seen.starts.slice(0, 2 * AROUND + 1));
  const last = seen.starts.slice(-(2 * AROUND + 1));
  return [
    figure(engine, {
      name: `start of the ${BOXES}th box`,
      unit: 'ms',
      samples: last,
      baseline: { name: 'the tenth', value: tenth },
      target: atMost(1.3, 'ratio'),
      note: `medians of ${last.length} starts; then all answered a command in ${(seen.answersMs / 1000).toFixed(1)} s`,
    }),
    figure(engine, {
      name: `memory of each of ${BOXES} idle boxes`,
      unit: 'MiB',
      samples: [seen.idleBytes / BOXES / MIB],
      target: atMost(16),
      note: 'attached: all processes, tmpfs, page tables and the share of what the owner has grown',
    }),
  ];
}
