import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../../src/base/errors.ts';
import { header, member, padded, paxRecords, tar } from '../support/tar-maker.ts';
import { readAll, reseal } from './read-all.ts';

describe('readTar()', () => {
  test('gives names, types, owners, modes and times of a ustar archive', () => {
    const archive = tar(
      { name: 'etc/', flag: '5', mode: 0o755, mtime: 7 },
      { name: 'etc/shadow', content: 'secret', mode: 0o4640, uid: 1, gid: 42 },
      { name: 'etc/link', flag: '2', linkName: '../x' },
      { name: 'etc/hard', flag: '1', linkName: 'etc/shadow', size: 6 },
      { name: 'null', flag: '3', major: 1, minor: 3 },
      { name: 'sda', flag: '4', major: 8, minor: 0 },
      { name: 'pipe', flag: '6' },
    );
    const entries = readAll(archive);
    assert.deepEqual(
      entries.map(({ name, type, size }) => `${type} ${name} ${size}`),
      [
        'directory etc/ 0',
        'file etc/shadow 6',
        'symlink etc/link 0',
        'link etc/hard 0',
        'character null 0',
        'block sda 0',
        'fifo pipe 0',
      ],
    );
    assert.equal(entries[1]?.content.toString(), 'secret');
    assert.deepEqual(entries[1]?.attributes, {
      permissions: 0o4640,
      uid: 1,
      gid: 42,
      seconds: 1_600_000_000,
      nanoseconds: 0,
      xattrs: [],
    });
    assert.equal(entries[2]?.linkName, '../x');
    assert.deepEqual([entries[4]?.major, entries[4]?.minor], [1, 3]);
  });

  test('gives the same at any split of the bytes', () => {
    const archive = tar(
      { name: 'a', content: 'x'.repeat(1500), pax: { path: 'long/'.repeat(60), mtime: '1.5' } },
      { name: '././@LongLink', flag: 'L', content: `${'n'.repeat(300)}\0` },
      { name: 'cut', content: 'y'.repeat(512) },
      { name: 'd', flag: '5' },
    );
    const whole = readAll(archive);
    assert.equal(whole[1]?.name, 'n'.repeat(300));
    assert.deepEqual(readAll(archive, 1), whole);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (piece) =>
        assert.deepEqual(readAll(archive, piece), whole),
      ),
      { numRuns: 50 },
    );
  });

  test('joins the prefix of ustar and star, but not what GNU keeps there', () => {
    const prefix = (header: Buffer) => header.write('usr/share', 345);
    const star = (header: Buffer) => {
      prefix(header);
      header.write('tar\0', 508);
    };
    const gnuTimes = (header: Buffer) => header.write('00000000012', 345);
    const names = readAll(
      tar(
        { name: 'doc', patch: prefix },
        { name: 'doc', patch: star },
        { name: 'doc', patch: gnuTimes, magic: 'gnu' },
        { name: 'doc', patch: prefix, magic: 'v7' },
        { name: 'doc', patch: prefix, magic: 'gnu' },
      ),
    ).map(({ name }) => name);
    // The last is what Go before 1.8 wrote.
    assert.deepEqual(names, ['usr/share/doc', 'usr/share/doc', 'doc', 'doc', 'usr/share/doc']);
  });

  test('takes names that are not UTF-8 as they are', () => {
    const name = Buffer.from([0x61, 0xff, 0xfe, 0x0a]);
    const [entry] = readAll(tar({ name }));
    assert.equal(entry?.name, name.toString('latin1'));
  });

  test('reads extended headers: path, link, owner, size, time, attributes', () => {
    const value = Buffer.from([1, 0, 0, 2, 0x0a, 0x3d]);
    const [entry, next] = readAll(
      tar(
        {
          name: 'short',
          content: 'abc',
          size: 0,
          pax: {
            path: 'é/long',
            uid: '4000000000',
            gid: '70000',
            size: '3',
            mtime: '1700000000.123456789123',
            'SCHILY.xattr.security.capability': value,
            'SCHILY.xattr.user.empty': '',
            comment: 'ignored',
          },
        },
        { name: 'plain' },
      ),
    );
    assert.equal(Buffer.from(entry?.name ?? '', 'latin1').toString(), 'é/long');
    assert.equal(entry?.content.toString(), 'abc');
    assert.deepEqual(entry?.attributes, {
      permissions: 0o644,
      uid: 4_000_000_000,
      gid: 70_000,
      seconds: 1_700_000_000,
      nanoseconds: 123_456_789,
      xattrs: [{ name: 'security.capability', value }],
    });
    assert.equal(next?.name, 'plain');
    assert.deepEqual(next?.attributes.xattrs, []);
  });

  test('refuses more global headers than are worth going through at each member', () => {
    const records = Array.from({ length: 65 }, (_, i): [string, string] => [`k${i}`, 'v']);
    const global = { name: 'g', flag: 'g', content: paxRecords(records) };
    assert.throws(() => readAll(tar(global, { name: 'a' })), /global headers are too large/);
  });

  test('applies global headers until they change, local ones first', () => {
    const global = (records: Record<string, string>) => {
      const content = paxRecords(Object.entries(records));
      return { name: 'g', flag: 'g', content };
    };
    const uids = readAll(
      tar(
        global({ uid: '5', gid: '6' }),
        { name: 'a' },
        { name: 'b', pax: { uid: '7' } },
        global({ uid: '8' }),
        { name: 'c' },
      ),
    ).map(({ attributes }) => [attributes.uid, attributes.gid]);
    assert.deepEqual(uids, [
      [5, 6],
      [7, 6],
      [8, 6],
    ]);
  });

  test('reads times before 1970, with fractions, and beyond all calendars', () => {
    const times = ['-1', '-0.5', '-1.25', '+3', '12.', '253402300800', '99999999999999999999'];
    const seen = readAll(tar(...times.map((mtime) => ({ name: 'f', pax: { mtime } })))).map(
      ({ attributes }) => [attributes.seconds, attributes.nanoseconds],
    );
    assert.deepEqual(seen, [
      [-1, 0],
      [-1, 500_000_000],
      [-2, 750_000_000],
      [3, 0],
      [12, 0],
      [253_402_300_800, 0],
      [Number.MAX_SAFE_INTEGER, 0],
    ]);
  });

  test('reads binary numbers, negative times among them', () => {
    const uid = (header: Buffer) => Buffer.from('80000000ffffffff', 'hex').copy(header, 108);
    const mtime = (header: Buffer) => header.fill(0xff, 136, 148);
    const entries = readAll(tar({ name: 'u', patch: uid }, { name: 't', patch: mtime }));
    assert.equal(entries[0]?.attributes.uid, 0xffffffff);
    assert.equal(entries[1]?.attributes.seconds, -1);
  });

  test('reads GNU long names and long links', () => {
    const [entry] = readAll(
      tar(
        { name: 'L', flag: 'L', content: `${'n'.repeat(200)}\0` },
        { name: 'K', flag: 'K', content: `${'t'.repeat(200)}\0` },
        { name: 'cut', flag: '2', linkName: 'cut', magic: 'gnu' },
      ),
    );
    assert.equal(entry?.name, 'n'.repeat(200));
    assert.equal(entry?.linkName, 't'.repeat(200));
  });

  test('takes an old file with a slash at its end for a directory', () => {
    const types = readAll(tar({ name: 'd/', flag: '\0' }, { name: 'e/', flag: '0' }));
    assert.deepEqual(
      types.map(({ type }) => type),
      ['directory', 'file'],
    );
  });

  test('accepts the sum of signed bytes that old tars wrote', () => {
    const block = header({ name: Buffer.from([0xe9]) }, 0);
    const sum = Number.parseInt(block.toString('latin1', 148, 154), 8) - 256;
    block.write(sum.toString(8).padStart(6, '0'), 148);
    assert.equal(readAll(Buffer.concat([block, Buffer.alloc(1024)])).length, 1);
  });

  test('ends at the end of the bytes, with or without blocks of zeros or padding', () => {
    const one = member({ name: 'a', content: 'x' });
    assert.equal(readAll(one).length, 1);
    assert.equal(readAll(one.subarray(0, 513)).length, 1);
    assert.equal(readAll(Buffer.concat([one, Buffer.alloc(512)])).length, 1);
    assert.equal(readAll(Buffer.concat([one, Buffer.alloc(1024), one])).length, 1);
    assert.deepEqual(readAll(Buffer.alloc(0)), []);
  });
});

