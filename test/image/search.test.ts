import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReference } from '../../src/image/reference.ts';
import { imageCandidates } from '../../src/image/search.ts';
import { ImageRegistry, imageRegistries } from '../../src/spec/image-registry.ts';

const places = (text: string, registries: readonly ImageRegistry[]) =>
  imageCandidates(text, registries).map(({ reference }) => formatReference(reference));

/** The example of the API reference. */
const REGISTRIES = [
  ImageRegistry.https('ghcr.io/myorg').withSearch(true),
  ImageRegistry.https('docker.io').withSearch(true),
  ImageRegistry.http('registry.local:5000').withSearch(true),
  ImageRegistry.https('registry.example.com')
    .withSkipVerify(true)
    .withBasicAuth('user', 'password'),
];

test('imageCandidates() tries an unqualified name in each searched registry, in order', () => {
  assert.deepEqual(places('alpine', REGISTRIES), [
    'ghcr.io/myorg/alpine:latest',
    'docker.io/library/alpine:latest',
    'registry.local:5000/library/alpine:latest',
  ]);
  assert.deepEqual(places('team/app:2', REGISTRIES), [
    'ghcr.io/myorg/team/app:2',
    'docker.io/team/app:2',
    'registry.local:5000/team/app:2',
  ]);
});

test('imageCandidates() means Docker Hub when no registry is searched', () => {
  assert.deepEqual(places('alpine', []), ['docker.io/library/alpine:latest']);
  assert.deepEqual(places('a/b', [ImageRegistry.https('ghcr.io')]), ['docker.io/a/b:latest']);
});

test('imageCandidates() does not search for a name with a host', () => {
  assert.deepEqual(places('quay.io/app', REGISTRIES), ['quay.io/app:latest']);
  assert.deepEqual(places('docker.io/alpine', REGISTRIES), ['docker.io/library/alpine:latest']);
});

test('imageCandidates() tries each place once', () => {
  const registries = imageRegistries(
    ['docker.io', 'index.docker.io', 'docker.io/library'],
    'option',
  );
  assert.deepEqual(places('alpine', registries), ['docker.io/library/alpine:latest']);
});

test('imageCandidates() talks to a host as its registry is configured', () => {
  const [found] = imageCandidates('registry.example.com/app', REGISTRIES);
  assert.equal(found?.registry, REGISTRIES[3]);
  const [local] = imageCandidates('registry.local:5000/app', REGISTRIES);
  assert.equal(local?.registry.transport, 'http');
  const [hub] = imageCandidates('alpine', [
    ImageRegistry.https('docker.io').withBasicAuth('u', 'p'),
  ]);
  assert.equal(hub?.registry.auth.kind, 'basic');
  const [other] = imageCandidates('example.org/app', REGISTRIES);
  assert.deepEqual([other?.registry.toString(), other?.configured], ['https://example.org', false]);
});

test('imageCandidates() gives the login of a namespace to that namespace alone', () => {
  const all = ImageRegistry.https('ghcr.io');
  const own = ImageRegistry.https('ghcr.io/myorg').withBearerAuth('token');
  const registryOf = (text: string) => imageCandidates(text, [all, own])[0]?.registry;
  assert.equal(registryOf('ghcr.io/myorg/app'), own);
  assert.equal(registryOf('ghcr.io/myorganisation/app'), all);
  assert.equal(imageCandidates('ghcr.io/x/app', [own])[0]?.configured, false);
});
