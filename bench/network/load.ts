/** What boxes do to measure their network: a program of the tests', static, that runs in any box. */
import type { Execution } from '../../src/index.ts';
import { compileGuest } from '../../test/vm/compile.ts';
import type { Subject } from '../subject.ts';

/** Where it is in a box. */
export const PROGRAM = '/bin/network';

/** Runs it with these words, which its source explains; what it printed. @throws if it failed */
export type Load = (...words: (string | number)[]) => Promise<string>;

/** Its path on the host. */
export function compileLoad({ scratch }: Subject): string {
  return compileGuest('network', scratch);
}

/** Runs the program as `start` does. */
export function loadOf(start: (argv: [string, ...string[]]) => Promise<Execution>): Load {
  return async (...words) => {
    await using execution = await start([PROGRAM, ...words.map(String)]);
    const { exitCode, stdout, stderr } = await execution.output();
    if (exitCode === 0) return stdout.trim();
    throw new Error(`network ${words.join(' ')}: ${stdout}${stderr}`);
  };
}