describe('readTar() of sparse files', () => {
  const parts = 'AAAABB';
  const expected = `\0\0${'A'.repeat(4)}${'\0'.repeat(4)}${'B'.repeat(2)}\0\0\0`;

  test('reads format 0.0, whose map is repeated records', () => {
    const records = paxRecords([
      ['GNU.sparse.size', '15'],
      ['GNU.sparse.numblocks', '2'],
      ['GNU.sparse.offset', '2'],
      ['GNU.sparse.numbytes', '4'],
      ['GNU.sparse.offset', '10'],
      ['GNU.sparse.numbytes', '2'],
    ]);
    const archive = Buffer.concat([
      header({ name: 'x', flag: 'x' }, records.length),
      padded(records),
      tar({ name: 'sparse', content: parts }),
    ]);
    const [entry] = readAll(archive);
    assert.deepEqual([entry?.name, entry?.size], ['sparse', 15]);
    assert.equal(entry?.content.toString(), expected);
  });

  test('reads format 0.1, whose map is one record', () => {
    const pax = {
      'GNU.sparse.major': '0',
      'GNU.sparse.minor': '1',
      'GNU.sparse.name': 'real',
      'GNU.sparse.size': '15',
      'GNU.sparse.map': '2,4,10,2',
    };
    const [entry, next] = readAll(tar({ name: 'x', content: parts, pax }, { name: 'next' }));
    assert.equal(entry?.name, 'real');
    assert.equal(entry?.content.toString(), expected);
    assert.equal(next?.name, 'next');
  });

  test('reads format 1.0, whose map stands before the data', () => {
    const pax = {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 'real',
      'GNU.sparse.realsize': '15',
    };
    const content = Buffer.concat([padded(Buffer.from('2\n2\n4\n10\n2\n')), Buffer.from(parts)]);
    const [entry, next] = readAll(tar({ name: 'x', content, pax }, { name: 'next' }));
    assert.equal(entry?.name, 'real');
    assert.equal(entry?.content.toString(), expected);
    assert.equal(next?.name, 'next');
  });

  test('reads the old GNU format, with places in further blocks', () => {
    const place = (block: Buffer, at: number, offset: number, length: number) => {
      block.write(offset.toString(8).padStart(11, '0'), at);
      block.write(length.toString(8).padStart(11, '0'), at + 12);
    };
    const more = Buffer.alloc(512);
    for (let i = 0; i < 2; i++) place(more, i * 24, 100 + i * 10, 1);
    const sparse = header(
      {
        name: 'old',
        flag: 'S',
        magic: 'gnu',
        patch: (block) => {
          for (let i = 0; i < 4; i++) place(block, 386 + i * 24, i * 10, 1);
          block[482] = 1;
          block.write('200'.padStart(11, '0'), 483);
        },
      },
      6,
    );
    const archive = Buffer.concat([
      sparse,
      more,
      padded(Buffer.from('abcdef')),
      tar({ name: 'next' }),
    ]);
    const [entry, next] = readAll(archive);
    assert.equal(entry?.size, 0o200);
    const found = [...(entry?.content ?? [])].flatMap((byte, at) => (byte === 0 ? [] : [at]));
    assert.deepEqual(found, [0, 10, 20, 30, 100, 110]);
    assert.equal(next?.name, 'next');
  });
});

