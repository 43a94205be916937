/** The command line: finds the command, runs it, turns its outcome into an exit status. */
import { readFileSync } from 'node:fs';
import { BoxliteError } from '../base/errors.ts';
import { UsageError } from './arguments.ts';
import { commands, usage } from './command-table.ts';
import { exitStatus } from './exit-status.ts';
import { Interrupted } from './interrupt.ts';
import { endUnwritten } from './streams.ts';

async function main(argv: readonly string[]): Promise<number> {
  const debug = argv.includes('--debug') && beforeCommandEnds(argv);
  const [name, ...args] = argv.filter((word, i) => !(word === '--debug' && i <= 1));
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  try {
    if (name === undefined || name === '--help' || name === '-h') {
      process.stdout.write(`${usage}\n`);
      return name === undefined ? exitStatus.usage : 0;
    }
    if (name === '--version' || name === '-V') {
      process.stdout.write(`boxlite ${version()}\n`);
      return 0;
    }
    if (command === undefined) throw new UsageError(`there is no command "${name}"`);
    if (args[0] === '--help' || args[0] === '-h') {
      process.stdout.write(`${command.usage}\n`);
      return 0;
    }
    return await command.run(args);
  } catch (error) {
    if (error instanceof Interrupted) return error.status;
    return report(error, debug, name ?? '');
  }
}

/** The package's, which is two folders up in a checkout as in the package. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
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
    process.stderr.write(
      `Try "boxlite ${Object.hasOwn(commands, name) ? `${name} ` : ''}--help".\n`,
    );
    return exitStatus.usage;
  }
  if (BoxliteError.is(error, 'InvalidArgument')) return exitStatus.usage;
  return BoxliteError.is(error, 'Run') ? runStatus(error) : exitStatus.failed;
}

function runStatus(error: BoxliteError): number {
  const { code } = (error.cause ?? {}) as { code?: string };
  if (code === 'not_found') return exitStatus.notFound;
  return code === 'not_executable' ? exitStatus.notExecutable : exitStatus.failed;
}

process.stdout.on('error', endUnwritten);
// There is nobody else to tell.
process.stderr.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2));
