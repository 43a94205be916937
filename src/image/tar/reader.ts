// pure
/**
 * Reads a tar archive from bytes that come in pieces of any size.
 *
 * The parser is a generator that reads top-down. It yields what it found, and null when it needs
 * more bytes in the queue (or its end) before it can go on. It reads ustar, pax, GNU and old
 * members; every length is bounded before anything is kept.
 */
import type { ByteQueue } from './byte-queue.ts';
import { contentOf, readContent } from './content.ts';
import { BLOCK_BYTES, isAtEnd, type Reading, skipPadding, take } from './demand.ts';
import { tarError } from './entry.ts';
import { isZeroBlock, parseHeader, type RawHeader, untilZero } from './header.ts';
import { buildEntry, type Extensions, storedSize } from './member.ts';
import { PAX_BYTES_MAX, type PaxRecords, parsePax } from './pax.ts';

/** Names beyond 4 KiB are refused later anyway. */
const LONG_NAME_BYTES_MAX = 1 << 16;
/** Records for all members, which are gone through at each. Git's archives have one. */
const GLOBAL_RECORDS_MAX = 64;

/**
 * Gives the archive's entries and their contents. What follows the end of the archive is left in
 * the queue.
 * @throws BoxliteError `Image`
 */
export function* readTar(queue: ByteQueue): Reading<void> {
  const pending = new PendingExtensions();
  for (;;) {
    const position = queue.position;
    const block = yield* nextHeaderBlock(queue);
    if (block === null) return;
    const raw = parseHeader(block, position);
    if (isExtension(raw.flag)) yield* readExtension(queue, raw, pending);
    else yield* readMember(queue, raw, block, pending.takeAll(), position);
  }
}

/** The next block that is not the end: an archive ends with two blocks of zeros, or just ends. */
function* nextHeaderBlock(queue: ByteQueue): Reading<Buffer | null> {
  if (yield* isAtEnd(queue)) return null;
  const block = yield* take(queue, BLOCK_BYTES);
  if (!isZeroBlock(block)) return block;
  if (yield* isAtEnd(queue)) return null;
  const position = queue.position;
  if (isZeroBlock(yield* take(queue, BLOCK_BYTES))) return null;
  throw tarError(position, 'a block of zeros stands between members');
}

function* readMember(
  queue: ByteQueue,
  raw: RawHeader,
  block: Buffer,
  extensions: Extensions,
  position: number,
): Reading<void> {
  const taken = storedSize(raw, extensions, position);
  const entry = buildEntry(raw, extensions, taken, position);
  if (entry.type !== 'file') {
    // Whatever size it claims, no content follows.
    yield { kind: 'entry', entry, stored: 0 };
    return;
  }
  const before = queue.position;
  const member = { raw, block, records: extensions.records };
  const content = yield* contentOf(queue, member, entry, taken);
  const { name, size, fragments } = content;
  const stored = fragments.reduce((sum, { length }) => sum + length, 0);
  yield {
    kind: 'entry',
    entry: name === entry.name && size === entry.size ? entry : { ...entry, name, size },
    stored,
  };
  yield* readContent(queue, content);
  yield* skipPadding(queue, queue.position - before);
}

function isExtension(flag: string): boolean {
  return flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K';
}

/** Members that describe the next entry (`x`, `L`, `K`) or all that follow (`g`). */
function* readExtension(queue: ByteQueue, raw: RawHeader, into: PendingExtensions): Reading<void> {
  const position = queue.position;
  const limit = raw.flag === 'x' || raw.flag === 'g' ? PAX_BYTES_MAX : LONG_NAME_BYTES_MAX;
  if (raw.size > limit) {
    throw tarError(position, `an extended header of ${raw.size} bytes, more than ${limit}`);
  }
  const size = Number(raw.size);
  into.add(raw.flag, yield* take(queue, size), position);
  yield* skipPadding(queue, size);
}

/** What has been said about the entry to come, and about all to come. */
class PendingExtensions {
  readonly #globals: PaxRecords = new Map();
  #locals: PaxRecords | null = null;
  #longName = '';
  #longLink = '';

  add(flag: string, content: Buffer, position: number): void {
    if (flag === 'L') this.#longName = untilZero(content);
    else if (flag === 'K') this.#longLink = untilZero(content);
    else if (flag === 'x') this.#locals = parsePax(content, position);
    else this.#addGlobals(parsePax(content, position), position);
  }

  /** A later value replaces an earlier one. What all members share stays bounded, too. */
  #addGlobals(more: PaxRecords, position: number): void {
    let bytes = 0;
    for (const [key, value] of more) this.#globals.set(key, value);
    for (const [key, value] of this.#globals) bytes += key.length + value.length;
    if (bytes > PAX_BYTES_MAX || this.#globals.size > GLOBAL_RECORDS_MAX) {
      throw tarError(position, 'its global headers are too large');
    }
  }

  /** What applies to the next entry, which only its own part is forgotten with. */
  takeAll(): Extensions {
    const records = this.#merged();
    const extensions = { records, longName: this.#longName, longLink: this.#longLink };
    this.#locals = null;
    this.#longName = '';
    this.#longLink = '';
    return extensions;
  }

  #merged(): PaxRecords {
    if (this.#globals.size === 0) return this.#locals ?? NO_RECORDS;
    return new Map([...this.#globals, ...(this.#locals ?? [])]);
  }
}

const NO_RECORDS: PaxRecords = new Map();
