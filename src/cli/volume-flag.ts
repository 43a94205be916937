/** `-v HOST:GUEST[:OPTIONS]`, as Docker has it. */
import type { VolumeSpec } from '../index.ts';
import { UsageError } from './arguments.ts';

/** Docker's words for what is as it is here: labels, consistency of its own file sharing, mounts that stay to themselves. */
const WITHOUT_MEANING = ['z', 'Z', 'cached', 'delegated', 'consistent', 'private', 'rprivate'];
/** Docker's words for what a box does not have, and why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['nocopy', 'it is about named volumes, which there are not'],
  ...['shared', 'rshared', 'slave', 'rslave'].map(
    (word) =>
      [word, 'what is mounted on the host or in the box later does not pass between them'] as const,
  ),
]);

/**
 * Reads one volume. Of the options `ro` and `rw` count; several are separated by commas.
 * @throws UsageError at what is not a host's path and a guest's.
 */
export function volumeFlag(given: string): VolumeSpec {
  const wrong = (what: string) => new UsageError(`-v ${given}: ${what}`);
  const [hostPath = '', guestPath, options, ...rest] = given.split(':');
  if (guestPath === undefined) {
    throw wrong('name a path on the host and one in the box, as HOST:GUEST');
  }
  if (rest.length > 0) throw wrong('a path cannot have a ":" in it');
  if (hostPath === '') throw wrong('name a path on the host before the ":"');
  if (!hostPath.includes('/') && hostPath !== '.' && hostPath !== '..') {
    throw wrong(`there are no named volumes; for a directory write ./${hostPath}`);
  }
  if (!guestPath.startsWith('/')) {
    throw wrong(`expected an absolute path in the box, got "${guestPath}"`);
  }
  if (options === '') throw wrong('expected ro or rw behind the last ":"');
  const words = options?.split(',') ?? [];
  for (const [i, word] of words.entries()) {
    const why = REFUSED.get(word);
    if (why !== undefined) throw wrong(`there is no option "${word}": ${why}`);
    if (word !== 'ro' && word !== 'rw' && !WITHOUT_MEANING.includes(word)) {
      throw wrong(`unknown option "${word}", expected ro or rw`);
    }
    if (words.indexOf(word) < i) throw wrong(`"${word}" is there twice`);
  }
  if (words.includes('ro') && words.includes('rw')) throw wrong('expected one of ro and rw');
  return { hostPath, guestPath, readOnly: words.includes('ro') };
}
