import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { formatReference, parseReference } from '../../src/image/reference.ts';

const HEX = 'dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c';

/** What Docker makes of names, as the tests of github.com/distribution/reference list it. */
const CANONICAL: Readonly<Record<string, string>> = {
  alpine: 'docker.io/library/alpine:latest',
  'alpine:3.20': 'docker.io/library/alpine:3.20',
  'fooo/bar': 'docker.io/fooo/bar:latest',
  'library/ubuntu': 'docker.io/library/ubuntu:latest',
  'docker.io/ubuntu': 'docker.io/library/ubuntu:latest',
  'docker.io/library/foo/bar': 'docker.io/library/foo/bar:latest',
  'index.docker.io/library/debian': 'docker.io/library/debian:latest',
  'index.docker.io/debian': 'docker.io/library/debian:latest',
  'test_com/foo': 'docker.io/test_com/foo:latest',
  'test.com/foo': 'test.com/foo:latest',
  'test:5000': 'docker.io/library/test:5000',
  'test:5000/repo': 'test:5000/repo:latest',
  'test-com:8080/foo:tag': 'test-com:8080/foo:tag',
  'localhost/foo': 'localhost/foo:latest',
  localhost: 'docker.io/library/localhost:latest',
  '192.168.0.1:80': 'docker.io/library/192.168.0.1:80',
  '192.168.0.1:8/debian': '192.168.0.1:8/debian:latest',
  'Docker/docker': 'Docker/docker:latest',
  'xn--n3h.com/myimage:xn--n3h.com': 'xn--n3h.com/myimage:xn--n3h.com',
  '[fc00::1]:5000/docker': '[fc00::1]:5000/docker:latest',
  '[2001:db8::1]/repo': '[2001:db8::1]/repo:latest',
  'docker---rules/dock__er': 'docker.io/docker---rules/dock__er:latest',
  'lowercase:Uppercase': 'docker.io/library/lowercase:Uppercase',
  [`redis@sha256:${HEX}`]: `docker.io/library/redis@sha256:${HEX}`,
  [`redis:7@sha256:${HEX}`]: `docker.io/library/redis:7@sha256:${HEX}`,
  [`x@sha512:${HEX}${HEX}`]: `docker.io/library/x@sha512:${HEX}${HEX}`,
  [`docker.io/${HEX}`]: `docker.io/library/${HEX}:latest`,
  [HEX.slice(1)]: `docker.io/library/${HEX.slice(1)}:latest`,
};

test('parseReference() completes names as Docker does', () => {
  for (const [text, canonical] of Object.entries(CANONICAL)) {
    assert.equal(formatReference(parseReference(text)), canonical, text);
  }
});

const REFUSED = [
  ...['', ':justtag', `@sha256:${HEX}`, HEX, '-foo', 'foo/', '/foo', 'docker///docker', 'a//b'],
  ...['https://github.com/docker/docker', 'docker/Docker', 'Uppercase:tag', 'aa/asdf$$^/aa'],
  ...['-docker.io/docker/docker', 'docker-/docker', '____/____', '_docker/_docker'],
  ...['dock..er/docker', 'dock_.er/docker', 'dock-.er/docker', 'foo:', 'foo:-tag', 'foo bar'],
  ...['[2001:db8::1]', '[2001:db8::1]:5000', 'fc00::1:5000/debian', '[fe80::1%eth0]:5000/debian'],
  ...['[2001:db8:3:4::192.0.2.33]:5000/debian', 'host:99999/foo', 'host:0/foo', 'alpine\n'],
  ...[`foo:${'t'.repeat(129)}`, `a/${'b'.repeat(255)}`, 'x'.repeat(2000)],
  ...[`repo@sha256:${HEX.slice(2)}`, `repo@sha256:${HEX.toUpperCase()}`, `repo@md5:${HEX}`],
];

test('parseReference() refuses what is no reference, and repeats it', () => {
  for (const text of REFUSED) {
    assert.throws(
      () => parseReference(text),
      (error) =>
        BoxliteError.is(error, 'InvalidArgument') &&
        error.message.startsWith('Invalid image reference "'),
      JSON.stringify(text),
    );
  }
});

test('parseReference() says that names are lower case', () => {
  assert.throws(() => parseReference('docker/Docker:tag'), /"docker\/Docker" must be lower case/);
});

test('parseReference() takes a path of 255 characters and a tag of 128', () => {
  const path = `a/${'b'.repeat(253)}`;
  const reference = parseReference(`example.com/${path}:${'T'.repeat(128)}`);
  assert.equal(reference.path, path);
  assert.equal(reference.tag?.length, 128);
});

const component = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const host = fc.oneof(
  fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\.[a-z0-9]{1,6}){1,2}$/),
  fc.constantFrom('localhost', '[::1]:5000', 'registry:5000', '10.0.0.1:80'),
);
const tag = fc.stringMatching(/^\w[\w.-]{0,20}$/);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const orNone = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

test('parseReference() finds the parts that a reference was put together from', () => {
  fc.assert(
    fc.property(host, path, orNone(tag), orNone(digest), (domain, name, label, hash) => {
      const text = `${domain}/${name}${label ? `:${label}` : ''}${hash ? `@${hash}` : ''}`;
      const found = parseReference(text);
      const shown = domain === 'index.docker.io' ? 'docker.io' : domain;
      assert.equal(found.domain, shown);
      if (shown !== 'docker.io') assert.equal(found.path, name);
      assert.equal(found.tag, label ?? (hash ? null : 'latest'));
      assert.equal(found.digest, hash);
      assert.deepEqual(parseReference(formatReference(found)), found);
    }),
  );
});

test('parseReference() is idempotent, or throws InvalidArgument, on any text', () => {
  const pieces = fc.constantFrom('a', 'Z', '0', '.', ':', '/', '@', '-', '_', '[', ']', HEX, '\n');
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: pieces }));
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const found = parseReference(text);
        assert.deepEqual(parseReference(formatReference(found)), found);
      } catch (error) {
        assert.ok(BoxliteError.is(error, 'InvalidArgument'), String(error));
      }
    }),
  );
});
