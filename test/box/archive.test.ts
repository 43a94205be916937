import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ARCHIVE_HEADER_BYTES,
  type ArchiveEntry,
  type ArchiveRecord,
  archiveKinds,
  DEPTH_MAX,
  decodeEntry,
  decodeHeader,
  encodeEntry,
  encodeHole,
  encodeMark,
  isArchiveName,
  putArchiveHeader,
} from '../../src/box/files/archive.ts';
import { ArchiveReader } from '../../src/box/files/archive-reader.ts';
import { BoxliteError } from '../../src/index.ts';
import { readArchiveVectors } from './archive-vectors.ts';

const entryKinds = ['directory', 'file', 'symlink', 'link'] as const;

function bytesRecord(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(ARCHIVE_HEADER_BYTES);
  putArchiveHeader(header, 0, 'bytes', bytes.length);
  return Buffer.concat([header, bytes]);
}

function entry(given: Partial<ArchiveEntry> = {}): ArchiveEntry {
  return {
    kind: 'file',
    mode: 0o644,
    link: 0,
    seconds: 0,
    nanoseconds: 0,
    name: Buffer.from('f'),
    target: Buffer.alloc(0),
    ...given,
  };
}

function readAll(archive: Uint8Array, cuts: readonly number[] = []): ArchiveRecord[] {
  const reader = new ArchiveReader();
  const records: ArchiveRecord[] = [];
  let start = 0;
  for (const end of [...cuts.map((cut) => cut % (archive.length + 1)), archive.length].sort(
    (a, b) => a - b,
  )) {
    // Views are good only until the next piece.
    for (const record of reader.push(archive.slice(start, end))) records.push(record);
    start = end;
  }
  reader.finish();
  return joinBytes(records);
}

/** Pieces of content as one, however they were cut. */
function joinBytes(records: readonly ArchiveRecord[]): ArchiveRecord[] {
  const joined: ArchiveRecord[] = [];
  for (const record of records) {
    const last = joined.at(-1);
    if (record.kind === 'bytes' && last?.kind === 'bytes') {
      const bytes = Buffer.concat([last.bytes, record.bytes]);
      joined[joined.length - 1] = { kind: 'bytes', bytes };
    } else {
      joined.push(
        record.kind === 'bytes' ? { kind: 'bytes', bytes: Buffer.from(record.bytes) } : record,
      );
    }
  }
  return joined;
}

function refused(archive: Buffer, what: RegExp): void {
  assert.throws(
    () => readAll(archive),
    (error) => BoxliteError.is(error, 'Portal') && what.test(error.message),
  );
}

/** Any name that a directory may hold. */
const names = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map((bytes) => Buffer.from(bytes))
  .filter((name) => isArchiveName(name));

/** A random tree as the records of its archive. */
const contents = fc.letrec<{ tree: ArchiveRecord[]; node: ArchiveRecord[] }>((tie) => ({
  tree: fc.array(tie('node'), { maxLength: 4 }).map((nodes) => nodes.flat()),
  node: fc.oneof(
    { depthSize: 'small' },
    fc
      .record({ name: names, mode: fc.nat(0o7777), bytes: fc.uint8Array({ maxLength: 300 }) })
      .map(({ name, mode, bytes }) => [
        entry({ name, mode }),
        ...(bytes.length > 0 ? [{ kind: 'bytes' as const, bytes: Buffer.from(bytes) }] : []),
      ]),
    fc
      .record({ name: names, length: fc.nat() })
      .map(({ name, length }) => [entry({ name }), { kind: 'hole' as const, length }]),
    fc
      .record({ name: names, seconds: fc.integer(), nanoseconds: fc.nat(999_999_999) })
      .map((given) => [entry({ ...given, kind: 'symlink', target: Buffer.from('/to') })]),
    fc
      .record({ name: names, inside: tie('tree') })
      .map(({ name, inside }) => [
        entry({ kind: 'directory', name }),
        ...inside,
        { kind: 'up' as const },
      ]),
  ),
})).tree;

function encode(record: ArchiveRecord): Buffer {
  switch (record.kind) {
    case 'bytes':
      return bytesRecord(record.bytes);
    case 'hole':
      return encodeHole(record.length);
    case 'up':
    case 'end':
      return encodeMark(record.kind);
    default:
      return encodeEntry(record);
  }
}

