/**
 * From `create()` to the first output of `echo`, in a process that knows its host already. The variants take
 * turns, so that whatever else the host does meets all of them alike.
 */
import { bareVmm } from './bare-vmm.ts';
import { atMost, type Figure, figure, type Measurement } from './figure.ts';
import { Runsc } from './runsc.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const ROUNDS = 20;
/** `runsc` takes its turn in every second round. */
const RUNSC_EVERY = 2;

export async function coldStart(subject: Subject): Promise<Figure[]> {
  const { engine } = subject;
  const bare = await bareVmm(subject);
  const runsc = engine === 'tcg' ? null : await Runsc.prepare(subject);
  const warmUp = [await boxToFirstOutput(subject), await bare()];
  const samples: number[] = [];
  const bareSamples: number[] = [];
  const runscSamples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    samples.push(await boxToFirstOutput(subject));
    bareSamples.push(await bare());
    if (runsc === null || round % RUNSC_EVERY > 0) continue;
    const { firstOutputMs, totalMs } = await runsc.run(['echo', 'hello']);
    runscSamples.push(firstOutputMs ?? totalMs);
  }
  const measurement: Measurement = { name: 'cold start', unit: 'ms', samples };
  const note = `the first one of this process took ${warmUp[0]?.toFixed(0)} ms`;
  const againstBare = figure(engine, {
    ...measurement,
    baseline: { name: 'bare VMM', value: median(bareSamples) },
    target: atMost(engine === 'tcg' ? 1.3 : 1.7, 'ratio'),
    note,
  });
  return engine === 'tcg'
    ? [againstBare]
    : [againstBare, againstRunsc(engine, measurement, runscSamples)];
}

function againstRunsc(engine: string, measurement: Measurement, samples: number[]): Figure {
  if (samples.length === 0) {
    return figure(engine, { ...measurement, note: 'runsc is not installed (Debian: runsc)' });
  }
  const baseline = { name: 'runsc run', value: median(samples) };
  return figure(engine, { ...measurement, baseline, target: atMost(0.5, 'ratio') });
}

async function boxToFirstOutput(subject: Subject): Promise<number> {
  const started = performance.now();
  await using box = await subject.box();
  const execution = await box.run(['echo', 'hello']);
  for await (const _ of execution.stdout()?.bytes() ?? []) {
    return performance.now() - started;
  }
  throw new Error('echo printed nothing');
}
