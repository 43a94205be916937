import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { BoxliteError, messageOf } from '../base/errors.ts';

/** Linux's O_TMPFILE: a file that has no name, so nothing is left behind however we end. */
const O_TMPFILE = 0o20200000;

/** A filter as a descriptor that bubblewrap reads to its end, so that each start needs one of its own. */
export class FilterFile implements Disposable {
  readonly descriptor: number;

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * Writes it to the first of `directories` that can hold it.
   * @throws BoxliteError `Storage` if none can.
   */
  static create(program: Uint8Array, directories: readonly string[]): FilterFile {
    const reasons: string[] = [];
    for (const directory of directories) {
      try {
        const descriptor = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
        // At a position: where bubblewrap begins to read stays at the start.
        writeSync(descriptor, program, 0, program.length, 0);
        return new FilterFile(descriptor);
      } catch (error) {
        reasons.push(messageOf(error));
      }
    }
    throw new BoxliteError('Storage', `Cannot write the jail's filter: ${reasons.join('; ')}`);
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }
}
