/** `-v HOST:GUEST[:OPTIONS]`, as Docker has it. */
import type { VolumeSpec } from '../index.ts';
import { UsageError } from './arguments.ts';

/** Docker's words for what is as it is here: labels and consistency of its own file sharing. */
const WITHOUT_MEANING = ['z', 'Z', 'cached', 'delegated', 'consistent'];

/**
 * Reads one volume. Of the options `ro` and `rw` count; several are separated by commas.
 * @throws UsageError at what is not a host's path and a guest's.
 */
export function volumeFlag(given: string): VolumeSpec {
  const [hostPath = '', guestPath, options = '', ...rest] = given.split(':');
  if (guestPath === undefined) {
    throw new UsageError(`-v ${given}: name a path on the host and one in the box, as HOST:GUEST`);
  }
  if (rest.length > 0) throw new UsageError(`-v ${given}: a path cannot have a ":" in it`);
  if (hostPath === '') throw new UsageError(`-v ${given}: name a path on the host before the ":"`);
  if (!hostPath.includes('/') && hostPath !== '.' && hostPath !== '..') {
    throw new UsageError(
      `-v ${given}: there are no named volumes; for a directory write ./${hostPath}`,
    );
  }
  return { hostPath, guestPath, readOnly: readOnlyOf(given, options) };
}

function readOnlyOf(given: string, options: string): boolean {
  const words = options.split(',').filter((word) => word !== '');
  for (const word of words) {
    if (word !== 'ro' && word !== 'rw' && !WITHOUT_MEANING.includes(word)) {
      throw new UsageError(`-v ${given}: unknown option "${word}", expected ro or rw`);
    }
  }
  if (words.includes('ro') && words.includes('rw')) {
    throw new UsageError(`-v ${given}: expected one of ro and rw`);
  }
  return words.includes('ro');
}
