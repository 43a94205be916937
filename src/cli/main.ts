/** The command line: finds the command, runs it, turns its outcome into an exit status. */
import { BoxliteError } from '../base/errors.ts';
import { UsageError } from './arguments.ts';
import { cp, cpUsage } from './commands/cp.ts';
import { create, createUsage } from './commands/create.ts';
import { doctor, doctorUsage } from './commands/doctor.ts';
import { exec, execUsage } from './commands/exec.ts';
import { image, images, imagesUsage, imageUsage } from './commands/images.ts';
import { inspect, inspectUsage } from './commands/inspect.ts';
import { kernel, kernelUsage } from './commands/kernel.ts';
import { logs, logsUsage } from './commands/logs.ts';
import { ls, lsUsage } from './commands/ls.ts';
import { pull, pullUsage } from './commands/pull.ts';
import { rm, rmUsage } from './commands/rm.ts';
import { run, runUsage } from './commands/run.ts';
import { start, startUsage } from './commands/start.ts';
import { stats, statsUsage } from './commands/stats.ts';
import { stop, stopUsage } from './commands/stop.ts';

const commands: Readonly<
  Record<string, { run: (args: readonly string[]) => Promise<number>; usage: string }>
> = {
  run: { run, usage: runUsage },
  create: { run: create, usage: createUsage },
  start: { run: start, usage: startUsage },
  stop: { run: stop, usage: stopUsage },
  rm: { run: rm, usage: rmUsage },
  ls: { run: ls, usage: lsUsage },
  ps: { run: ls, usage: lsUsage },
  inspect: { run: inspect, usage: inspectUsage },
  exec: { run: exec, usage: execUsage },
  cp: { run: cp, usage: cpUsage },
  logs: { run: logs, usage: logsUsage },
  stats: { run: stats, usage: statsUsage },
  pull: { run: pull, usage: pullUsage },
  images: { run: images, usage: imagesUsage },
  image: { run: image, usage: imageUsage },
  doctor: { run: doctor, usage: doctorUsage },
  kernel: { run: kernel, usage: kernelUsage },
};

const usage = `boxlite COMMAND [OPTIONS]

  run      boot a box and run a command in it
  create   make a box
  start    boot boxes
  stop     stop boxes
  rm       remove boxes
  ls       list boxes
  inspect  tell all about boxes
  exec     run a command in a box that runs
  cp       copy files into a box and out of it
  logs     show what a box's main command has printed
  stats    show what boxes take from the host
  pull     bring an image here
  images   list the images on this host
  image    inspect, import, export and remove images
  doctor   tell what this host can run boxes on
  kernel   build and list guest kernels

"boxlite COMMAND --help" tells more. --debug shows where an error came from.`;

/** Exit statuses of our own, as Docker has them. */
const USAGE = 2;
const FAILED = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

async function main(argv: readonly string[]): Promise<number> {
  const debug = argv.includes('--debug') && beforeCommandEnds(argv);
  const [name, ...args] = argv.filter((word, i) => !(word === '--debug' && i <= 1));
  const command = name === undefined ? undefined : commands[name];
  try {
    if (name === undefined || name === '--help' || name === '-h') {
      process.stdout.write(`${usage}\n`);
      return name === undefined ? USAGE : 0;
    }
    if (command === undefined) throw new UsageError(`there is no command "${name}"`);
    if (args[0] === '--help' || args[0] === '-h') {
      process.stdout.write(`${command.usage}\n`);
      return 0;
    }
    return await command.run(args);
  } catch (error) {
    return report(error, debug, name ?? '');
  }
}

/** `--debug` counts before the command or right behind it; later it is the guest command's own. */
function beforeCommandEnds(argv: readonly string[]): boolean {
  return argv.indexOf('--debug') <= 1;
}

function report(error: unknown, debug: boolean, name: string): number {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`boxlite: ${text}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (error instanceof UsageError) {
    process.stderr.write(`Try "boxlite ${name in commands ? `${name} ` : ''}--help".\n`);
    return USAGE;
  }
  if (BoxliteError.is(error, 'InvalidArgument')) return USAGE;
  return BoxliteError.is(error, 'Run') ? runStatus(error) : FAILED;
}

function runStatus(error: BoxliteError): number {
  const { code } = (error.cause ?? {}) as { code?: string };
  if (code === 'not_found') return NOT_FOUND;
  return code === 'not_executable' ? NOT_EXECUTABLE : FAILED;
}

process.exitCode = await main(process.argv.slice(2));
