/** The tests' own programs, each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** How a program has ended, and what it said. */
export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that has been started. It does not outlive the test. */
export interface Program {
  readonly child: ChildProcess;
  /** Resolves with the first line that it prints. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<ProgramResult>;
}

/** Starts `test/store/programs/<name>.ts`. */
export function startProgram(
  t: TestContext,
  name: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): Program {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [...nodeOptions, path, ...args]);
  t.after(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  const firstLine = Promise.withResolvers<string>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk;
      if (output.stdout.includes('\n')) firstLine.resolve(output.stdout.split('\n')[0] ?? '');
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code, ...output }));
  return { child, firstLine: firstLine.promise, ended };
}

/** Runs a program to its end; what it printed, as JSON. */
export async function runProgram<T>(
  t: TestContext,
  name: string,
  args: readonly string[],
): Promise<T> {
  const { code, stdout, stderr } = await startProgram(t, name, args).ended;
  if (code !== 0) throw new Error(`the program "${name}" failed: ${stderr}`);
  return JSON.parse(stdout) as T;
}
