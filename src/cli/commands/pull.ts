import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, UsageError } from '../arguments.ts';
import { interruptible } from '../interrupt.ts';
import { shown } from '../progress.ts';

export const pullUsage = `boxlite pull [-q] IMAGE

Brings an image here, or its newer version, ready to boot. Prints its digest.

  -q, --quiet    show no progress

Examples:
    boxlite pull debian:12`;

export async function pull(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, { quiet: { type: 'boolean', short: 'q' } });
  const [reference, another] = rest;
  if (reference === undefined || another !== undefined)
    throw new UsageError('pull: name one image');
  await using runtime = new BoxliteRuntime();
  const image = await interruptible((signal) =>
    shown(values.quiet === true, (onProgress) =>
      runtime.images.pull(reference, { onProgress, signal }),
    ),
  );
  process.stdout.write(`${image.reference}@${image.digest}\n`);
  return 0;
}
