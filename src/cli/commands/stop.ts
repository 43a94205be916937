import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, wholeNumber } from '../arguments.ts';
import { printEach, requireBox } from '../targets.ts';

export const stopUsage = `boxlite stop [-t SECONDS] BOX...

Stops boxes. Their files are kept, unless they are boxes that are removed when they stop.

  -t, --time SECONDS    how long a box may take to end by itself (default 10)

Examples:
    boxlite stop -t 5 worker`;

export async function stop(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, { time: { type: 'string', short: 't' } });
  const seconds = wholeNumber(values.time, 'time');
  const options = seconds === undefined ? {} : { timeoutMs: seconds * 1000 };
  await using runtime = new BoxliteRuntime();
  return await printEach(rest, 'stop', async (name) =>
    (await requireBox(runtime, name)).stop(options),
  );
}
