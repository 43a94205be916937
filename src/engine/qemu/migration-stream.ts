// pure
import { BoxliteError } from '../../base/errors.ts';

/*
 * The stream into which QEMU saves a machine (docs/devel/migration.rst, migration/savevm.c), as far as the guest's memory
 * goes (migration/ram.c): sections, of which those of the memory come first. All numbers are big-endian.
 */
const MAGIC = 0x5145564d;
const VERSION = 3;
const SECTION_START = 1;
const SECTION_PART = 2;
const SECTION_END = 3;
const CONFIGURATION = 7;
const SECTION_FOOTER = 0x7e;

/** A record of memory begins with an address, whose lowest bits say what it is. */
const FLAGS = 0xfff;
const ZERO_PAGE = 0x02;
const SIZES = 0x04;
const PAGE = 0x08;
const END_OF_RECORDS = 0x10;
/** The block is that of the record before. */
const SAME_BLOCK = 0x20;

const PAGE_BYTES = 4096;

/**
 * A saved machine without its pages of zeros, as the memory of one that starts from it is zero already: QEMU looks at each
 * of them to see whether it is, and so has all of the memory filled.
 * @throws BoxliteError `Engine` if its memory is not as described there.
 */
export function withoutZeroPages(stream: Buffer): Buffer {
  const reader = new Reader(stream);
  if (reader.number(4) !== MAGIC || reader.number(4) !== VERSION)
    throw strange('it begins in an unknown way');
  if (reader.peek() === CONFIGURATION) {
    reader.skip(1);
    reader.skip(reader.number(4));
  }
  const kept = [reader.passed()];
  const records = new Records(reader);
  let type = 0;
  while ([SECTION_START, SECTION_PART, SECTION_END].includes(reader.peek())) {
    type = reader.number(1);
    const section = reader.number(4);
    if (type === SECTION_START) {
      if (reader.text() !== 'ram') throw strange('it has a section that is not of memory');
      // Instance and version.
      reader.skip(8);
    }
    kept.push(reader.passed(), ...records.section());
    if (reader.number(1) !== SECTION_FOOTER || reader.number(4) !== section) {
      throw strange('a section has no end');
    }
    kept.push(reader.passed());
  }
  if (type !== SECTION_END) throw strange('its memory has no end');
  return Buffer.concat([...kept, reader.rest()]);
}

/** Records of memory, each of which may be of the block of the one before, also of one in another section. */
class Records {
  readonly #reader: Reader;
  /** The last block's name as it is spelled there, for those whose record before is left out. */
  #block: Buffer = Buffer.alloc(0);
  /** Pages that were something else before they were zero: the guest goes on while it is saved. */
  readonly #filled = new Set<string>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Those of a section that are not of zero pages. */
  section(): Buffer[] {
    const reader = this.#reader;
    const kept: Buffer[] = [];
    for (;;) {
      const high = reader.number(4);
      const low = reader.number(4);
      const flags = low & FLAGS;
      if ((flags & END_OF_RECORDS) !== 0) return [...kept, reader.passed()];
      if ((flags & SIZES) !== 0) {
        skipSizes(reader, high * 2 ** 32 + ((low & ~FLAGS) >>> 0));
        kept.push(reader.passed());
        continue;
      }
      reader.passed();
      if ((flags & SAME_BLOCK) === 0) {
        reader.text();
        this.#block = reader.passed();
      }
      const place = `${this.#block.toString('latin1')} ${high} ${low & ~FLAGS}`;
      const page = this.#page(flags & ~SAME_BLOCK, place);
      if (page !== null) kept.push(u64(high, (low & ~SAME_BLOCK) >>> 0), this.#block, page);
    }
  }

  /** What a record has of a page, null if that is nothing new. */
  #page(kind: number, place: string): Buffer | null {
    const reader = this.#reader;
    if (kind === PAGE) {
      this.#filled.add(place);
      reader.skip(PAGE_BYTES);
      return reader.passed();
    }
    if (kind !== ZERO_PAGE || reader.number(1) !== 0)
      throw strange('a record of its memory is unknown');
    const zero = reader.passed();
    return this.#filled.has(place) ? zero : null;
  }
}

/** The blocks that memory has, by name and size, up to `total` bytes. */
function skipSizes(reader: Reader, total: number): void {
  for (let named = 0; named < total; ) {
    reader.text();
    named += reader.number(4) * 2 ** 32 + reader.number(4);
  }
}

function u64(high: number, low: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(high, 0);
  bytes.writeUInt32BE(low, 4);
  return bytes;
}

/** Reads forward, and tells what has been read since it was last asked. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #taken = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(length: number): number {
    this.skip(length);
    return this.#bytes.readUIntBE(this.#at - length, length);
  }

  /** A name behind its length. */
  text(): string {
    const length = this.number(1);
    this.skip(length);
    return this.#bytes.toString('latin1', this.#at - length, this.#at);
  }

  peek(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  skip(length: number): void {
    if (this.#at + length > this.#bytes.length) throw strange('it ends too soon');
    this.#at += length;
  }

  passed(): Buffer {
    const bytes = this.#bytes.subarray(this.#taken, this.#at);
    this.#taken = this.#at;
    return bytes;
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}

function strange(what: string): BoxliteError {
  return new BoxliteError('Engine', `Cannot use what QEMU has saved of a guest: ${what}`);
}
