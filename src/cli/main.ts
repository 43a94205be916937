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
import { completionScript, shells } from './completion.ts';

const completionUsage = `boxlite completion bash|zsh|fish

Prints a script with which a shell completes our commands and options. For the shell at hand:

    source <(boxlite completion bash)        also zsh, behind its compinit
    boxlite completion fish | source

The script's first lines say where to put it for good.`;

interface Command {
  readonly run: (args: readonly string[]) => Promise<number>;
  /** In a line, for the list of commands. */
  readonly summary: string;
  readonly usage: string;
}

const commands: Readonly<Record<string, Command>> = {
  run: { run, summary: 'boot a box and run a command in it', usage: runUsage },
  create: { run: create, summary: 'make a box', usage: createUsage },
  start: { run: start, summary: 'boot boxes', usage: startUsage },
  stop: { run: stop, summary: 'stop boxes', usage: stopUsage },
  rm: { run: rm, summary: 'remove boxes', usage: rmUsage },
  ls: { run: ls, summary: 'list boxes', usage: lsUsage },
  ps: { run: ls, summary: 'list boxes, as ls does', usage: lsUsage },
  inspect: { run: inspect, summary: 'tell all about boxes', usage: inspectUsage },
  exec: { run: exec, summary: 'run a command in a box that runs', usage: execUsage },
  cp: { run: cp, summary: 'copy files into a box and out of it', usage: cpUsage },
  logs: { run: logs, summary: "show what a box's main command has printed", usage: logsUsage },
  stats: { run: stats, summary: 'show what boxes take from the host', usage: statsUsage },
  pull: { run: pull, summary: 'bring an image here', usage: pullUsage },
  images: { run: images, summary: 'list the images on this host', usage: imagesUsage },
  image: { run: image, summary: 'inspect, import, export and remove images', usage: imageUsage },
  doctor: { run: doctor, summary: 'tell what this host can run boxes on', usage: doctorUsage },
  completion: {
    run: completion,
    summary: 'print a script with which a shell completes commands',
    usage: completionUsage,
  },
  kernel: { run: kernel, summary: 'build and list guest kernels', usage: kernelUsage },
};

/** Width of the commands' names in the list of them. */
const COLUMN = 11;

const usage = `boxlite COMMAND [OPTIONS]

${Object.entries(commands)
  .filter(([name]) => name !== 'ps')
  .map(([name, { summary }]) => `  ${name.padEnd(COLUMN)} ${summary}`)
  .join('\n')}

"boxlite COMMAND --help" tells more. --debug shows where an error came from.`;

async function completion(args: readonly string[]): Promise<number> {
  const [name, another] = args;
  const shell = shells.find((each) => each === name);
  if (shell === undefined || another !== undefined) {
    throw new UsageError(`completion: name one of ${shells.join(', ')}`);
  }
  const list = Object.entries(commands).map(([name, rest]) => ({ name, ...rest }));
  process.stdout.write(completionScript(shell, list));
  return 0;
}

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
