// pure
/**
 * Reads options from outside: an unknown value becomes a typed one, or an `InvalidArgument` error
 * that says where it stood and what was expected there: `ports[1].guestPort: expected 1..65535,
 * got 0`. A value of the wrong type is named by its type only, as it may be a misplaced secret.
 */

import { BoxliteError } from '../base/errors.ts';

/** Reads one value. `path` says where it stands. @throws BoxliteError `InvalidArgument` */
export type Read<T> = (value: unknown, path: string) => T;

/** What an object with these fields reads as. */
export type Shape<F extends Readonly<Record<string, Read<unknown>>>> = {
  readonly [K in keyof F]: ReturnType<F[K]>;
};

/** The error for a value that is not what it should be. */
export function invalid(path: string, expected: string, got: string): BoxliteError {
  return new BoxliteError('InvalidArgument', `${path}: expected ${expected}, got ${got}`);
}

/** The error for a value of the wrong type. */
export function mistyped(path: string, expected: string, value: unknown): BoxliteError {
  return invalid(path, expected, describeType(value));
}

/** An object with these fields and no others. The path of the outermost one is empty. */
export function shape<F extends Readonly<Record<string, Read<unknown>>>>(
  fields: F,
): Read<Shape<F>> {
  return (value, path) => {
    if (!isRecord(value)) throw mistyped(path === '' ? 'options' : path, 'an object', value);
    const at = (key: string) => memberPath(path, key);
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(fields, key)) throw unknownKey(at(key), Object.keys(fields));
    }
    const entries = Object.entries(fields).map(([key, read]) => [key, read(value[key], at(key))]);
    return Object.freeze(Object.fromEntries(entries)) as Shape<F>;
  };
}

/** Where a member of the object at `path` is. */
export function memberPath(path: string, key: string): string {
  if (!/^[\w$]+$/.test(key)) return `${path}[${quote(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** Where there is nothing, `fallback`. */
export function optional<T, const U>(read: Read<T>, fallback: U): Read<T | U> {
  return (value, path) => (value === undefined ? fallback : read(value, path));
}

/** An array whose elements all read. */
export function list<T>(read: Read<T>, what = 'an array'): Read<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw mistyped(path, what, value);
    // Array.from also visits the holes of a sparse array.
    return Object.freeze(Array.from(value, (element, i) => read(element, `${path}[${i}]`)));
  };
}

/** A whole number from `min` to `max`; `note` says where an unobvious bound comes from. */
export function wholeNumber(min: number, max: number, note = ''): Read<number> {
  const range = `${min}..${max}${note && ` (${note})`}`;
  return (value, path) => {
    if (typeof value !== 'number') throw mistyped(path, range, value);
    if (Number.isFinite(value) && !Number.isInteger(value)) {
      throw invalid(path, `a whole number in ${range}`, String(value));
    }
    if (!(value >= min && value <= max)) throw invalid(path, range, String(value));
    return value;
  };
}

/** True or false. */
export function flag(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw mistyped(path, 'a boolean', value);
  return value;
}

/** A string without NUL, which neither the guest's system calls nor the host's can take. */
export function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw mistyped(path, 'a string', value);
  if (value.includes('\0')) throw invalid(path, 'a string without NUL', 'one with NUL');
  return value;
}

/** A string that is not empty, and has no NUL. */
export function nonEmptyText(value: unknown, path: string): string {
  const read = text(value, path);
  if (read === '') throw invalid(path, 'a string that is not empty', '""');
  return read;
}

/** An object whose members are all texts, under any name but none. */
export function textRecord(value: unknown, path: string): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw mistyped(path, 'a record of strings', value);
  const entries = Object.entries(value).map(([name, content]) => {
    const at = memberPath(path, name);
    return [nonEmptyText(name, at), text(content, at)];
  });
  return Object.freeze(Object.fromEntries(entries));
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): Read<T> {
  const expected = `one of ${words.map((word) => `"${word}"`).join(', ')}`;
  return (value, path) => {
    if (typeof value !== 'string') throw mistyped(path, expected, value);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw invalid(path, expected, quote(value));
    return word;
  };
}

/** A plain object, of this realm or another. A Map or a class's object holds something else. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A harmless string as it is shown in messages. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value);
}

/** The type of a value, for messages; numbers and booleans themselves. */
export function describeType(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  return isRecord(value) ? 'an object' : `an object (${value.constructor?.name})`;
}

function unknownKey(path: string, known: readonly string[]): BoxliteError {
  return new BoxliteError(
    'InvalidArgument',
    `${path}: unknown option, expected one of ${known.join(', ')}`,
  );
}
