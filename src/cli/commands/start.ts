import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { printEach, requireBox } from '../targets.ts';

export const startUsage = `boxlite start BOX...

Boots boxes that were created or have been stopped. Those that run are left alone.`;

export async function start(args: readonly string[]): Promise<number> {
  const { rest } = parseCommandLine(args, {});
  await using runtime = new BoxliteRuntime();
  return await printEach(rest, 'start', async (name) => (await requireBox(runtime, name)).start());
}
