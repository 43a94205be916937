// pure
import { violation } from '../../portal/frame.ts';
import type { JsonObject } from '../../portal/messages.ts';

// From the kernel's stat.h.
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;
const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;
const S_IFBLK = 0o060000;
const S_IFDIR = 0o040000;
const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;

const FIELDS = 18;

/** What is known of a file in a box, in the shape of Node's `fs.Stats`. */
export class BoxStats {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  /** @internal The numbers in the guest's order. */
  constructor(numbers: readonly number[]) {
    const at = (index: number) => numbers[index] ?? 0;
    const time = (index: number) => at(index) * 1000 + at(index + 1) / 1e6;
    this.dev = at(0);
    this.ino = at(1);
    this.mode = at(2);
    this.nlink = at(3);
    this.uid = at(4);
    this.gid = at(5);
    this.rdev = at(6);
    this.size = at(7);
    this.blksize = at(8);
    this.blocks = at(9);
    this.atimeMs = time(10);
    this.mtimeMs = time(12);
    this.ctimeMs = time(14);
    this.birthtimeMs = time(16);
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get ctime(): Date {
    return new Date(this.ctimeMs);
  }

  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }

  isFile(): boolean {
    return this.#is(S_IFREG);
  }

  isDirectory(): boolean {
    return this.#is(S_IFDIR);
  }

  isSymbolicLink(): boolean {
    return this.#is(S_IFLNK);
  }

  isFIFO(): boolean {
    return this.#is(S_IFIFO);
  }

  isSocket(): boolean {
    return this.#is(S_IFSOCK);
  }

  isCharacterDevice(): boolean {
    return this.#is(S_IFCHR);
  }

  isBlockDevice(): boolean {
    return this.#is(S_IFBLK);
  }

  #is(type: number): boolean {
    return (this.mode & S_IFMT) === type;
  }
}

/** Reads the guest's answer to a stat. @throws BoxliteError `Portal` if it is none. */
export function parseStats(answer: JsonObject): BoxStats {
  const numbers = answer['stat'];
  const good =
    Array.isArray(numbers) &&
    numbers.length === FIELDS &&
    numbers.every((number) => typeof number === 'number' && Number.isFinite(number));
  if (!good) throw violation('a stat that is no list of numbers');
  return new BoxStats(numbers as number[]);
}
