/** 1 GiB of `dd`'s output out of a box, 256 MiB into `dd` in a box; natively it is the host's busybox. */
import { programPath } from '../src/base/env.ts';
import { findProgram } from '../src/engine/vmm.ts';
import { atLeast, type Figure, figure } from './figure.ts';
import { median } from './stats.ts';
import { boxStdin, boxStdout, hostStdin, hostStdout } from './streams.ts';
import type { Subject } from './subject.ts';

const OUT_MIB = 1024;
const IN_MIB = 256;
const ROUNDS = 3;
/** Lets the pipes grow and the code get compiled. */
const WARM_UP_MIB = 16;

export async function stdoutThroughput(subject: Subject): Promise<Figure> {
  await using box = await subject.box();
  await boxStdout(box, WARM_UP_MIB);
  const target = atLeast(subject.engine === 'tcg' ? 250 : 150);
  return await compare(subject, {
    name: `stdout, ${OUT_MIB} MiB`,
    target,
    boxed: () => boxStdout(box, OUT_MIB),
    native: (busybox) => hostStdout(busybox, OUT_MIB),
  });
}

export async function stdinThroughput(subject: Subject): Promise<Figure> {
  await using box = await subject.box();
  await boxStdin(box, WARM_UP_MIB);
  return await compare(subject, {
    name: `stdin, ${IN_MIB} MiB`,
    target: atLeast(150),
    boxed: () => boxStdin(box, IN_MIB),
    native: (busybox) => hostStdin(busybox, IN_MIB),
  });
}

interface Comparison {
  readonly name: string;
  readonly target: ReturnType<typeof atLeast>;
  readonly boxed: () => Promise<number>;
  readonly native: (busybox: string) => Promise<number>;
}

async function compare(subject: Subject, comparison: Comparison): Promise<Figure> {
  const { name, target, boxed, native } = comparison;
  const busybox = await findProgram('busybox', programPath());
  const samples: number[] = [];
  const nativeSamples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    samples.push(await boxed());
    if (busybox !== null) nativeSamples.push(await native(busybox));
  }
  const baseline = nativeSamples.length === 0 ? {} : { baseline: nativeBaseline(nativeSamples) };
  return figure(subject.engine, { name, unit: 'MB/s', samples, target, ...baseline });
}

function nativeBaseline(samples: readonly number[]) {
  return { name: 'native', value: median(samples) };
}
