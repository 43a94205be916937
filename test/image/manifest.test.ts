import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import {
  type ImageIndex,
  type ImageManifest,
  LAYERS_BYTES_MAX,
  LAYERS_MAX,
  MANIFEST_BYTES_MAX,
  parseManifest,
} from '../../src/image/manifest.ts';
import { boxPlatform, chooseEntry } from '../../src/image/platform.ts';
import { jsonBlob, makeImage, makeIndex } from './image-fixture.ts';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const image = makeImage({ layers: [{ a: '1' }, { b: '2' }] });
const json = () => JSON.parse(Buffer.from(image.manifest.bytes).toString());
const refused = (value: unknown, message: RegExp, contentType: string | null = null) =>
  assert.throws(
    () => parseManifest(Buffer.isBuffer(value) ? value : bytes(value), contentType, 'image "x"'),
    (error) => {
      assert.ok(BoxliteError.is(error, 'Image'), String(error));
      assert.match(error.message, /^Cannot use image "x": /);
      assert.match(error.message, message);
      return true;
    },
  );

test('parseManifest() reads manifests of OCI and of Docker', () => {
  for (const compression of ['gzip', 'zstd', 'none'] as const) {
    for (const docker of [false, true]) {
      const made = makeImage({ compression, docker });
      const found = parseManifest(made.manifest.bytes, made.manifest.mediaType) as ImageManifest;
      assert.equal(found.kind, 'manifest');
      assert.equal(found.config.digest, made.config.digest);
      assert.deepEqual(
        found.layers,
        made.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      );
    }
  }
});

test('parseManifest() takes the type from the registry or the shape if the document has none', () => {
  const { mediaType: _, ...untyped } = json();
  assert.equal(parseManifest(bytes(untyped), image.manifest.mediaType).kind, 'manifest');
  assert.equal(parseManifest(bytes(untyped), 'application/json').kind, 'manifest');
  assert.equal(parseManifest(bytes({ schemaVersion: 2, manifests: [] }), null).kind, 'index');
});

test('parseManifest() refuses a document that could be read as two kinds', () => {
  refused({ ...json(), manifests: [] }, /"manifests" does not belong in it/);
  const index = JSON.parse(
    Buffer.from(makeIndex({ 'linux/amd64': image.manifest }).bytes).toString(),
  );
  refused({ ...index, layers: [] }, /"layers" does not belong in it/);
  refused(
    json(),
    /the registry ".*index/,
    'application/vnd.oci.image.index.v1+json; charset=utf-8',
  );
});

test('parseManifest() refuses what is no manifest', () => {
  refused(Buffer.from('<html>'), /it is not JSON$/);
  refused(Buffer.from([0x7b, 0xff, 0x7d]), /it is not JSON$/);
  refused([], /not a JSON object/);
  refused({ schemaVersion: 1, fsLayers: [] }, /obsolete schema 1/);
  refused({ ...json(), schemaVersion: 3 }, /"schemaVersion" is not 2/);
  refused({ ...json(), mediaType: 'text/x\u001b[2J' }, /"text\/x \[2J" is neither/);
  refused({ ...json(), layers: 'none' }, /"layers" is not an array/);
});

test('parseManifest() refuses what is no container image', () => {
  const helm = { ...json().config, mediaType: 'application/vnd.cncf.helm.config.v1+json' };
  refused({ ...json(), config: helm }, /not a container image: .*helm/);
  const layer = { ...json().layers[0], mediaType: 'application/wasm' };
  refused({ ...json(), layers: [layer] }, /"layers\[0\].mediaType" is "application\/wasm"/);
});

test('parseManifest() bounds sizes and counts', () => {
  const [layer] = json().layers;
  refused({ ...json(), layers: Array(LAYERS_MAX + 1).fill(layer) }, /"layers" has 1001 entries/);
  for (const size of [-1, 1.5, 2 ** 53, '7', null, undefined]) {
    refused({ ...json(), layers: [{ ...layer, size }] }, /"layers\[0\].size" is not a number/);
  }
  const half = { ...layer, size: LAYERS_BYTES_MAX / 2 + 1 };
  refused({ ...json(), layers: [half, half] }, /its layers have \d+ bytes/);
  refused(
    { ...json(), config: { ...json().config, size: 2 ** 30 } },
    /"config.size" is 1073741824/,
  );
  refused(Buffer.alloc(MANIFEST_BYTES_MAX + 1, ' '), /at most 4194304 are allowed/);
});

test('parseManifest() refuses digests that cannot be verified', () => {
  const [layer] = json().layers;
  for (const digest of [
    '',
    'sha256:abc',
    'sha1:'.padEnd(45, 'a'),
    `sha256:../${'a'.repeat(61)}`,
    7,
  ]) {
    refused({ ...json(), layers: [{ ...layer, digest }] }, /"layers\[0\].digest" is not a/);
  }
});

test('parseManifest() ignores what the prototype has', () => {
  refused(Buffer.from('{"__proto__":{"schemaVersion":2,"layers":[]}}'), /"schemaVersion" is not 2/);
});

test('parseManifest() throws nothing but Image errors, whatever it is given', () => {
  const mutated = fc.tuple(fc.nat(image.manifest.size - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = Buffer.from(image.manifest.bytes);
    copy[at] = byte;
    return copy;
  });
  const documents = fc.oneof(
    mutated,
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({
        schemaVersion: fc.constant(2),
        config: fc.oneof(fc.constant(json().config), fc.jsonValue()),
        layers: fc.oneof(fc.array(fc.oneof(fc.constant(json().layers[0]), fc.jsonValue()))),
      })
      .map(bytes),
  );
  fc.assert(
    fc.property(documents, (document) => {
      try {
        parseManifest(document, null);
      } catch (error) {
        assert.ok(BoxliteError.is(error, 'Image'), String(error));
      }
    }),
  );
});

test('chooseEntry() picks the image for the box', () => {
  const other = jsonBlob(image.manifest.mediaType, { schemaVersion: 2 });
  const index = parseManifest(
    makeIndex({
      'unknown/unknown': other,
      'windows/amd64': other,
      'linux/amd64/v3': other,
      'linux/amd64': image.manifest,
      'linux/arm64/v8': other,
    }).bytes,
    null,
  ) as ImageIndex;
  assert.equal(chooseEntry(index, boxPlatform('x64'), 'x').digest, image.manifest.digest);
  assert.equal(chooseEntry(index, boxPlatform('arm64'), 'x').digest, other.digest);
});

test('chooseEntry() lists what there is when nothing fits', () => {
  const { manifest } = image;
  const bytesOf = makeIndex({
    'linux/s390x': manifest,
    'linux/arm/v7': manifest,
    'unknown/unknown': manifest,
  });
  const index = parseManifest(bytesOf.bytes, null) as ImageIndex;
  assert.throws(
    () => chooseEntry(index, boxPlatform('x64'), '"x"'),
    (error) =>
      BoxliteError.is(error, 'Image') &&
      error.message ===
        'Cannot use "x": it is not for linux/amd64, which the box runs; there is: linux/s390x, linux/arm/v7',
  );
});
