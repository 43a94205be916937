import { mkdirSync } from 'node:fs';
import { BoxliteError, messageOf } from '../base/errors.ts';

/**
 * Makes a folder of ours, and those above it; `problem` is how an error begins.
 * @throws BoxliteError `Storage` naming the setting by which it can be elsewhere.
 */
export function makeFolder(problem: string, path: string, setting: string, mode = 0o777): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (cause) {
    throw new BoxliteError(
      'Storage',
      `${problem} "${path}": ${messageOf(cause)}; name another folder with ${setting}`,
      { cause },
    );
  }
}
