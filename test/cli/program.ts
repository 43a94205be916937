/** The command line as its users run it: a program of its own, in a home of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { folders } from '../vm/fixture.ts';
import { inTime } from '../vm/polling.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/boxlite.ts', import.meta.url));
/** For a program that boots a box, on a busy machine. */
const PROGRAM_MS = 120_000;

export const home = join(folders.homes, 'cli');
mkdirSync(home);

export interface ProgramOptions {
  /** Written to its standard input, which is then closed. Null leaves it open. Default: empty. */
  readonly input?: string | null;
  /** The descriptor that is its standard output. Default: a pipe of its own. */
  readonly stdout?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A finished program. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `boxlite ARGS...`. */
export function start(args: readonly string[], options: ProgramOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, BOXLITE_HOME: home, ...options.env },
    stdio: ['pipe', options.stdout ?? 'pipe', 'pipe'],
  });
  // A program may end without reading its input.
  child.stdin?.on('error', () => undefined);
  if (options.input !== null) child.stdin?.end(options.input ?? '');
  return child;
}

/** How it ended. */
export function exited(child: ChildProcess): Promise<Pick<Ended, 'status' | 'signal'>> {
  const ended = new Promise<Pick<Ended, 'status' | 'signal'>>((resolve) => {
    child.once('exit', (status, signal) => resolve({ status, signal }));
  });
  return inTime(child.spawnargs.slice(2).join(' '), ended, PROGRAM_MS).finally(() => {
    child.kill('SIGKILL');
  });
}

/** Runs `boxlite ARGS...` to its end. */
export async function boxlite(args: readonly string[], options?: ProgramOptions): Promise<Ended> {
  const child = start(args, options);
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  const [exit, out, err] = await Promise.all([exited(child), text(stdout), text(stderr)]);
  return { ...exit, stdout: out, stderr: err };
}
