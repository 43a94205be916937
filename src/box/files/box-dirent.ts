// pure
import { violation } from '../../portal/frame.ts';

const SLASH = 0x2f;
const LETTERS = 'fdlcbps?';
/** A name or a path with its letter; the guest's paths are shorter. */
const RECORD_BYTES_MAX = 4096 + 256;

/** What an entry of a directory is, by the guest's letter. */
type Letter = 'f' | 'd' | 'l' | 'c' | 'b' | 'p' | 's' | '?';

/** An entry of a directory in a box, in the shape of Node's `fs.Dirent`. */
export class BoxDirent<Name extends string | Buffer = string> {
  readonly name: Name;
  /** The path of the directory it is in. */
  readonly parentPath: Name;
  readonly #letter: Letter;

  /** @internal */
  constructor(name: Name, parentPath: Name, letter: Letter) {
    this.name = name;
    this.parentPath = parentPath;
    this.#letter = letter;
  }

  isFile(): boolean {
    return this.#letter === 'f';
  }

  isDirectory(): boolean {
    return this.#letter === 'd';
  }

  isSymbolicLink(): boolean {
    return this.#letter === 'l';
  }

  isFIFO(): boolean {
    return this.#letter === 'p';
  }

  isSocket(): boolean {
    return this.#letter === 's';
  }

  isCharacterDevice(): boolean {
    return this.#letter === 'c';
  }

  isBlockDevice(): boolean {
    return this.#letter === 'b';
  }
}

/** An entry as the guest lists it. */
export interface ListedEntry {
  readonly letter: Letter;
  readonly name: Buffer;
  /** The directory it is in, seen from the one that was asked for; empty for that one. */
  readonly directory: Buffer;
}

/**
 * Reads a listing however it was cut: each entry is a letter for its type, its name and a NUL; "/" and a
 * path stand before the entries of a further directory.
 * @throws BoxliteError `Portal` if the guest sends anything else.
 */
export class ListReader {
  #rest: Buffer = Buffer.alloc(0);
  #directory: Buffer = Buffer.alloc(0);

  *push(piece: Uint8Array): Generator<ListedEntry> {
    const bytes = Buffer.concat([this.#rest, piece]);
    let at = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, at)) {
      const entry = this.#read(bytes.subarray(at, end));
      at = end + 1;
      if (entry !== null) yield entry;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    if (this.#rest.length > RECORD_BYTES_MAX) throw violation('a listing without end');
  }

  /** To be called at the end. */
  finish(): void {
    if (this.#rest.length > 0) throw violation('a listing that was cut off');
  }

  #read(record: Buffer): ListedEntry | null {
    const [letter] = record;
    const text = record.subarray(1);
    if (letter === undefined || text.length === 0 || record.length > RECORD_BYTES_MAX) {
      throw violation('an entry of a listing without a name');
    }
    if (letter === SLASH) {
      this.#directory = text;
      return null;
    }
    const known = String.fromCharCode(letter);
    if (!LETTERS.includes(known) || text.includes(SLASH)) {
      throw violation('an entry of a listing that is none');
    }
    return { letter: known as Letter, name: text, directory: this.#directory };
  }
}