describe('readTar() refuses', () => {
  const sparse = (map: string, size: string) => ({
    name: 'x',
    content: 'abcdef',
    pax: {
      'GNU.sparse.major': '0',
      'GNU.sparse.minor': '1',
      'GNU.sparse.size': size,
      'GNU.sparse.map': map,
    },
  });
  const extension = (flag: string, content: string, size?: number) =>
    tar({ name: 'x', flag, content, ...(size === undefined ? {} : { size }) }, { name: 'a' });
  const patched = (patch: (header: Buffer) => void) => tar({ name: 'a', patch });
  const broken: Record<string, Buffer> = {
    'a wrong checksum': Buffer.from(tar({ name: 'a' })).fill('b', 0, 1),
    'random bytes': Buffer.alloc(2048, 0x5a),
    'a header cut off': tar({ name: 'a' }).subarray(0, 100),
    'a content cut off': member({ name: 'a', content: 'x'.repeat(600) }).subarray(0, 1000),
    'a zero block before a member': Buffer.concat([Buffer.alloc(512), member({ name: 'a' })]),
    'a size that is no number': patched((header) => header.write('99x', 124)),
    'a negative size': patched((header) => header.fill(0xff, 124, 136)),
    'a size beyond what counts exactly': patched((header) => {
      header.fill(0x7f, 125, 136);
      header[124] = 0x80;
    }),
    'an unknown type': tar({ name: 'a', flag: 'Z' }),
    'an extended header of 2 MiB': extension('x', '', 2 << 20),
    'a long name of 1 MiB': extension('L', '', 1 << 20),
    'a record that claims too much': extension('x', '99 path=a\n'),
    'a record that claims nothing': extension('x', '0 path=a\n'),
    'a record without a key': extension('x', '6 =ab\n'),
    'a record that does not end its line': extension('x', '9 path=ab'),
    'a path with a zero byte': extension('x', '12 path=a\0bc\n'),
    'an owner that is no number': extension('x', '11 uid=root\n'),
    'a time that is no time': extension('x', '14 mtime=1e10\n'),
    'sparse places that overlap': tar(sparse('0,4,2,2', '10')),
    'sparse places beyond the file': tar(sparse('0,6', '5')),
    'sparse places that are not the data': tar(sparse('0,5', '10')),
    'a sparse map with an odd number': tar(sparse('0,6,7', '10')),
    'a sparse map of words': tar(sparse('0,x', '10')),
    'a negative sparse place': tar(sparse('-1,6', '10')),
    'a sparse map longer than its member': tar({
      ...sparse('', '10'),
      pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.size': '10' },
      content: `${'9'.repeat(600)}`,
    }),
    'an old sparse file in a ustar archive': tar({ name: 'a', flag: 'S' }),
  };
  for (const [what, archive] of Object.entries(broken)) {
    test(what, () => {
      for (const piece of [archive.length || 1, 7]) {
        assert.throws(
          () => readAll(archive, piece),
          (error) => BoxliteError.is(error, 'Image') && /at byte \d+/.test(error.message),
        );
      }
    });
  }
});

