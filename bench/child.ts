/** Measures in a Node process that does nothing else, because memory is a property of the whole process. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs `bench/<script>` with the garbage collector at hand; resolves with what it reported. */
export function measureInChild<Result>(script: string, args: readonly string[]): Promise<Result> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(path, args, { execArgv: ['--expose-gc'] });
  return new Promise((resolve, reject) => {
    let result: { readonly value: Result } | null = null;
    child.once('message', (value) => {
      result = { value: value as Result };
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (result !== null) resolve(result.value);
      else reject(new Error(`bench/${script} ended with ${signal ?? code} and reported nothing`));
    });
  });
}

/** Tells the parent, from within such a process. */
export function report(value: object): void {
  process.send?.(value);
}

/** Resident memory in bytes, what is garbage not counted. */
export function settledMemory(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  return process.memoryUsage.rss();
}