describe('the archive codec', () => {
  for (const vector of readArchiveVectors()) {
    it(`${vector.ok ? 'reads' : 'refuses'} the golden record ${vector.title}`, () => {
      const decode = () => {
        const { kind, length } = decodeHeader(vector.record);
        const payload = vector.record.subarray(ARCHIVE_HEADER_BYTES);
        assert.equal(payload.length, length);
        const isEntry = (entryKinds as readonly string[]).includes(kind);
        return isEntry ? decodeEntry(kind as ArchiveEntry['kind'], payload) : null;
      };
      if (!vector.ok) {
        assert.throws(decode, (error) => BoxliteError.is(error, 'Portal'));
        return;
      }
      const decoded = decode();
      if (decoded === null) return;
      const { kind, ...fields } = decoded;
      assert.deepEqual(fields, vector.entry);
      assert.deepEqual(encodeEntry(decoded), vector.record);
      assert.equal(vector.record[4], archiveKinds[kind]);
    });
  }
});

describe('ArchiveReader', () => {
  it('reads any tree back, however it is cut', () => {
    fc.assert(
      fc.property(contents, fc.array(fc.nat(), { maxLength: 20 }), (records, cuts) => {
        const all: ArchiveRecord[] = [...records, { kind: 'end' }];
        const archive = Buffer.concat(all.map(encode));
        assert.deepEqual(readAll(archive, cuts), all);
      }),
      { numRuns: 60 },
    );
  });

  it('reads a tree that comes byte by byte', () => {
    const records: ArchiveRecord[] = [
      entry({ kind: 'directory', name: Buffer.from('d') }),
      entry({ link: 1 }),
      { kind: 'bytes', bytes: Buffer.from('content') },
      { kind: 'hole', length: 5 },
      entry({ kind: 'link', link: 1, name: Buffer.from('again') }),
      { kind: 'up' },
      { kind: 'end' },
    ];
    const archive = Buffer.concat(records.map(encode));
    const cuts = Array.from(archive, (_, i) => i);
    assert.deepEqual(readAll(archive, cuts), records);
  });

  it('throws only errors of the portal, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, at) => {
        const good = Buffer.concat([
          encode(entry()),
          bytesRecord(Buffer.from('x')),
          encodeMark('end'),
        ]);
        const mixed = Buffer.from(good);
        Buffer.from(bytes).copy(mixed, at % mixed.length);
        for (const archive of [Buffer.from(bytes), mixed]) {
          try {
            readAll(archive);
          } catch (error) {
            assert.ok(BoxliteError.is(error, 'Portal'), String(error));
          }
        }
      }),
    );
  });

  it('refuses what makes no sense', () => {
    const file = encode(entry());
    const directory = encode(entry({ kind: 'directory' }));
    const content = bytesRecord(Buffer.from('x'));
    const [up, end] = [encodeMark('up'), encodeMark('end')];
    refused(Buffer.concat([file]), /cut off/);
    refused(Buffer.concat([file, end.subarray(0, 3)]), /cut off/);
    refused(Buffer.concat([content, end]), /content without a file/);
    refused(Buffer.concat([encodeHole(1), end]), /content without a file/);
    refused(Buffer.concat([directory, content, up, end]), /content without a file/);
    refused(Buffer.concat([file, directory, up, content, end]), /content without a file/);
    refused(Buffer.concat([up, end]), /did not enter/);
    refused(Buffer.concat([directory, up, up, end]), /did not enter/);
    refused(Buffer.concat([directory, end]), /inside a directory/);
    refused(Buffer.concat([end, end]), /after its end/);
    refused(Buffer.concat([end, file]), /after its end/);
  });

  it('refuses links to files that did not come', () => {
    const end = encodeMark('end');
    refused(Buffer.concat([encode(entry({ kind: 'link', link: 1 })), end]), /was not there/);
    refused(Buffer.concat([encode(entry({ link: 2 })), end]), /counts files/);
    const first = encode(entry({ link: 1 }));
    refused(Buffer.concat([first, first, end]), /counts files/);
    refused(Buffer.concat([first, encode(entry({ kind: 'link', link: 2 })), end]), /was not there/);
  });

  it('refuses a tree that is too deep and a file that is too large', () => {
    const directory = encode(entry({ kind: 'directory' }));
    const deep = Array.from({ length: DEPTH_MAX + 1 }, () => directory);
    refused(Buffer.concat(deep), /directories deep/);
    const hole = encodeHole(Number.MAX_SAFE_INTEGER);
    refused(Buffer.concat([encode(entry()), hole, hole]), /too large/);
    const largest = Buffer.from(hole);
    largest.fill(0xff, ARCHIVE_HEADER_BYTES);
    refused(Buffer.concat([encode(entry()), largest]), /too large/);
  });

  it('reads a tree of the greatest depth', () => {
    const directory = encode(entry({ kind: 'directory' }));
    const down = Array.from({ length: DEPTH_MAX }, () => directory);
    const up = Array.from({ length: DEPTH_MAX }, () => encodeMark('up'));
    assert.equal(
      readAll(Buffer.concat([...down, ...up, encodeMark('end')])).length,
      2 * DEPTH_MAX + 1,
    );
  });
});