describe('readTar() of damaged archives', () => {
  const good = tar(
    {
      name: 'a',
      content: 'x'.repeat(700),
      pax: { path: 'p'.repeat(300), 'SCHILY.xattr.user.a': 'b' },
    },
    { name: 'L', flag: 'L', content: `${'n'.repeat(200)}\0` },
    { name: 'l', flag: '2', linkName: 'a', magic: 'gnu' },
    {
      name: 's',
      content: 'abcdef',
      pax: {
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.size': '15',
        'GNU.sparse.map': '2,4,10,2',
      },
    },
  );
  const damage = fc.array(
    fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), seal: fc.boolean() }),
    { minLength: 1, maxLength: 6 },
  );

  test('gives entries within their sizes, or an Image error, whatever bytes change', () => {
    fc.assert(
      fc.property(
        damage,
        fc.nat(good.length),
        fc.integer({ min: 1, max: 3000 }),
        (changes, end, piece) => {
          const archive = Buffer.from(good.subarray(0, end));
          for (const { at, byte } of changes) if (at < end) archive[at] = byte;
          // Made right again, else nearly all changes end at the checksum.
          for (const { at, seal } of changes) {
            const start = at - (at % 512);
            if (seal && start + 512 <= end) reseal(archive.subarray(start, start + 512));
          }
          try {
            for (const entry of readAll(archive, piece, 1 << 16)) {
              assert.ok(entry.content.length <= entry.size);
            }
          } catch (error) {
            assert.ok(BoxliteError.is(error, 'Image'), String(error));
          }
        },
      ),
      { numRuns: 3000, seed: 3 },
    );
  });
});
