import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { BoxliteError } from '../../src/base/errors.ts';
import { ImageRegistry, imageRegistries } from '../../src/spec/image-registry.ts';

const invalid = (message: RegExp) => (error: unknown) =>
  BoxliteError.is(error, 'InvalidArgument') && message.test(error.message);

test('ImageRegistry is immutable: each method returns a new one', () => {
  const plain = ImageRegistry.https('ghcr.io/myorg');
  const changed = plain.withSearch(true).withSkipVerify(true).withBasicAuth('user', 'pass');
  assert.deepEqual([plain.search, plain.skipVerify, plain.auth.kind], [false, false, 'anonymous']);
  assert.deepEqual([changed.search, changed.skipVerify], [true, true]);
  assert.deepEqual(changed.auth, { kind: 'basic', username: 'user', password: 'pass' });
  assert.deepEqual(
    [changed.host, changed.domain, changed.namespace],
    ['ghcr.io/myorg', 'ghcr.io', 'myorg'],
  );
  assert.equal(changed.withBearerAuth('token').withSearch(false).auth.kind, 'bearer');
});

test('ImageRegistry takes host[:port][/namespace]', () => {
  for (const host of [
    'localhost',
    'localhost:5000',
    '[::1]:5000',
    '10.0.0.1',
    'a.b/c/d',
    'reg:443',
  ]) {
    assert.equal(ImageRegistry.http(host).host, host);
  }
  assert.equal(ImageRegistry.https('index.docker.io').domain, 'docker.io');
});

test('ImageRegistry refuses what is no host and says what it expects', () => {
  for (const host of [
    '',
    'a b.c',
    'ghcr.io/',
    'ghcr.io/My',
    'ghcr.io/a:tag',
    'x.y:0',
    'x.y:65536',
  ]) {
    assert.throws(
      () => ImageRegistry.https(host),
      invalid(/expected host\[:port\]\[\/namespace\]/),
    );
  }
  assert.throws(
    () => ImageRegistry.https('http://x.y'),
    invalid(/without a scheme.*ImageRegistry.http/),
  );
  assert.throws(() => ImageRegistry.https('myregistry'), invalid(/write "myregistry:443"/));
  // @ts-expect-error: callers in JavaScript
  assert.throws(() => ImageRegistry.https(42), invalid(/expected a string, got 42/));
});

test('ImageRegistry refuses a login that would change the request', () => {
  const registry = ImageRegistry.https('x.y');
  assert.throws(() => registry.withBasicAuth('a:b', 'c'), invalid(/without a colon/));
  assert.throws(() => registry.withBasicAuth('a', 'c\r\nX: y'), invalid(/control characters/));
  assert.throws(() => registry.withBearerAuth('two words'), invalid(/without spaces/));
  assert.throws(() => registry.withBearerAuth(''), invalid(/without spaces/));
});

test('ImageRegistry never shows its secrets', () => {
  const registry = ImageRegistry.https('x.y').withBasicAuth('user', 'hunter2');
  for (const text of [inspect(registry), JSON.stringify(registry), String(registry)]) {
    assert.ok(!text.includes('hunter2'), text);
  }
});

test('imageRegistries() takes a text for a searched registry over https', () => {
  const own = ImageRegistry.http('localhost:5000');
  const [first, second] = imageRegistries(['ghcr.io/myorg', own], 'option');
  assert.deepEqual(
    [first?.transport, first?.search, first?.host],
    ['https', true, 'ghcr.io/myorg'],
  );
  assert.equal(second, own);
});

test('imageRegistries() names the element at fault', () => {
  assert.throws(
    () => imageRegistries('ghcr.io', 'imageRegistries'),
    invalid(/^imageRegistries: expected an array/),
  );
  assert.throws(
    () => imageRegistries(['a.b', 7], 'imageRegistries'),
    invalid(/^imageRegistries\[1\]: .* got 7/),
  );
  assert.throws(
    () => imageRegistries(['A B'], 'imageRegistries'),
    invalid(/^imageRegistries\[0\]: expected host/),
  );
});
