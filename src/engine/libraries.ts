import { isThere } from '../base/is-there.ts';
import type { RunCommand } from '../spec/parts.ts';

/**
 * The shared libraries a program is linked with, its loader included, under the names it opens them by.
 * Asks `ldd`; a static program has none.
 */
export async function sharedLibraries(program: string, run: RunCommand): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return parseLdd(stdout);
}

/** Reads `ldd`'s lines: `name => /path (0x...)`, and `/path (0x...)` for the loader. */
export function parseLdd(output: string): string[] {
  const paths = output.matchAll(/(?:^|=>)\s*(\/[^\s(]+) \(0x[0-9a-f]+\)$/gm);
  return [...new Set([...paths].flatMap(([, path]) => (path === undefined ? [] : [path])))];
}

/** The paths that exist, in their order. */
export async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => isThere(path)));
  return paths.filter((_, i) => found[i]);
}
