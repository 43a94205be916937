/** The owner of one box, watched from within while 1 GiB streams through it in each direction. */
import type { EngineName } from '../src/index.ts';
import { report, settledMemory } from './child.ts';
import { boxStdin, boxStdout } from './streams.ts';
import { Subject } from './subject.ts';

const MIB = 1024 * 1024;
const STREAM_MIB = 1024;
const SAMPLE_MS = 10;

/** Bytes of resident memory. */
export interface OwnerMemory {
  readonly idle: number;
  readonly outPeak: number;
  readonly inPeak: number;
}

await using subject = await Subject.create(process.argv[2] as EngineName);
await using box = await subject.box();
await (await box.run(['true'])).wait();
const idle = settledMemory();
const outPeak = await peakDuring((sample) => {
  let seen = 0;
  return boxStdout(box, STREAM_MIB, (bytes) => {
    // A loop that never waits would leave the timer no turn.
    if (bytes - seen < MIB) return;
    seen = bytes;
    sample();
  });
});
settledMemory();
const inPeak = await peakDuring(() => boxStdin(box, STREAM_MIB));
report({ idle, outPeak, inPeak } satisfies OwnerMemory);

async function peakDuring(work: (sample: () => void) => Promise<unknown>): Promise<number> {
  let peak = 0;
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(sample, SAMPLE_MS);
  await work(sample);
  clearInterval(timer);
  return peak;
}
