import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { withoutZeroPages } from '../../src/engine/qemu/migration-stream.ts';

const PAGE_BYTES = 4096;
const SAME_BLOCK = 0x20;
const blocks = ['memory', 'pc.bios'] as const;

interface Page {
  readonly block: (typeof blocks)[number];
  readonly number: number;
  /** What all of it is filled with. */
  readonly byte: number;
}

function u(bytes: number, value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer.subarray(8 - bytes);
}

const named = (name: string) => Buffer.concat([u(1, name.length), Buffer.from(name)]);

/** Sections of memory as QEMU writes them, which names a block once for all pages that follow. */
class Writer {
  #last: string | null = null;

  section(type: 1 | 2 | 3, records: readonly Buffer[]): Buffer {
    const begin = type === 1 ? [named('ram'), u(4, 0), u(4, 4)] : [];
    return Buffer.concat([
      u(1, type),
      u(4, 2),
      ...begin,
      ...records,
      u(8, 0x10),
      u(1, 0x7e),
      u(4, 2),
    ]);
  }

  page({ block, number, byte }: Page): Buffer {
    const same = block === this.#last;
    this.#last = block;
    const flags = (byte === 0 ? 0x02 : 0x08) | (same ? SAME_BLOCK : 0);
    const address = u(8, number * PAGE_BYTES + flags);
    const name = same ? [] : [named(block)];
    return Buffer.concat([address, ...name, Buffer.alloc(byte === 0 ? 1 : PAGE_BYTES, byte)]);
  }
}

const BEGIN = Buffer.concat([u(4, 0x5145564d), u(4, 3), u(1, 7), u(4, 7), Buffer.from('microvm')]);
/** Whatever comes behind the memory is none of its sections. */
const REST = Buffer.concat([u(1, 4), Buffer.from('devices, and more')]);
const SIZES = Buffer.concat([
  ...[u(8, 8 * 1024 * 1024 + 0x04), named('memory'), u(8, 6 * 1024 * 1024)],
  ...[named('pc.bios'), u(8, 2 * 1024 * 1024)],
]);

function stream(parts: readonly (readonly Page[])[]): Buffer {
  const writer = new Writer();
  const sections = parts.map((pages, i) =>
    writer.section(
      i === parts.length - 1 ? 3 : 2,
      pages.map((page) => writer.page(page)),
    ),
  );
  return Buffer.concat([BEGIN, writer.section(1, [SIZES]), ...sections, REST]);
}

/** The memory that a machine has which starts from a stream, by what QEMU does with each record. */
function load(bytes: Buffer): { memory: Map<string, number>; records: number } {
  const memory = new Map<string, number>();
  let records = 0;
  let at = BEGIN.length;
  let block = '';
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const name = () => take(take(1).readUInt8()).toString();
  while ([1, 2, 3].includes(bytes[at] ?? 0)) {
    const type = take(1).readUInt8();
    assert.equal(take(4).readUInt32BE(), 2);
    if (type === 1) assert.equal(name() + take(8).toString('hex'), 'ram0000000000000004');
    for (;;) {
      const word = take(8).readBigUInt64BE();
      const flags = Number(word & 0xfffn);
      if (flags === 0x10) break;
      if (flags === 0x04) {
        assert.equal(take(SIZES.length - 8).compare(SIZES.subarray(8)), 0);
        continue;
      }
      records++;
      if ((flags & SAME_BLOCK) === 0) block = name();
      const content = take((flags & 0x02) === 0 ? PAGE_BYTES : 1);
      memory.set(`${block} ${word & ~0xfffn}`, content[0] ?? -1);
    }
    assert.equal(take(5).toString('hex'), '7e00000002');
  }
  assert.equal(bytes.subarray(at).compare(REST), 0);
  return { memory, records };
}

const anyPage: fc.Arbitrary<Page> = fc.record({
  block: fc.constantFrom(...blocks),
  number: fc.integer({ min: 0, max: 511 }),
  byte: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 255 })),
});
const anyParts = fc.array(fc.array(anyPage, { maxLength: 12 }), { minLength: 1, maxLength: 4 });

describe('withoutZeroPages()', () => {
  it('leaves out pages of zeros and nothing else, whichever block was named when', () => {
    fc.assert(
      fc.property(anyParts, (parts) => {
        const before = load(stream(parts));
        const after = load(withoutZeroPages(stream(parts)));
        for (const [place, byte] of before.memory) {
          assert.equal(after.memory.get(place) ?? 0, byte);
        }
        assert.deepEqual(
          new Set([...before.memory.keys(), ...after.memory.keys()]).size,
          before.memory.size,
        );
        const filled = parts.flat().filter(({ byte }) => byte !== 0).length;
        assert.ok(after.records >= filled && after.records <= before.records);
      }),
    );
  });

  it('keeps a page of zeros only if it was another before', () => {
    const page = (number: number, byte: number): Page => ({ block: 'memory', number, byte });
    const parts = [
      [page(3, 7), page(4, 0)],
      [page(3, 0), page(4, 0), page(5, 0)],
    ];
    const { memory, records } = load(withoutZeroPages(stream(parts)));
    assert.deepEqual([...memory], [['memory 12288', 0]]);
    assert.equal(records, 2);
  });

  it('refuses what ends too soon or is nothing it knows, and never goes on for ever', () => {
    const whole = stream([[{ block: 'memory', number: 1, byte: 9 }]]);
    const end = whole.length - REST.length;
    for (let length = 0; length < end; length += length > 100 ? 97 : 1) {
      assert.throws(() => withoutZeroPages(whole.subarray(0, length)), isRefusal, `${length}`);
    }
    for (const [at, byte] of [
      [0, 0],
      [7, 2],
      [BEGIN.length + 6, 120],
    ] as const) {
      const wrong = Buffer.from(whole);
      wrong[at] = byte;
      assert.throws(() => withoutZeroPages(wrong), isRefusal);
    }
    fc.assert(
      fc.property(fc.nat(end - 1), fc.nat(255), (at, byte) => {
        const wrong = Buffer.from(whole);
        wrong[at] = byte;
        try {
          withoutZeroPages(wrong);
        } catch (error) {
          assert.ok(isRefusal(error), String(error));
        }
      }),
    );
  });
});

function isRefusal(error: unknown): boolean {
  return BoxliteError.is(error, 'Engine') && error.message.startsWith('Cannot use what QEMU');
}
