/** What the jail costs at the start of a box, and while one runs: with everything on, and without. */
import { type BoxOptions, SecurityOptions } from '../src/index.ts';
import { atMost, type Figure, figure } from './figure.ts';
import { median } from './stats.ts';
import type { Subject } from './subject.ts';

const ROUNDS = 20;
/** Processes and system calls of the guest, which on `uml` are calls of the host's. */
const WORK = 'i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done';

const jailed: BoxOptions = { advanced: { security: SecurityOptions.enabled() } };
const free: BoxOptions = {
  advanced: {
    security: SecurityOptions.builder()
      .jailerEnabled(false)
      .allowUnjailed(true)
      .resourceLimits({})
      .build(),
  },
};

/** The two take turns, so that whatever else the host does meets both alike. */
export async function jailCost(subject: Subject): Promise<Figure[]> {
  for (const options of [jailed, free]) await liveABox(subject, options);
  const on: Life[] = [];
  const off: Life[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    on.push(await liveABox(subject, jailed));
    off.push(await liveABox(subject, free));
  }
  const added = on.map(({ startMs }, i) => startMs - (off[i]?.startMs ?? 0));
  return [
    figure(subject.engine, {
      name: 'start, added by the jail',
      unit: 'ms',
      samples: added,
      target: atMost(25),
    }),
    figure(subject.engine, {
      name: '60 processes in the jail',
      unit: 'ms',
      samples: on.map(({ workMs }) => workMs),
      baseline: { name: 'without', value: median(off.map(({ workMs }) => workMs)) },
      target: atMost(1.05, 'ratio'),
    }),
  ];
}

interface Life {
  readonly startMs: number;
  readonly workMs: number;
}

async function liveABox(subject: Subject, options: BoxOptions): Promise<Life> {
  const begun = performance.now();
  await using box = await subject.box(options);
  await box.start();
  const started = performance.now();
  await (await box.run(['sh', '-c', WORK])).output();
  return { startMs: started - begun, workMs: performance.now() - started };
}
