import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GUESTS = fileURLToPath(new URL('guests', import.meta.url));
const AGENT = fileURLToPath(new URL('../../guest', import.meta.url));

/** Compiles a program of `test/vm/guests/` for boxes, static, with these macros; returns its path. */
export function compileGuest(
  name: string,
  into: string,
  macros: Readonly<Record<string, string>> = {},
): string {
  const program = join(into, name);
  execFileSync('musl-gcc', [
    ...['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Os', '-static', '-s'],
    ...Object.entries(macros).map(([macro, value]) => `-D${macro}=${value}`),
    ...['-I', AGENT, '-o', program, join(GUESTS, `${name}.c`)],
  ]);
  return program;
}
