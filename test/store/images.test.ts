import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageRecord } from '../../src/spec/image-info.ts';
import { newBox, newStore } from './store-fixture.ts';

function image(fields: Partial<ImageRecord> = {}): ImageRecord {
  return {
    reference: 'docker.io/library/alpine:latest',
    digest: 'sha256:d',
    configDigest: 'sha256:c',
    manifestDigest: 'sha256:m',
    sizeBytes: 3_000_000,
    diskBytes: 2 ** 40,
    createdAt: new Date(1_700_000_000_000),
    blobs: ['sha256:m', 'sha256:c', 'sha256:l'],
    // As deep as a registry may send it: deeper than SQLite reads JSON.
    config: `{"deep":${'['.repeat(2000)}${']'.repeat(2000)}}`,
    disk: 'sha256-m.erofs',
    ...fields,
  };
}

test('an image is read back as it was recorded', (t) => {
  const { images } = newStore(t);
  images.put(image());
  assert.deepEqual(images.get('docker.io/library/alpine:latest'), image());
  assert.equal(images.get('alpine'), null);
});

test('put() replaces the image of the same name, which is then the newest', (t) => {
  const { images } = newStore(t);
  images.put(image());
  images.put(image({ reference: 'b' }));
  assert.deepEqual(images.list(), [image({ reference: 'b' }), image()]);
  images.put(image({ disk: 'newer.erofs' }));
  assert.deepEqual(images.list(), [image({ disk: 'newer.erofs' }), image({ reference: 'b' })]);
});

test('remove() forgets one name', (t) => {
  const { images } = newStore(t);
  images.put(image());
  images.put(image({ reference: 'b' }));
  assert.equal(images.remove('b'), true);
  assert.equal(images.remove('b'), false);
  assert.deepEqual(images.list(), [image()]);
});

test('usersOf() names the boxes on a disk, by their ids where they have no name', (t) => {
  const { boxes, images } = newStore(t);
  boxes.create(newBox({ name: 'web', imageDisk: 'a.erofs' }));
  const nameless = boxes.create(newBox({ imageDisk: 'a.erofs' }));
  boxes.create(newBox({ name: 'other', imageDisk: 'b.erofs' }));
  boxes.create(newBox({ name: 'none' }));
  assert.deepEqual(images.usersOf('a.erofs'), ['web', nameless.id.asStr()]);
  assert.deepEqual(images.usersOf('c.erofs'), []);
});
