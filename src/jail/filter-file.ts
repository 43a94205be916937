import { writeSync } from 'node:fs';
import { UnnamedFile } from '../base/unnamed-file.ts';

/**
 * A filter as a file that bubblewrap reads to its end, so that each start needs one of its own.
 * @throws BoxliteError `Storage` if none of the directories can hold it.
 */
export function filterFile(program: Uint8Array, directories: readonly string[]): UnnamedFile {
  return UnnamedFile.create("the jail's filter", directories, (descriptor) => {
    // At a position: where bubblewrap begins to read stays at the start.
    const written = writeSync(descriptor, program, 0, program.length, 0);
    if (written < program.length) throw new Error('there is no room');
  });
}
