/** Every command of the command line: what runs it, and what it says about itself. */
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

/** A command. */
export interface Command {
  readonly run: (args: readonly string[]) => Promise<number>;
  /** In a line, for the list of commands. */
  readonly summary: string;
  readonly usage: string;
}

/** By their names. */
export const commands: Readonly<Record<string, Command>> = {
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

/** What people do with boxes, and the commands for it. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'Run something': ['run', 'exec', 'cp', 'logs'],
  'Boxes that last': ['create', 'start', 'stop', 'rm', 'ls', 'inspect', 'stats'],
  Images: ['pull', 'images', 'image'],
  'This host': ['doctor', 'kernel', 'completion'],
};

/** Width of the commands' names in the list of them. */
const COLUMN = 11;

/** What `boxlite --help` says. */
export const usage = `boxlite COMMAND [OPTIONS]

Runs programs in boxes: virtual machines of their own, made from container images.

${Object.entries(groups).map(groupText).join('\n')}
Examples:
    boxlite doctor                                  what this host can run boxes on
    boxlite run alpine -- echo hello                pull an image, boot it, run a command
    boxlite run -it alpine -- sh                    a shell at your terminal
    boxlite run -d --name web -p 8080:80 my/server  a box that stays, with a port of this host

"boxlite COMMAND --help" tells more, "boxlite --version" which this is. --debug shows where an error came from.
A box is called by its name, its id, or the first four or more characters of that.`;

function groupText([title, names]: readonly [string, readonly string[]]): string {
  const lines = names.map((name) => `  ${name.padEnd(COLUMN)} ${commands[name]?.summary}\n`);
  return `${title}:\n${lines.join('')}`;
}

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
