/** The owner of one box, watched from within while 1 GiB streams through it, `out` or `in`. */
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
  readonly peak: number;
}

const [engine = '', direction = ''] = process.argv.slice(2);
await using subject = await Subject.create(engine as EngineName);
await using box = await subject.box();
await (await box.run(['true'])).wait();
const idle = settledMemory();
const peak = await peakDuring((sample) => {
  if (direction === 'in') return boxStdin(box, STREAM_MIB);
  let seen = 0;
  return boxStdout(box, STREAM_MIB, (bytes) => {
    // A loop that never waits would leave the timer no turn.
    if (bytes - seen < MIB) return;
    seen = bytes;
    sample();
  });
});
report({ idle, peak } satisfies OwnerMemory);

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
