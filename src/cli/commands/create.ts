import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import {
  boxOptions,
  boxOptionsUsage,
  imageAndCommand,
  lastingBox,
  namedCommand,
} from '../box-options.ts';

export const createUsage = `boxlite create [OPTIONS] IMAGE [--] [COMMAND [ARGUMENT...]]

Makes a box and prints its id. It boots when it is started, and is kept when it is stopped. With a command it
runs that and ends with it; without one it waits for "boxlite exec".

${boxOptionsUsage}

Examples:
    boxlite create --name worker debian:12`;

export async function create(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, boxOptions);
  const [image, command] = imageAndCommand(rest, values, 'create');
  await using runtime = new BoxliteRuntime();
  const options = { ...lastingBox(values, image), ...namedCommand(values, command) };
  const { id } = await runtime.create(options, values.name);
  process.stdout.write(`${id}\n`);
  return 0;
}
