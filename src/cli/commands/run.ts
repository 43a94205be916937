import { environmentVariable } from '../../base/env.ts';
import { BoxCommand, BoxliteRuntime, type ExecResult } from '../../index.ts';
import { environmentPairs, parseCommandLine, UsageError, wholeNumber } from '../arguments.ts';
import { connectStreams, forwardSignals } from '../streams.ts';

export const runUsage = `boxlite run [OPTIONS] [IMAGE] [--] COMMAND [ARGUMENT...]

Boots a box, runs a command in it, shows its output, and exits with its status.

  -i, --interactive       pass standard input on
  -e, --env NAME=VALUE    set a variable; NAME alone passes ours on
  -w, --workdir DIR       start in this directory
  -u, --user USER         name, uid, uid:gid or name:group
      --rootfs PATH       use a directory as the root file system, in place of an image
      --name NAME         name the box
      --cpus N            processors (default 2)
      --memory MIB        memory (default 512)
      --timeout SECONDS   end the command after this long, with status 124
      --engine ENGINE     auto, kvm, hvf, uml or tcg
      --rm                remove the box afterwards (default)

IMAGE "builtin:base" is a minimal system that needs no download.`;

const options = {
  interactive: { type: 'boolean', short: 'i' },
  env: { type: 'string', short: 'e', multiple: true },
  workdir: { type: 'string', short: 'w' },
  user: { type: 'string', short: 'u' },
  rootfs: { type: 'string' },
  name: { type: 'string' },
  cpus: { type: 'string' },
  memory: { type: 'string' },
  timeout: { type: 'string' },
  engine: { type: 'string' },
  rm: { type: 'boolean' },
} as const;

/** Exit statuses of `run`, as Docker and timeout(1) have them. */
const TIMED_OUT = 124;
const SIGNALED = 128;

export async function run(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const [image, command] = split(rest, values.rootfs !== undefined);
  await using runtime = new BoxliteRuntime();
  await using box = await runtime.create(
    {
      rootfs: values.rootfs === undefined ? image : { rootfsPath: values.rootfs },
      cpus: wholeNumber(values.cpus, 'cpus'),
      memoryMib: wholeNumber(values.memory, 'memory'),
      engine: values.engine as never,
    },
    values.name,
  );
  const execution = await box.run(commandOf(command, values));
  const stopForwarding = forwardSignals(execution);
  try {
    await connectStreams(execution, values.interactive ?? false);
    return exitStatus(await execution.wait());
  } finally {
    stopForwarding();
  }
}

function split(rest: readonly string[], hasRootfs: boolean): [string, readonly string[]] {
  const [first, ...others] = rest;
  const image = hasRootfs ? '' : first;
  const words = hasRootfs ? rest : others;
  const command = words[0] === '--' ? words.slice(1) : words;
  if (image === undefined || image === '--') throw new UsageError('run: name an image');
  if (command.length === 0) throw new UsageError('run: name a command');
  return [image, command];
}

function commandOf(
  [program = '', ...args]: readonly string[],
  values: { env?: string[]; workdir?: string; user?: string; timeout?: string },
): BoxCommand {
  const seconds = wholeNumber(values.timeout, 'timeout');
  let command = new BoxCommand(program)
    .args(args)
    .envs(environmentPairs(values.env ?? [], environmentVariable));
  if (values.workdir !== undefined) command = command.workingDir(values.workdir);
  if (values.user !== undefined) command = command.user(values.user);
  if (seconds !== undefined) command = command.timeout(seconds * 1000);
  return command;
}

function exitStatus(result: ExecResult): number {
  if (result.timedOut) return TIMED_OUT;
  return result.exitCode < 0 ? SIGNALED - result.exitCode : result.exitCode;
}
