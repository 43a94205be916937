// pure
/** What the calls of a box's file system take: read as leniently as `node:fs` does, and no further. */
import { BoxliteError } from '../../base/errors.ts';
import { describeType, invalid, quote } from '../../spec/reader.ts';

/** As much as `node:fs` reads into one buffer. */
export const READ_BYTES_MAX = 2 ** 31 - 1;

/** An encoding's name alone is short for an object with it. */
export type EncodingOption = BufferEncoding | 'buffer' | null | undefined;

/** Options of reading. */
export interface ReadFileOptions {
  readonly encoding?: EncodingOption;
  readonly signal?: AbortSignal | undefined;
}

/** Options of writing. */
export interface WriteFileOptions {
  readonly encoding?: BufferEncoding | null | undefined;
  /** Of a file that is made; no umask is applied. Default: 0o644. */
  readonly mode?: number | undefined;
  /** Default: `w`; `a` when appending. */
  readonly flag?: OpenFlags | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of listing. */
export interface ReaddirOptions {
  readonly encoding?: EncodingOption;
  readonly withFileTypes?: boolean | undefined;
  readonly recursive?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a file is opened, by the letters of `node:fs`. */
export type OpenFlags =
  | ('r' | 'rs' | 'r+' | 'rs+')
  | ('w' | 'wx' | 'w+' | 'wx+')
  | ('a' | 'as' | 'ax' | 'a+' | 'as+' | 'ax+');

// From the kernel's fcntl.h, the same on x86-64 and arm64.
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_SYNC = 0o4010000;

const openFlags: Readonly<Record<OpenFlags, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY | O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  'wx+': O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  as: O_WRONLY | O_CREAT | O_APPEND | O_SYNC,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  'a+': O_RDWR | O_CREAT | O_APPEND,
  'as+': O_RDWR | O_CREAT | O_APPEND | O_SYNC,
  'ax+': O_RDWR | O_CREAT | O_APPEND | O_EXCL,
};

/** The kernel's number for these letters. @throws BoxliteError `InvalidArgument` */
export function flagNumber(flags: OpenFlags): number {
  if (!Object.hasOwn(openFlags, flags)) {
    throw invalid('flag', `one of ${Object.keys(openFlags).join(', ')}`, quote(String(flags)));
  }
  return openFlags[flags];
}

/** A file's mode. @throws BoxliteError `InvalidArgument` */
export function modeNumber(mode: number | string | undefined, fallback: number): number {
  if (mode === undefined) return fallback;
  const number = typeof mode === 'string' ? Number.parseInt(mode, 8) : mode;
  return wholeNumber('mode', number, 0o7777);
}

/** @throws BoxliteError `InvalidArgument` unless it is a whole number in 0..max. */
export function wholeNumber(name: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw invalid(name, `a whole number in 0..${max}`, describeType(value));
  }
  return value;
}

/** Options that may be an encoding alone. */
export function withEncoding<Options extends object>(
  options: Options | string | null | undefined,
): Partial<Options> {
  if (options === undefined || options === null) return {};
  if (typeof options === 'string') return { encoding: options } as unknown as Partial<Options>;
  if (typeof options === 'object') return options;
  throw invalid('options', 'an object or an encoding', describeType(options));
}

/** The encoding to decode with, null for bytes. @throws BoxliteError `InvalidArgument` */
export function decodingOf(encoding: EncodingOption): BufferEncoding | null {
  if (encoding === undefined || encoding === null || encoding === 'buffer') return null;
  if (!Buffer.isEncoding(encoding)) throw invalid('encoding', 'an encoding', quote(encoding));
  return encoding;
}

/** Anything that means a moment to `utimes`: seconds since 1970, a date, or either as text. */
export type FileTime = number | string | Date;

/** The two times that `utimes` sets, as fields of a request. @throws BoxliteError `InvalidArgument` */
export function timeFields(atime: FileTime, mtime: FileTime) {
  const accessed = timeParts('atime', atime);
  const modified = timeParts('mtime', mtime);
  return {
    atime: accessed.whole,
    atimeNs: accessed.nanoseconds,
    mtime: modified.whole,
    mtimeNs: modified.nanoseconds,
  };
}

/** Whole seconds and the nanoseconds beyond. */
function timeParts(name: string, time: FileTime) {
  const seconds = time instanceof Date ? time.getTime() / 1000 : Number(time);
  if (!Number.isFinite(seconds) || Math.abs(seconds) > Number.MAX_SAFE_INTEGER) {
    throw new BoxliteError('InvalidArgument', `${name}: expected a Date or seconds`);
  }
  const whole = Math.floor(seconds);
  // A double has no more than microseconds of today's times.
  const nanoseconds = Math.round((seconds - whole) * 1e6) * 1000;
  return nanoseconds === 1e9 ? { whole: whole + 1, nanoseconds: 0 } : { whole, nanoseconds };
}
