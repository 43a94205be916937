/** Programs of the test's own machine in a box: copied with what they load, which makes them run in any. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LiteBox } from '../../src/index.ts';

/** Makes a program of the host one of the box, at the same path, with its loader and its libraries. */
export async function copyProgram(box: LiteBox, path: string): Promise<void> {
  const listed = execFileSync('ldd', [path], { encoding: 'utf8' });
  const libraries = [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, library = '']) => library);
  for (const file of [path, ...new Set(libraries)]) {
    await box.fs.mkdir(dirname(file), { recursive: true });
    await box.copyIn(realpathSync(file), file);
  }
}
