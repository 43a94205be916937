/**
 * From `create()` to the first output of `echo`, in a process that knows its host already. The variants take
 * turns, so that whatever else the host does meets all of them alike. Boxes of `tcg` start from a snapshot.
 *
 * There are no boxes without a container. What a start would take without is what is left of it when the time that the
 * agent says it took for that is taken away; some of that time the disks were mounted in, so it is less, if anything.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../src/base/env.ts';
import type { BoxOptions } from '../src/index.ts';
import { bareVmm } from './bare-vmm.ts';
import { atMost, type Figure, figure, type Measurement } from './figure.ts';
import { Runsc } from './runsc.ts';
import { median } from './stats.ts';
import { MACHINE, type Subject } from './subject.ts';

const ROUNDS = 20;
/** `runsc` takes its turn in every second round. */
const RUNSC_EVERY = 2;
const FIRSTS = 5;

export async function coldStart(subject: Subject): Promise<Figure[]> {
  const { engine } = subject;
  const bare = await bareVmm(subject);
  const runsc = engine === 'tcg' ? null : await Runsc.prepare(subject);
  const warmUp = await boxToFirstOutput(subject);
  await bare();
  const samples: number[] = [];
  const bareSamples: number[] = [];
  const runscSamples: number[] = [];
  const offline: number[] = [];
  const bareRoot: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = await boxToFirstOutput(subject);
    samples.push(start.ms);
    bareRoot.push(start.ms - start.containerMs);
    offline.push((await boxToFirstOutput(subject, { network: { mode: 'disabled' } })).ms);
    bareSamples.push(await bare());
    if (runsc === null || round % RUNSC_EVERY > 0) continue;
    const { firstOutputMs, totalMs } = await runsc.run(['echo', 'hello']);
    runscSamples.push(firstOutputMs ?? totalMs);
  }
  const measurement: Measurement = { name: 'cold start', unit: 'ms', samples };
  const note = `the first one of this process took ${warmUp.ms.toFixed(0)} ms`;
  const againstBare = figure(engine, {
    ...measurement,
    baseline: { name: 'bare VMM', value: median(bareSamples) },
    target: atMost(engine === 'tcg' ? 1.3 : 1.7, 'ratio'),
    note,
  });
  const parts = [
    figure(engine, {
      ...measurement,
      name: 'cold start, container',
      baseline: { name: 'without', value: median(bareRoot) },
      target: atMost(engine === 'tcg' ? 1.1 : 1.2, 'ratio'),
    }),
    figure(engine, {
      ...measurement,
      name: 'cold start, network',
      baseline: { name: 'disabled', value: median(offline) },
    }),
  ];
  return engine === 'tcg'
    ? [againstBare, ...parts, await firstOfItsKind(subject, median(bareSamples))]
    : [againstBare, againstRunsc(engine, measurement, runscSamples), ...parts];
}

/** A start for which a snapshot is made, without which all would take as long as the guest's boot in it. */
async function firstOfItsKind(subject: Subject, bareMs: number): Promise<Figure> {
  const folder = join(cacheDir(), 'snapshots');
  const before = new Set(await readdir(folder));
  const samples: number[] = [];
  for (let round = 1; round <= FIRSTS; round++) {
    // No other box has as much memory.
    const memoryMib = MACHINE.memoryMib - round;
    samples.push((await boxToFirstOutput(subject, { memoryMib })).ms);
  }
  for (const name of await readdir(folder)) if (!before.has(name)) await rm(join(folder, name));
  return figure(subject.engine, {
    name: 'first start of a kind of machine',
    unit: 'ms',
    samples,
    baseline: { name: 'bare VMM', value: bareMs },
  });
}

function againstRunsc(engine: string, measurement: Measurement, samples: number[]): Figure {
  if (samples.length === 0) {
    return figure(engine, { ...measurement, note: 'runsc is not installed (Debian: runsc)' });
  }
  const baseline = { name: 'runsc run', value: median(samples) };
  return figure(engine, { ...measurement, baseline, target: atMost(0.5, 'ratio') });
}

async function boxToFirstOutput(
  subject: Subject,
  options: BoxOptions = {},
): Promise<{ readonly ms: number; readonly containerMs: number }> {
  const started = performance.now();
  await using box = await subject.box(options);
  const execution = await box.run(['echo', 'hello']);
  for await (const _ of execution.stdout()?.bytes() ?? []) {
    const ms = performance.now() - started;
    return { ms, containerMs: (await box.metrics()).stageContainerInitMs ?? 0 };
  }
  throw new Error('echo printed nothing');
}
