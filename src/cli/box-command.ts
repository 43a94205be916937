/** Running one command in a box, in the foreground. */
import { environmentVariable } from '../base/env.ts';
import { BoxCommand, type ExecResult, type LiteBox } from '../index.ts';
import { environmentPairs, wholeNumber } from './arguments.ts';
import { BROKEN_PIPE, connectStreams, forwardSignals } from './streams.ts';

/** Exit statuses, as Docker and timeout(1) have them. */
const TIMED_OUT = 124;
const SIGNALED = 128;

/** Options of a command. */
export interface CommandValues {
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly timeout?: string;
}

/** @throws UsageError */
export function boxCommand(
  [program = '', ...args]: readonly string[],
  values: CommandValues,
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

/** Shows the command's output, passes our signals on, and gives the status to exit with. */
export async function runInBox(
  box: LiteBox,
  command: BoxCommand,
  interactive: boolean,
): Promise<number> {
  const execution = await box.run(command);
  const stopForwarding = forwardSignals(execution);
  let unread = false;
  // What SIGPIPE does to a program on this side of the wire.
  process.stdout.once('error', () => {
    unread = true;
    void execution.kill();
  });
  try {
    // Waiting ends the input that nobody passes on; a command may read it before it ends its output.
    const streams = connectStreams(execution, interactive);
    const [result] = await Promise.all([execution.wait(), streams]);
    return unread ? BROKEN_PIPE : exitStatus(result);
  } finally {
    stopForwarding();
    // Nobody wants the rest of it, and it may never end.
    if (interactive) process.stdin.destroy();
  }
}

function exitStatus(result: ExecResult): number {
  if (result.timedOut) return TIMED_OUT;
  return result.exitCode < 0 ? SIGNALED - result.exitCode : result.exitCode;
}
