import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, UsageError } from '../arguments.ts';
import { boxCommand, runInBox } from '../box-command.ts';
import {
  type BoxValues,
  boxOptions,
  boxOptionsUsage,
  commandOfImage,
  imageAndCommand,
  lastingBox,
  machineOptions,
  namedCommand,
} from '../box-options.ts';
import { interruptible } from '../interrupt.ts';

export const runUsage = `boxlite run [OPTIONS] [IMAGE] [--] [COMMAND [ARGUMENT...]]

Boots a box, runs a command in it, or else the image's own, shows its output, and exits with its status. With -d
it prints the box's id instead, and the box goes on until the command ends.

  -d, --detach            leave the box running; it is kept when it stops
  -i, --interactive       pass standard input on
  -t, --tty               give the command a terminal; -it for a shell
${boxOptionsUsage}
      --timeout SECONDS   end the command after this long, with status 124
      --rm                remove the box afterwards (default, except with -d)

IMAGE "builtin:base" is a minimal system that needs no download. "boxlite run -- COMMAND" takes alpine:latest.

Examples:
    boxlite run alpine -- echo hello
    boxlite run -it python:3.12-slim
    boxlite run -v ./src:/src:ro python:3.12-slim -- python3 /src/main.py
    boxlite run --network none --memory 256 --timeout 60 alpine -- echo 'nobody can be reached'
    boxlite run -d --name web -p 8080:80 my/server`;

const options = {
  ...boxOptions,
  detach: { type: 'boolean', short: 'd' },
  interactive: { type: 'boolean', short: 'i' },
  tty: { type: 'boolean', short: 't' },
  timeout: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const [image, command] = imageAndCommand(rest, values, 'run');
  await using runtime = new BoxliteRuntime();
  if (values.detach === true) {
    if (values.timeout !== undefined || values.interactive === true || values.tty === true) {
      throw new UsageError('run: -i, -t and --timeout do not go with --detach');
    }
    return await runDetached(runtime, values, image, command);
  }
  const words = await commandWords(runtime, values, image, command);
  const asked = boxCommand(words, values);
  await using box = await runtime.create(machineOptions(values, image), values.name);
  return await runInBox(box, asked, values);
}

/** The command as it was named; without one, what the image says is to be run in it. */
async function commandWords(
  runtime: BoxliteRuntime,
  values: BoxValues,
  image: string,
  command: readonly string[],
): Promise<readonly string[]> {
  const named = values.entrypoint === undefined ? command : [values.entrypoint, ...command];
  if (named.length > 0) return named;
  const { entrypoint, cmd } = await commandOfImage(runtime, values, image);
  const words = [...entrypoint, ...cmd];
  if (words.length > 0) return words;
  throw new UsageError('run: name a command, as there is no image that has one');
}

async function runDetached(
  runtime: BoxliteRuntime,
  values: BoxValues & { readonly name?: string },
  image: string,
  command: readonly string[],
): Promise<number> {
  const main = namedCommand(values, command) ?? (await commandOfImage(runtime, values, image));
  const box = await runtime.create({ ...lastingBox(values, image), ...main }, values.name);
  try {
    await interruptible((signal) => box.start({ signal }));
  } catch (error) {
    await runtime.remove(box.id, true).catch(() => undefined);
    throw error;
  }
  process.stdout.write(`${box.id}\n`);
  return 0;
}
