import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as zlib from 'node:zlib';
import { BoxliteError } from '../../src/base/errors.ts';
import {
  type ConvertOptions,
  type ConvertProgress,
  convertLayers,
  type LayerSource,
} from '../../src/image/convert.ts';
import { readErofs } from './support/erofs-reader.ts';
import { sha256 } from './support/oci-layout.ts';
import { type TarMember, tar } from './support/tar-maker.ts';

const home = fs.mkdtempSync(join(tmpdir(), 'boxlite-convert-'));
after(() => fs.rmSync(home, { recursive: true, force: true }));

const PLAIN = 'application/vnd.oci.image.layer.v1.tar';

/** A layer that comes in pieces. */
function layer(packed: Buffer, diffId: string | null = null, piece = 1000): LayerSource {
  return {
    mediaType: `${PLAIN}+gzip`,
    diffId,
    async *open() {
      for (let at = 0; at < packed.length; at += piece) yield packed.subarray(at, at + piece);
    },
  };
}

async function convert(layers: readonly LayerSource[], options: ConvertOptions = {}) {
  const path = join(home, 'image');
  await convertLayers(layers, path, options);
  const bytes = fs.readFileSync(path);
  return { bytes, seen: readErofs(bytes) };
}

/** Fails as it should, and leaves nothing. */
async function refuses(
  layers: readonly LayerSource[],
  problem: RegExp,
  options: ConvertOptions = {},
): Promise<void> {
  fs.rmSync(join(home, 'image'), { force: true });
  await assert.rejects(
    convert(layers, options),
    (error) => BoxliteError.is(error, 'Image') && problem.test(error.message),
  );
  assert.deepEqual(fs.readdirSync(home), []);
}

const members: readonly TarMember[] = [
  { name: 'd', flag: '5' },
  { name: 'd/a', content: 'x'.repeat(9000) },
  { name: 'b', flag: '1', linkName: 'd/a' },
  { name: 'c', content: 'last', pax: { mtime: '-0.5', 'SCHILY.xattr.user.a': 'v' } },
];
const archive = tar(...members);

describe('convertLayers()', () => {
  test('gives the same image for plain, gzip and zstd layers, at any split', async () => {
    const { bytes, seen } = await convert([layer(archive, sha256(archive))]);
    assert.equal(seen.get('d/a')?.size, 9000);
    assert.equal(seen.get('b')?.inode, seen.get('d/a')?.inode);
    for (const packed of [archive, zlib.gzipSync(archive), zlib.zstdCompressSync(archive)]) {
      for (const piece of [1, 3, 700, packed.length]) {
        const again = await convert([layer(packed, sha256(archive), piece)]);
        assert.ok(again.bytes.equals(bytes), `in pieces of ${piece}`);
      }
    }
  });

  test('reads layers of several gzip members and zstd frames, with frames to skip', async () => {
    const { bytes } = await convert([layer(archive)]);
    const halves = [archive.subarray(0, 5000), archive.subarray(5000)];
    const skipped = Buffer.from('5a2a4d1804000000deadbeef', 'hex');
    const checked = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };
    const packings = [
      halves.map((half) => zlib.gzipSync(half)),
      halves.flatMap((half) => [skipped, zlib.zstdCompressSync(half), skipped]),
      halves.map((half) => zlib.zstdCompressSync(half, checked)),
      [...archive].map((byte) => zlib.zstdCompressSync(Buffer.from([byte]))),
    ];
    for (const packing of packings) {
      const packed = Buffer.concat(packing);
      for (const piece of [13, packed.length]) {
        const again = await convert([layer(packed, sha256(archive), piece)]);
        assert.ok(again.bytes.equals(bytes));
      }
    }
  });

  test('reads headers that lie across the pieces in which layers are unpacked', async () => {
    // Longer than one block, so that some of them end in another piece of 128 KiB.
    const value = (i: number) => Buffer.alloc(2500 + (i % 700), i);
    const many = tar(
      ...Array.from({ length: 1500 }, (_, i) => ({
        name: `${i}`,
        pax: { 'SCHILY.xattr.user.x': value(i) },
      })),
    );
    for (const packed of [zlib.gzipSync(many), zlib.zstdCompressSync(many), many]) {
      const { seen } = await convert([layer(packed, sha256(many), 1 << 16)]);
      for (let i = 0; i < 1500; i++) {
        assert.equal(seen.get(`${i}`)?.xattrs['user.x'], value(i).toString('hex'));
      }
    }
  });

  test('merges layers in their order', async () => {
    const { seen } = await convert([
      layer(archive),
      layer(tar({ name: '.wh.b' }, { name: 'c', content: 'new' }, { name: 'd/.wh..wh..opq' })),
    ]);
    assert.deepEqual([...seen.keys()].sort(), ['', 'c', 'd']);
    assert.equal(seen.get('c')?.size, 3);
  });

  test('gives an empty image for no layers', async () => {
    assert.equal((await convert([])).seen.size, 1);
  });

  test('reports progress up to the end of each layer', async () => {
    const packed = zlib.gzipSync(archive);
    const reports: ConvertProgress[] = [];
    const onProgress = (report: ConvertProgress) => reports.push(report);
    await convert([layer(packed), layer(tar())], { onProgress });
    const ends = reports.filter(({ done }) => done);
    assert.deepEqual(ends, [
      { layer: 0, packedBytes: packed.length, unpackedBytes: archive.length, done: true },
      { layer: 1, packedBytes: 1024, unpackedBytes: 1024, done: true },
    ]);
  });

  test('passes fsck.erofs', async () => {
    await convert([layer(archive)]);
    execFileSync('fsck.erofs', [join(home, 'image')], { stdio: 'pipe' });
    fs.rmSync(join(home, 'image'));
  });
});

