import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import {
  describeType,
  flag,
  list,
  oneOf,
  optional,
  quote,
  shape,
  text,
  textRecord,
  wholeNumber,
} from '../../src/spec/reader.ts';
import { refuses } from './refusal.ts';

const point = shape({ x: wholeNumber(0, 9), label: optional(text, null) });

test('shape() reads each field and fills in what is missing', () => {
  const read = point({ x: 3, label: undefined }, '');
  assert.deepEqual(read, { x: 3, label: null });
  assert.ok(Object.isFrozen(read));
});

test('shape() refuses a key it does not know, before it reads the others', () => {
  refuses(
    () => point({ x: 'bad', lable: 'a' }, ''),
    'lable: unknown option, expected one of x, label',
  );
  refuses(
    () => point({ x: 1, 'a\nb': 1 }, 'p'),
    'p["a\\nb"]: unknown option, expected one of x, label',
  );
});

test('shape() names what a prototype offers unknown', () => {
  refuses(
    () => point({ x: 1, toString: 1 }, ''),
    'toString: unknown option, expected one of x, label',
  );
});

test('shape() says that a required field is missing', () => {
  refuses(() => point({}, 'points[2]'), 'points[2].x: expected 0..9, got nothing');
});

test('shape() refuses everything but plain objects', () => {
  refuses(() => point(null, ''), 'options: expected an object, got null');
  refuses(() => point([], 'p'), 'p: expected an object, got an array');
  refuses(() => point('x', 'p'), 'p: expected an object, got a string');
  refuses(() => point(new Map(), 'p'), 'p: expected an object, got an object (Map)');
});

test('shape() takes objects of another realm and those without a prototype', () => {
  assert.equal(point(vm.runInNewContext('({ x: 1 })'), '').x, 1);
  assert.equal(point(Object.assign(Object.create(null), { x: 1 }), '').x, 1);
});

test('list() names the element at fault, holes too', () => {
  refuses(() => list(flag)([true, 1], 'a'), 'a[1]: expected a boolean, got 1');
  refuses(() => list(flag)(new Array(1), 'a'), 'a[0]: expected a boolean, got nothing');
  refuses(() => list(flag)({ length: 0 }, 'a'), 'a: expected an array, got an object');
});

test('wholeNumber() tells a fraction from a number out of range', () => {
  const read = wholeNumber(1, 4, 'why');
  refuses(() => read(5, 'n'), 'n: expected 1..4 (why), got 5');
  refuses(() => read(1.5, 'n'), 'n: expected a whole number in 1..4 (why), got 1.5');
  refuses(() => read(Number.NaN, 'n'), 'n: expected 1..4 (why), got NaN');
  refuses(() => read(Number.POSITIVE_INFINITY, 'n'), 'n: expected 1..4 (why), got Infinity');
  refuses(() => read('2', 'n'), 'n: expected 1..4 (why), got a string');
});

test('oneOf() lists the words', () => {
  refuses(() => oneOf(['a', 'b'])('c', 'w'), 'w: expected one of "a", "b", got "c"');
  refuses(() => oneOf(['a', 'b'])(undefined, 'w'), 'w: expected one of "a", "b", got nothing');
});

test('textRecord() keeps names that objects have a use for', () => {
  const record = textRecord(JSON.parse('{"__proto__": "a", "constructor": "b"}'), 'r');
  assert.deepEqual(Object.entries(record), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  refuses(() => textRecord({ '': 'a' }, 'r'), 'r[""]: expected a string that is not empty, got ""');
  refuses(() => textRecord({ a: 1 }, 'r'), 'r.a: expected a string, got 1');
});

test('describeType() never shows a text, which may be a secret in the wrong place', () => {
  assert.equal(describeType('hunter2'), 'a string');
  assert.equal(describeType(Symbol('hunter2')), 'a symbol');
  assert.equal(
    describeType(() => 1),
    'a function',
  );
});

test('quote() keeps messages short and on one line', () => {
  assert.equal(quote('a\nb'), '"a\\nb"');
  assert.equal(quote('x'.repeat(500)).length, 205);
});

test('a reader throws nothing but InvalidArgument, whatever it is given', () => {
  const read = shape({ a: optional(list(point), []), b: optional(textRecord, {}), c: flag });
  const parts = fc.oneof(fc.anything({ withMap: true, withNullPrototype: true }), fc.boolean());
  const options = fc.record({ a: fc.array(parts), b: parts, c: parts }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(options, fc.anything()), (value) => {
      try {
        read(value, '');
      } catch (error) {
        assert.ok(BoxliteError.is(error, 'InvalidArgument'), String(error));
      }
    }),
  );
});
