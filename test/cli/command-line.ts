/** The command line as people use it: a process of its own for every command. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { BoxliteRuntime } from '../../src/index.ts';
import { inTime } from '../vm/polling.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/boxlite.ts', import.meta.url));

/** What a command said, and how it ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home with the command line that works in it. Disposing of it removes every box. */
export class CommandLine implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), 'boxlite-cli-'));
  /** Variables besides our own. */
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv = {}) {
    this.#env = env;
  }

  async run(args: readonly string[], input = ''): Promise<Outcome> {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: this.#environment,
      stdio: 'pipe',
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [stdout, stderr, status] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended,
    ]);
    return { status, stdout, stderr };
  }

  /** The output of a command that must succeed, without its last newline. */
  async say(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(args);
    if (status === 0) return stdout.trimEnd();
    throw new Error(`boxlite ${args.join(' ')}: status ${status}\n${stderr}`);
  }

  /** What a command that goes on and on shows until it is enough. It is ended then. */
  async watch(
    args: readonly string[],
    isEnough: (text: string) => boolean,
    { terminal = false } = {},
  ): Promise<string> {
    const line = [process.execPath, PROGRAM, ...args];
    // script(1) gives a program a terminal.
    const [command = '', ...rest] = terminal
      ? ['script', '-qec', line.join(' '), '/dev/null']
      : line;
    const child = spawn(command, rest, {
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    try {
      return await inTime(line.join(' '), untilEnough(child.stdout, isEnough));
    } finally {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      await ended;
    }
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, BOXLITE_HOME: this.home, ...this.#env };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    {
      await using runtime = new BoxliteRuntime({ homeDir: this.home });
      for (const { id } of await runtime.listInfo()) await runtime.remove(id, true);
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

async function untilEnough(
  output: AsyncIterable<Uint8Array>,
  isEnough: (text: string) => boolean,
): Promise<string> {
  let seen = '';
  for await (const chunk of output) {
    seen += String(chunk);
    if (isEnough(seen)) return seen;
  }
  throw new Error(`it ended after: ${seen}`);
}
