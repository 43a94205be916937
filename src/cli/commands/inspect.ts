import { type BoxInfo, BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { requireBox, withEach } from '../targets.ts';

export const inspectUsage = `boxlite inspect BOX...

Tells all that is known about boxes, as a JSON list.

Examples:
    boxlite inspect web`;

export async function inspect(args: readonly string[]): Promise<number> {
  const { rest } = parseCommandLine(args, {});
  await using runtime = new BoxliteRuntime();
  const found = new Map<string, BoxInfo>();
  const status = await withEach(rest, 'inspect', async (name) => {
    found.set(name, (await requireBox(runtime, name)).info());
  });
  const inOrder = rest.map((name) => found.get(name)).filter((info) => info !== undefined);
  process.stdout.write(`${JSON.stringify(inOrder, null, 2)}\n`);
  return status;
}
