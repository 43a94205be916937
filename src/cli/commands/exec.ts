import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, UsageError } from '../arguments.ts';
import { boxCommand, runInBox } from '../box-command.ts';
import { withoutDashes } from '../box-options.ts';
import { requireRunning } from '../targets.ts';

export const execUsage = `boxlite exec [OPTIONS] BOX [--] COMMAND [ARGUMENT...]

Runs a command in a box that runs, shows its output, and exits with its status.

  -i, --interactive       pass standard input on
  -t, --tty               give the command a terminal; -it for a shell
  -e, --env NAME=VALUE    set a variable; NAME alone passes ours on
  -w, --workdir DIR       start in this directory
  -u, --user USER         name, uid, uid:gid or name:group
      --timeout SECONDS   end the command after this long, with status 124

Examples:
    boxlite exec web -- ls /etc
    boxlite exec -it web -- sh`;

const options = {
  interactive: { type: 'boolean', short: 'i' },
  tty: { type: 'boolean', short: 't' },
  env: { type: 'string', short: 'e', multiple: true },
  workdir: { type: 'string', short: 'w' },
  user: { type: 'string', short: 'u' },
  timeout: { type: 'string' },
} as const;

export async function exec(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const [name, ...words] = rest;
  const command = withoutDashes(words);
  if (name === undefined || name === '--') throw new UsageError('exec: name a box');
  if (command.length === 0) throw new UsageError('exec: name a command');
  const asked = boxCommand(command, values);
  await using runtime = new BoxliteRuntime();
  const box = await requireRunning(runtime, name, 'run a command in');
  return await runInBox(box, asked, values);
}
