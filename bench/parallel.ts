/** Eight commands at once in one box, against one at a time. */
import type { LiteBox } from '../src/index.ts';
import { atLeast, type Figure, figure } from './figure.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const AT_ONCE = 8;
const COMMANDS = 64;
const ROUNDS = 5;
/** A shell that does something, as commands do: a start and a few milliseconds of arithmetic. */
const COMMAND: [string, ...string[]] = [
  'sh',
  '-c',
  'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done',
];

export async function parallelCommands(subject: Subject): Promise<Figure> {
  await using box = await subject.box();
  await perSecond(box, AT_ONCE);
  const single: number[] = [];
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    single.push(await perSecond(box, 1));
    samples.push(await perSecond(box, AT_ONCE));
  }
  return figure(subject.engine, {
    name: `${AT_ONCE} commands at once`,
    unit: 'commands/s',
    samples,
    baseline: { name: 'one at a time', value: median(single) },
    target: atLeast(1.2, 'ratio'),
  });
}

/** Runs them with this many under way at any time. */
async function perSecond(box: LiteBox, atOnce: number): Promise<number> {
  let left = COMMANDS;
  const runner = async () => {
    while (left-- > 0) await (await box.run(COMMAND)).wait();
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: atOnce }, runner));
  return (COMMANDS * 1000) / (performance.now() - started);
}
