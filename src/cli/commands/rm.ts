import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { printEach } from '../targets.ts';

export const rmUsage = `boxlite rm [-f] BOX...

Removes boxes with everything they have.

  -f, --force    also those that run

Examples:
    boxlite rm worker
    boxlite rm -f web`;

export async function rm(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, { force: { type: 'boolean', short: 'f' } });
  await using runtime = new BoxliteRuntime();
  return await printEach(rest, 'rm', (name) => runtime.remove(name, values.force === true));
}
