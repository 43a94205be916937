/** Runs a host program to its end and collects what it printed. No shell is ever involved. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { programPath, userHome } from '../base/env.ts';
import { BoxliteError, systemCode } from '../base/errors.ts';
import type { CommandOptions, CommandResult, RunCommand } from '../spec/parts.ts';
import { LineSplitter, Tail } from './output.ts';

/** Of each stream the last this many bytes are kept: enough for any message, not for a flood. */
export const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** How long a cancelled program may take to end by itself before it is killed. */
const GRACE_MS = 2_000;

/**
 * Runs `command` to its end. A failure of the program is a result, not an error.
 *
 * @throws BoxliteError `Config` if there is no such program, `Engine` if it could not be started.
 * @throws the signal's reason, or what `onLine` has thrown, once the program with its whole process group has ended.
 */
export const runCommand: RunCommand = async (command, args, options = {}) => {
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...(options.env ?? defaultEnvironment()) },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // A process group of its own, so that cancelling reaches the children too.
    detached: true,
  });
  const listener = new Listener(options.onLine);
  const signal = AbortSignal.any([listener.signal, ...(options.signal ? [options.signal] : [])]);
  const stdout = collect(child.stdout, listener.onLine);
  const stderr = collect(child.stderr, listener.onLine);
  feed(child, options.input);
  const unwatch = killOnAbort(child, signal);
  try {
    const exit = await ended(child, command, options);
    const result = { ...exit, stdout: stdout.finish(), stderr: stderr.finish() };
    if (signal.aborted) {
      // The leader has ended; what it left behind in its group goes too.
      killGroup(child, 'SIGKILL');
      signal.throwIfAborted();
    }
    return result;
  } finally {
    unwatch();
  }
};

function defaultEnvironment(): Record<string, string> {
  return { PATH: programPath(), HOME: userHome(), LANG: 'C.UTF-8' };
}

/** Who is told the lines. What it throws ends the program, and would otherwise end ours: nobody awaits it. */
class Listener {
  readonly #failed = new AbortController();
  readonly signal = this.#failed.signal;
  readonly onLine: CommandOptions['onLine'];

  constructor(onLine: CommandOptions['onLine']) {
    this.onLine = onLine && ((line) => this.#tell(onLine, line));
  }

  #tell(onLine: (line: string) => void, line: string): void {
    if (this.signal.aborted) return;
    try {
      onLine(line);
    } catch (error) {
      this.#failed.abort(error);
    }
  }
}

function collect(stream: Readable | null, onLine: CommandOptions['onLine']) {
  const tail = new Tail(OUTPUT_BYTES_MAX);
  const lines = onLine === undefined ? null : new LineSplitter(onLine);
  stream?.on('data', (chunk: Buffer) => {
    tail.push(chunk);
    lines?.push(chunk);
  });
  return {
    finish(): string {
      lines?.end();
      return tail.toString();
    },
  };
}

/** A program may end without reading its input; the broken pipe is then not an error of ours. */
function feed(child: ChildProcess, input: string | undefined): void {
  child.stdin?.on('error', () => undefined);
  if (input !== undefined) child.stdin?.end(input);
}

function ended(
  child: ChildProcess,
  command: string,
  options: CommandOptions,
): Promise<Pick<CommandResult, 'code' | 'signal'>> {
  const { promise, resolve, reject } =
    Promise.withResolvers<Pick<CommandResult, 'code' | 'signal'>>();
  child.once('error', (error) => reject(startError(error, command, options.cwd)));
  child.once('close', (code, signal) => resolve({ code, signal }));
  return promise;
}

function startError(error: Error, command: string, cwd: string | undefined): BoxliteError {
  if (systemCode(error) !== 'ENOENT') {
    return new BoxliteError('Engine', `Cannot run "${command}": ${error.message}`, {
      cause: error,
    });
  }
  const why =
    cwd !== undefined && !existsSync(cwd)
      ? `its working directory "${cwd}" does not exist`
      : command.includes('/')
        ? 'there is no such file'
        : missing(command);
  return new BoxliteError('Config', `Cannot run "${command}": ${why}`, { cause: error });
}

/** Where Debian has the programs that are called by their names alone. */
const debianPackages: Readonly<Record<string, string>> = {
  ...{ mke2fs: 'e2fsprogs', debugfs: 'e2fsprogs', e2fsck: 'e2fsprogs', resize2fs: 'e2fsprogs' },
  ...{ tar: 'tar', ldd: 'libc-bin', 'dpkg-deb': 'dpkg', xz: 'xz-utils', make: 'make' },
};

function missing(command: string): string {
  const name = debianPackages[command];
  const remedy = name === undefined ? '' : `: install it (Debian: apt-get install ${name})`;
  return `it is not installed, or not in PATH${remedy}`;
}

/** Politely, then for good. Returns how to stop watching. */
function killOnAbort(child: ChildProcess, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    killGroup(child, 'SIGTERM');
    timer = setTimeout(() => killGroup(child, 'SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}
