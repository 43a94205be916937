// pure
/** A file's content in an archive: its stored bytes, and where they belong if it is sparse. */
import type { ByteString } from '../tree.ts';
import type { ByteQueue } from './byte-queue.ts';
import { BLOCK_BYTES, isAtEnd, type Reading, take } from './demand.ts';
import { type TarEntry, tarError } from './entry.ts';
import { parseMoreSparse, parseOldSparse, type RawHeader } from './header.ts';
import { boundedSize } from './member.ts';
import { PAX_BYTES_MAX, type PaxRecords } from './pax.ts';
import * as sparse from './sparse.ts';

export interface Content {
  readonly name: ByteString;
  /** With the holes filled. */
  readonly size: number;
  readonly fragments: readonly sparse.Fragment[];
}

/** Where `stored` bytes of a file belong. Reads the map where it stands before them. */
export function* contentOf(
  queue: ByteQueue,
  member: { readonly raw: RawHeader; readonly block: Buffer; readonly records: PaxRecords },
  entry: TarEntry,
  stored: number,
): Reading<Content> {
  const { raw, block, records } = member;
  if (raw.flag === 'S') return yield* oldSparse(queue, raw, block, entry, stored);
  const found = sparse.paxSparse(records);
  if (found !== null) return yield* newSparse(queue, found, entry, stored);
  return { name: entry.name, size: stored, fragments: [{ offset: 0, length: stored }] };
}

/** The map is in the header, and in blocks after it that do not count as stored bytes. */
function* oldSparse(
  queue: ByteQueue,
  raw: RawHeader,
  block: Buffer,
  entry: TarEntry,
  stored: number,
): Reading<Content> {
  const { position } = queue;
  if (!raw.isGnu) throw tarError(position, 'a sparse file outside a GNU archive');
  const { fragments, continues, realSize } = parseOldSparse(block, position);
  for (let more = continues; more; ) {
    const next = parseMoreSparse(yield* take(queue, BLOCK_BYTES), position);
    fragments.push(...next.fragments);
    if (fragments.length > sparse.FRAGMENTS_MAX) {
      throw tarError(position, `a sparse file has more than ${sparse.FRAGMENTS_MAX} places`);
    }
    more = next.continues;
  }
  const size = boundedSize(realSize, position);
  sparse.checkFragments(fragments, size, stored, position);
  return { name: entry.name, size, fragments };
}

/** The map is a record, or (format 1.0) the first of the stored bytes. */
function* newSparse(
  queue: ByteQueue,
  found: sparse.PaxSparse,
  entry: TarEntry,
  stored: number,
): Reading<Content> {
  const { position } = queue;
  const fragments =
    found.map === null
      ? yield* mapBeforeData(queue, stored)
      : sparse.parseSparseMap(found.map, position);
  const size = found.size === undefined ? stored : sparse.sparseNumber(found.size, position);
  sparse.checkFragments(fragments, size, stored - (queue.position - position), position);
  return { name: found.name || entry.name, size, fragments };
}

/** Decimal lines in whole blocks: how many places, then offset and length of each. */
function* mapBeforeData(queue: ByteQueue, stored: number): Reading<sparse.Fragment[]> {
  const { position } = queue;
  const lines: string[] = [];
  let rest = '';
  let wanted = 1;
  while (lines.length < wanted) {
    const read = queue.position - position;
    if (read + BLOCK_BYTES > Math.min(stored, PAX_BYTES_MAX)) {
      throw tarError(position, "a sparse file's map is longer than its member, or than 1 MiB");
    }
    const more = rest + (yield* take(queue, BLOCK_BYTES)).toString('latin1');
    const complete = more.split('\n');
    rest = complete.pop() ?? '';
    lines.push(...complete);
    if (lines.length > 0) wanted = 1 + 2 * sparse.sparseNumber(lines[0], position);
  }
  return sparse.pairs(lines.slice(1, wanted), position);
}

/** The stored bytes and the holes between them, as events. */
export function* readContent(queue: ByteQueue, { fragments, size }: Content): Reading<void> {
  let at = 0;
  for (const { offset, length } of fragments) {
    if (offset > at) yield { kind: 'hole', length: offset - at };
    for (let left = length; left > 0; ) {
      if (yield* isAtEnd(queue)) throw tarError(queue.position, 'it is cut off');
      const bytes = queue.takeSome(left);
      left -= bytes.length;
      yield { kind: 'data', bytes };
    }
    at = offset + length;
  }
  if (size > at) yield { kind: 'hole', length: size - at };
}
