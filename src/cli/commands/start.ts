import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, wholeNumber } from '../arguments.ts';
import { interruptible } from '../interrupt.ts';
import { printEach, requireBox } from '../targets.ts';

export const startUsage = `boxlite start [--disk-size GIB] BOX...

Boots boxes that were created or have been stopped. Those that run are left alone.

      --disk-size GIB    make the disk this large first; it never gets smaller

Examples:
    boxlite start worker
    boxlite start --disk-size 20 worker`;

const options = { 'disk-size': { type: 'string' } } as const;

export async function start(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const diskSizeGb = wholeNumber(values['disk-size'], 'disk-size');
  await using runtime = new BoxliteRuntime();
  return await interruptible((signal) =>
    printEach(rest, 'start', async (name) => {
      await (await requireBox(runtime, name)).start({ diskSizeGb, signal });
    }),
  );
}
