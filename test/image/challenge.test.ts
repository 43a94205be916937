import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../src/image/challenge.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test('parseChallenges() reads what Docker Hub sends', () => {
  const header =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",' +
    'scope="repository:library/alpine:pull,push"';
  assert.deepEqual(read(header), [
    [
      'bearer',
      {
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:library/alpine:pull,push',
      },
    ],
  ]);
});

test('parseChallenges() reads several challenges, tokens, quotes and odd spaces', () => {
  assert.deepEqual(read('Negotiate, BASIC realm=simple , Bearer  a = "q\\"uo\\\\ted" ,b=c,,'), [
    ['negotiate', {}],
    ['basic', { realm: 'simple' }],
    ['bearer', { a: 'q"uo\\ted', b: 'c' }],
  ]);
  assert.deepEqual(read('NTLM TlRMTVNTUAAB==, Basic realm="x"'), [
    ['ntlm', {}],
    ['basic', { realm: 'x' }],
  ]);
});

test('parseChallenges() stops at what it cannot read', () => {
  assert.deepEqual(read(''), []);
  assert.deepEqual(read('Bearer realm="open'), [['bearer', {}]]);
  assert.deepEqual(read('\u0000'), []);
});

const token = fc.stringMatching(/^[a-z]{1,8}$/);
const parameters = fc.uniqueArray(fc.tuple(token, fc.string({ unit: 'grapheme-ascii' })), {
  selector: ([name]) => name,
  minLength: 1,
});

test('parseChallenges() reads back what was written', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(token, parameters), { maxLength: 4 }), (challenges) => {
      const written = challenges.map(([scheme, list]) => {
        const pairs = list.map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`);
        return `${scheme} ${pairs.join(', ')}`;
      });
      assert.deepEqual(
        read(written.join(', ')),
        challenges.map(([scheme, list]) => [scheme, Object.fromEntries(list)]),
      );
    }),
  );
});

test('parseChallenges() ends on any text', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', '=', '"', '\\', ',', ' ', '\t', '\u0000') });
  fc.assert(fc.property(texts, (text) => assert.ok(parseChallenges(text).length <= text.length)));
});
