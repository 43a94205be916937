/** Running one command in a box, in the foreground. */
import { environmentVariable } from '../base/env.ts';
import { BoxCommand, type ExecResult, type Execution, type LiteBox } from '../index.ts';
import { environmentPairs, UsageError, wholeNumber } from './arguments.ts';
import { exitStatus } from './exit-status.ts';
import { interruptible } from './interrupt.ts';
import { ScreenModes } from './screen-modes.ts';
import {
  connectStreams,
  endUnwritten,
  forwardSignals,
  hangUpOnSignals,
  type StreamOptions,
  unwritten,
} from './streams.ts';
import { ownTerminalName, ownTerminalSize, TerminalSession } from './terminal.ts';

/** Otherwise a program is gone, and nothing says why. */
const OUT_OF_MEMORY =
  'boxlite: The box had no memory left and ended a process of this command: give it more with --memory\n';

/** Options of a command. */
export interface CommandValues {
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly timeout?: string;
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

/** @throws UsageError */
export function boxCommand(
  [program = '', ...args]: readonly string[],
  values: CommandValues,
): BoxCommand {
  const seconds = wholeNumber(values.timeout, 'timeout');
  const tty = values.tty === true;
  if (tty && values.interactive === true && !process.stdin.isTTY) {
    throw new UsageError('-i with -t needs a terminal as standard input: leave out -t');
  }
  let command = new BoxCommand(program).args(args).tty(tty, ownTerminalSize());
  const terminal = tty ? ownTerminalName() : null;
  if (terminal !== null) command = command.env('TERM', terminal);
  command = command.envs(environmentPairs(values.env ?? [], environmentVariable));
  if (values.workdir !== undefined) command = command.workingDir(values.workdir);
  if (values.user !== undefined) command = command.user(values.user);
  if (seconds !== undefined) command = command.timeout(seconds * 1000);
  return command;
}

/** Shows the command's output, passes our signals on, and gives the status to exit with. */
export async function runInBox(
  box: LiteBox,
  command: BoxCommand,
  { interactive = false, tty = false }: CommandValues,
): Promise<number> {
  const execution = await interruptible((signal) => box.run(command, { signal }));
  const stopWatching = tty && interactive ? hangUpOnSignals(execution) : forwardSignals(execution);
  let lost: Error | null = null;
  // What SIGPIPE does to a program on this side of the wire.
  process.stdout.off('error', endUnwritten).once('error', (cause) => {
    lost = cause;
    void execution.kill();
  });
  try {
    const result = tty
      ? await atTerminal(execution, interactive)
      : await connected(execution, { interactive });
    if (result.outOfMemory) process.stderr.write(OUT_OF_MEMORY);
    return lost === null ? statusOf(result) : statusOfUnwritten(lost);
  } finally {
    stopWatching();
    // Nobody wants the rest of it, and it may never end.
    if (interactive) process.stdin.destroy();
  }
}

/** The command has our terminal, which is ours again as it was when this settles. */
async function atTerminal(execution: Execution, interactive: boolean): Promise<ExecResult> {
  using _session = await TerminalSession.open(execution, interactive);
  const screen = new ScreenModes();
  let result: ExecResult | null = null;
  try {
    result = await connected(execution, { interactive, screen });
    return result;
  } finally {
    // One that ended by itself has put the screen in order, or means it to stay like this.
    if (result === null || result.signal !== null || result.timedOut) {
      process.stdout.write(screen.restoring());
    }
  }
}

/** Settles when the command and its outputs have ended. */
async function connected(execution: Execution, options: StreamOptions): Promise<ExecResult> {
  // Waiting ends the input that nobody passes on; a command may read it before it ends its output.
  const streams = connectStreams(execution, options);
  const [result] = await Promise.all([execution.wait(), streams]);
  return result;
}

function statusOfUnwritten(cause: Error): number {
  const { status, message } = unwritten(cause);
  process.stderr.write(message);
  return status;
}

function statusOf({ timedOut, exitCode }: ExecResult): number {
  if (timedOut) return exitStatus.timedOut;
  return exitCode < 0 ? exitStatus.signaled - exitCode : exitCode;
}
