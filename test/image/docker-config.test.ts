import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import {
  loginSource,
  parseDockerConfig,
  parseHelperAnswer,
} from '../../src/image/docker-config.ts';

const parse = (value: unknown) => parseDockerConfig(JSON.stringify(value), '/home/me/config.json');
const base64 = (text: string) => Buffer.from(text).toString('base64');
const login = (value: unknown, domain: string) => {
  const source = loginSource(parse(value), domain);
  assert.equal(source.kind, 'file');
  return source.kind === 'file' ? source.credentials : null;
};

test('loginSource() finds a login in the file, under every way to write the host', () => {
  const basic = { kind: 'basic', username: 'me', password: 'a:b' };
  const auth = { auth: base64('me:a:b') };
  for (const key of ['ghcr.io', 'https://ghcr.io', 'http://ghcr.io/v1/', 'ghcr.io/v2/']) {
    assert.deepEqual(login({ auths: { [key]: auth } }, 'ghcr.io'), basic, key);
  }
  for (const key of ['https://index.docker.io/v1/', 'docker.io']) {
    assert.deepEqual(login({ auths: { [key]: auth } }, 'docker.io'), basic, key);
  }
  assert.deepEqual(login({ auths: { 'ghcr.io': auth } }, 'ghcr.io:443'), { kind: 'anonymous' });
});

test('loginSource() knows every form of a login', () => {
  const of = (entry: object) => login({ auths: { 'a.b': entry } }, 'a.b');
  assert.deepEqual(of({ auth: base64('u:p\0\0') }), {
    kind: 'basic',
    username: 'u',
    password: 'p',
  });
  assert.deepEqual(of({ username: 'u', password: 'p' }), {
    kind: 'basic',
    username: 'u',
    password: 'p',
  });
  assert.deepEqual(of({ auth: base64('u:'), identitytoken: 'refresh' }), {
    kind: 'identity',
    token: 'refresh',
  });
  assert.deepEqual(of({ registrytoken: 'raw' }), { kind: 'bearer', token: 'raw' });
  assert.deepEqual(of({}), { kind: 'anonymous' });
});

test('loginSource() asks the helper of the registry, else the store', () => {
  const config = parse({
    auths: { 'ghcr.io': {} },
    credHelpers: { 'gcr.io': 'gcloud' },
    credsStore: 'pass',
  });
  assert.deepEqual(loginSource(config, 'gcr.io'), {
    kind: 'helper',
    program: 'docker-credential-gcloud',
    server: 'gcr.io',
  });
  assert.deepEqual(loginSource(config, 'docker.io'), {
    kind: 'helper',
    program: 'docker-credential-pass',
    server: 'https://index.docker.io/v1/',
  });
});

test('parseDockerConfig() refuses a broken file, and does not quote its secrets', () => {
  const broken = [
    '{"auths":{"a.b":{"auth":"aHVudGVyMg=="',
    '[]',
    '{"auths":[]}',
    '{"auths":{"a.b":"aHVudGVyMg=="}}',
    `{"auths":{"a.b":{"auth":"${base64('hunter2')}"}}}`,
    '{"credsStore":"../../bin/sh"}',
    '{"credHelpers":{"a.b":"x/y"}}',
  ];
  for (const text of broken) {
    assert.throws(
      () => parseDockerConfig(text, '/home/me/config.json'),
      (error) =>
        BoxliteError.is(error, 'Config') &&
        error.message.startsWith('Cannot read "/home/me/config.json": ') &&
        !/hunter2|aHVudGVy/.test(error.message),
      text,
    );
  }
});

test('parseDockerConfig() throws nothing but Config errors', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseDockerConfig(text, 'x');
      } catch (error) {
        assert.ok(BoxliteError.is(error, 'Config'), String(error));
      }
    }),
  );
});

test('parseHelperAnswer() tells a refresh token from a password', () => {
  const answer = (Username: string) =>
    parseHelperAnswer(JSON.stringify({ ServerURL: 'x', Username, Secret: 's' }), 'helper');
  assert.deepEqual(answer('me'), { kind: 'basic', username: 'me', password: 's' });
  assert.deepEqual(answer('<token>'), { kind: 'identity', token: 's' });
  assert.throws(
    () => parseHelperAnswer('hunter2', 'helper'),
    (error) => BoxliteError.is(error, 'Config') && !error.message.includes('hunter2'),
  );
});
