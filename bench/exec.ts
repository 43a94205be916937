/** From `run(['true'])` to its end in a box that runs, against a whole `runsc exec`. */
import { atMost, type Figure, figure, type Measurement } from './figure.ts';
import { Runsc } from './runsc.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const ROUNDS = 200;
const RUNSC_ROUNDS = 20;
const WARM_UP_ROUNDS = 10;

export async function execRoundTrip(subject: Subject): Promise<Figure[]> {
  const { engine } = subject;
  const limit = engine === 'tcg' ? 12 : 8;
  const runsc = engine === 'tcg' ? null : await Runsc.prepare(subject);
  await using container = (await runsc?.container()) ?? null;
  await using box = await subject.box();
  const once = async () => {
    const started = performance.now();
    await (await box.run(['true'])).wait();
    return performance.now() - started;
  };
  for (let i = 0; i < WARM_UP_ROUNDS; i++) await once();
  const samples: number[] = [];
  const runscSamples: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    samples.push(await once());
    if (container === null || i % (ROUNDS / RUNSC_ROUNDS) > 0) continue;
    runscSamples.push((await container.exec(['true'])).totalMs);
  }
  const measurement: Measurement = { name: 'exec round trip', unit: 'ms', samples };
  const plain = figure(engine, { ...measurement, target: atMost(limit) });
  if (engine === 'tcg') return [plain];
  if (runscSamples.length === 0) {
    const note = 'runsc is not installed (Debian: runsc)';
    return [plain, figure(engine, { ...measurement, note })];
  }
  const baseline = { name: 'runsc exec', value: median(runscSamples) };
  return [plain, figure(engine, { ...measurement, baseline, target: atMost(0.3, 'ratio') })];
}