describe('convertLayers() refuses', () => {
  const gzip = zlib.gzipSync(archive);
  const zstd = zlib.zstdCompressSync(archive);

  test('a layer with another digest than it should have', async () => {
    await refuses([layer(gzip, sha256(Buffer.from('x')))], /its digest is .*\(layer 1 of 1\)/);
  });

  test('a layer with something else after its archive than it should have', async () => {
    const longer = Buffer.concat([archive, Buffer.alloc(10_000)]);
    await refuses([layer(longer, sha256(archive))], /its digest is/);
    await convert([layer(longer, sha256(longer))]);
    fs.rmSync(join(home, 'image'));
  });

  test('layers that are cut off', async () => {
    await refuses([layer(archive), layer(archive.subarray(0, 3000))], /cut off.*\(layer 2 of 2\)/);
    await refuses([layer(gzip.subarray(0, -10))], /unexpected end/);
    for (const length of [5, 8, zstd.length - 1]) {
      await refuses([layer(zstd.subarray(0, length))], /cut off/);
    }
  });

  test('layers with a damaged byte', async () => {
    for (const packed of [
      gzip,
      zlib.zstdCompressSync(archive, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } }),
    ]) {
      const damaged = Buffer.from(packed);
      damaged[packed.length - 6] = (damaged[packed.length - 6] ?? 0) ^ 0xff;
      await refuses([layer(damaged)], /Cannot unpack|Cannot read the tar/);
    }
  });

  test('what is no tar archive', async () => {
    await refuses([layer(Buffer.from('<html>'.repeat(500)))], /wrong checksum/);
    await refuses([layer(zlib.gzipSync('x'))], /cut off/);
  });

  test('what is no layer', async () => {
    const mediaType = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
    await refuses([{ ...layer(gzip), mediaType }], /type "application\/vnd.cncf/);
  });

  test('a layer that explodes, in the time of its limit', async () => {
    // 64 MiB of zeros in 300 KB.
    const bomb = zlib.gzipSync(tar({ name: 'z', content: Buffer.alloc(1 << 26) }), { level: 1 });
    await refuses([layer(bomb, null, 1 << 16)], /"bytes"/, { limits: { bytes: 1 << 20 } });
    const trailing = zlib.gzipSync(Buffer.concat([tar(), Buffer.alloc(1 << 26)]), { level: 1 });
    await refuses([layer(trailing, null, 1 << 16)], /"bytes"/, { limits: { bytes: 1 << 20 } });
  });

  test('an error of whoever opens a layer as it is', async () => {
    const failing = { mediaType: PLAIN, diffId: null };
    const broken = new Error('wire cut');
    for (const pieces of [[], [archive.subarray(0, 2000)], [gzip.subarray(0, 50)]]) {
      const open = async function* () {
        yield* pieces;
        throw broken;
      };
      await assert.rejects(convert([{ ...failing, open }]), broken);
      assert.deepEqual(fs.readdirSync(home), []);
    }
  });
});

describe('convertLayers() and its signal', () => {
  test('ends with the reason, closes the layer, and leaves nothing', async () => {
    for (const packed of [archive, zlib.gzipSync(archive), zlib.zstdCompressSync(archive)]) {
      const controller = new AbortController();
      let closed = false;
      const endless: LayerSource = {
        mediaType: PLAIN,
        diffId: null,
        async *open(signal) {
          try {
            yield packed.subarray(0, packed.length - 20);
            setImmediate(() => controller.abort(new Error('enough')));
            await new Promise((_, reject) => {
              signal?.addEventListener('abort', () => reject(signal.reason));
            });
          } finally {
            closed = true;
          }
        },
      };
      await assert.rejects(convert([endless], { signal: controller.signal }), /enough/);
      assert.deepEqual(fs.readdirSync(home), []);
      assert.ok(closed);
    }
  });

  test('closes a layer it fails on', async () => {
    for (const junk of [Buffer.alloc(5000, 'x'), zlib.gzipSync(Buffer.alloc(5000, 'x'))]) {
      let closed = false;
      const source: LayerSource = {
        mediaType: PLAIN,
        diffId: null,
        async *open() {
          try {
            for (;;) yield junk;
          } finally {
            closed = true;
          }
        },
      };
      await refuses([source], /wrong checksum/);
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(closed);
    }
  });
});
