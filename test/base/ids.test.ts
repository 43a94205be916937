import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoxID, BoxIDMint, ContainerID } from '../../src/base/ids.ts';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ULID = '01HJK4TNRPQSXYZ8WM6NCVT9R5';

const base62Id = fc.string({ unit: fc.constantFrom(...BASE62), minLength: 12, maxLength: 12 });
const ulid = fc
  .tuple(
    fc.constantFrom(...'01234567'),
    fc.string({ unit: fc.constantFrom(...CROCKFORD), minLength: 25, maxLength: 25 }),
  )
  .map(([first, rest]) => first + rest);

test('BoxID.parse() takes ids of both kinds as they are', () => {
  fc.assert(
    fc.property(fc.oneof(base62Id, ulid), (text) => {
      const id = BoxID.parse(text);
      assert.equal(id?.asStr(), text);
      assert.equal(id?.toString(), text);
      assert.equal(JSON.stringify({ id }), `{"id":"${text}"}`);
      assert.equal(id?.short(), text.slice(0, 8));
    }),
  );
});

test('BoxID.parse() refuses everything else', () => {
  const cases = [
    '',
    'too-short',
    'aB3cD4eF5gH',
    'aB3cD4eF5gH67',
    'aB3cD4eF5gH-',
    'aB3cD4eF5gH6\n',
    ' aB3cD4eF5gH6',
    ULID.toLowerCase(),
    ULID.slice(1),
    `${ULID}0`,
    `8${ULID.slice(1)}`,
    ULID.replace('J', 'I'),
    ULID.replace('J', 'L'),
    ULID.replace('J', 'O'),
    ULID.replace('J', 'U'),
  ];
  for (const text of cases) assert.equal(BoxID.parse(text), null, text);
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/^[0-9A-Za-z]{12}$|^[0-9A-Z]{26}$/.test(text));
      assert.equal(BoxID.parse(text), null);
    }),
  );
});

test('BoxIDMint.mint() makes ids that parse and differ, of every character', () => {
  const ids = Array.from({ length: 2000 }, () => BoxIDMint.mint().asStr());
  assert.ok(ids.every((id) => id.length === 12 && BoxID.parse(id)?.asStr() === id));
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(new Set(ids.join('')).size, 62);
});

test('ContainerID.new() makes valid ids that differ', () => {
  const ids = Array.from({ length: 100 }, () => ContainerID.new());
  assert.ok(ids.every((id) => ContainerID.isValid(id.asStr())));
  assert.equal(new Set(ids.map(String)).size, ids.length);
});

test('ContainerID takes 64 lower-case hexadecimal digits and nothing else', () => {
  const text = '0123456789abcdef'.repeat(4);
  const id = new ContainerID(text);
  assert.equal(id.asStr(), text);
  assert.equal(id.toString(), text);
  assert.equal(id.short(), '0123456789ab');
  assert.equal(JSON.stringify([id]), `["${text}"]`);
  assert.equal(ContainerID.isValid('a'.repeat(64)), true);
  for (const wrong of ['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64)]) {
    assert.equal(ContainerID.isValid(wrong), false);
    assert.throws(() => new ContainerID(wrong), RangeError);
  }
});
