// pure
/** Sparse files: which parts of a file the archive holds. All else is zeros. */
import type { ByteString } from '../tree.ts';
import { tarError } from './entry.ts';
import type { PaxRecords } from './pax.ts';

export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

/** The most places one file may have; GNU tar's own maps have a few. */
export const FRAGMENTS_MAX = 1 << 16;

/** How a member's extended header says it is sparse, if it does. */
export interface PaxSparse {
  /** The file's real name, or an empty string. */
  readonly name: ByteString;
  /** The file's real size, as written. */
  readonly size: ByteString | undefined;
  /** The places, or null if they stand before the data (format 1.0). */
  readonly map: ByteString | null;
}

/** Recognises GNU's sparse formats 0.0, 0.1 and 1.0. */
export function paxSparse(records: PaxRecords): PaxSparse | null {
  const version = `${records.get('GNU.sparse.major') ?? ''}.${records.get('GNU.sparse.minor') ?? ''}`;
  const map = records.get('GNU.sparse.map') ?? '';
  const isOld = version === '0.0' || version === '0.1' || (version === '.' && map !== '');
  if (!isOld && version !== '1.0') return null;
  return {
    name: records.get('GNU.sparse.name') ?? '',
    size: records.get('GNU.sparse.size') || records.get('GNU.sparse.realsize') || undefined,
    map: isOld ? map : null,
  };
}

/** The places of formats 0.0 and 0.1: numbers between commas, offset and length in turn. */
export function parseSparseMap(map: ByteString, position: number): Fragment[] {
  if (map === '') return [];
  return pairs(map.split(','), position);
}

/** Numbers in decimal, offset and length in turn. */
export function pairs(numbers: readonly string[], position: number): Fragment[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * FRAGMENTS_MAX) {
    throw tarError(position, `a sparse file has ${numbers.length / 2} places`);
  }
  const fragments: Fragment[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    fragments.push({
      offset: sparseNumber(numbers[at], position),
      length: sparseNumber(numbers[at + 1], position),
    });
  }
  return fragments;
}

/** A decimal number of a sparse map. */
export function sparseNumber(digits: string | undefined, position: number): number {
  const value = Number(/^[0-9]{1,16}$/.test(digits ?? '') ? digits : Number.NaN);
  if (!Number.isSafeInteger(value)) {
    throw tarError(position, 'a place in a sparse file is not a number');
  }
  return value;
}

/** Refuses places that overlap, go backwards, leave the file, or do not add up to its data. */
export function checkFragments(
  fragments: readonly Fragment[],
  size: number,
  stored: number,
  position: number,
): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of fragments) {
    if (!(length >= 0 && offset >= end && offset + length <= size)) {
      throw tarError(position, `a sparse file's places are not in order within its ${size} bytes`);
    }
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) {
    throw tarError(
      position,
      `a sparse file's places come to ${sum} bytes, but ${stored} are stored`,
    );
  }
}
