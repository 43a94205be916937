// pure
/** Values that the guest's kernel will take: what it cannot take is refused on the host. */

import type { EnvironmentPair } from './box-spec.ts';
import {
  invalid,
  isRecord,
  list,
  memberPath,
  mistyped,
  nonEmptyText,
  quote,
  type Read,
  text,
} from './reader.ts';

/** The largest user or group id; the one above it means "none" to the kernel. */
export const ID_MAX = 2 ** 32 - 2;

const USER = /^[^:\s]+(?::[^:\s]+)?$/;

/** A variable's name: not empty, without `=` and NUL. */
export function variableName(value: unknown, path: string): string {
  const name = nonEmptyText(value, path);
  if (name.includes('=')) throw invalid(path, 'a name without "="', quote(name));
  return name;
}

/** Variables, as a record or as a list of pairs; the last of a name wins. */
export function environment(value: unknown, path: string): readonly EnvironmentPair[] {
  const pairs = isRecord(value) ? recordPairs(value, path) : pairList(value, path);
  return joinEnvironments(pairs);
}

/** One environment over the other: each name once, with its last value, where it first stood. */
export function joinEnvironments(
  ...environments: readonly (readonly EnvironmentPair[])[]
): readonly EnvironmentPair[] {
  const joined = new Map(environments.flat());
  return Object.freeze([...joined].map((pair) => Object.freeze(pair)));
}

function recordPairs(value: Record<string, unknown>, path: string): EnvironmentPair[] {
  return Object.entries(value).map(([name, content]) => [
    variableName(name, memberPath(path, name)),
    text(content, memberPath(path, name)),
  ]);
}

const pairList = list<EnvironmentPair>((value, path) => {
  if (!Array.isArray(value) || value.length !== 2)
    throw mistyped(path, 'a [name, value] pair', value);
  return [variableName(value[0], `${path}[0]`), text(value[1], `${path}[1]`)];
}, 'a record or a list of [name, value] pairs');

/** An absolute path in the guest, as written. */
export function guestPath(value: unknown, path: string): string {
  const read = text(value, path);
  if (!read.startsWith('/')) throw invalid(path, 'an absolute path', quote(read));
  return read;
}

/** `name`, `uid`, `uid:gid`, `name:group` and the two mixtures. Whether it exists, the guest knows. */
export function user(value: unknown, path: string): string {
  const read = text(value, path);
  if (!USER.test(read)) {
    throw invalid(path, '"name", "uid", "uid:gid" or "name:group"', quote(read));
  }
  for (const part of read.split(':')) {
    if (/^[0-9]+$/.test(part) && Number(part) > ID_MAX) {
      throw invalid(path, `ids of at most ${ID_MAX}`, quote(read));
    }
  }
  return read;
}

/** A command's words: the first one names the program. Empty means no command. */
export const words: Read<readonly string[]> = (value, path) => {
  const read = list(text, 'an array of strings')(value, path);
  if (read.length > 0) nonEmptyText(read[0], `${path}[0]`);
  return read;
};
