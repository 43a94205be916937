import { closeSync, constants, openSync } from 'node:fs';
import { BoxliteError, messageOf } from './errors.ts';

/** Linux's O_TMPFILE, of which Node has but the second part: a file that nothing is left of however we end. */
export const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** A file that has no name, open for reading and writing until it is disposed of. */
export class UnnamedFile implements Disposable {
  readonly descriptor: number;
  #open = true;

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * Makes it in the first of `directories` in which that, and filling it, can be done. `what` says what it is for.
   * @throws BoxliteError `Storage` if none can hold it.
   */
  static create(
    what: string,
    directories: readonly string[],
    fill: (descriptor: number, directory: string) => void,
  ): UnnamedFile {
    const reasons: string[] = [];
    for (const directory of directories) {
      try {
        using file = new UnnamedFile(openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600));
        fill(file.descriptor, directory);
        return file.#move();
      } catch (error) {
        reasons.push(messageOf(error));
      }
    }
    throw new BoxliteError(
      'Storage',
      `Cannot make ${what} in ${directories.join(' or ')}: ${reasons.join('; ')}; make room in one of them`,
    );
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.descriptor);
    this.#open = false;
  }

  /** The same file, which this object does not close any more. */
  #move(): UnnamedFile {
    this.#open = false;
    return new UnnamedFile(this.descriptor);
  }
}
