import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bytes } from '../../src/base/sizes.ts';

test('Bytes counts in binary units', () => {
  assert.equal(Bytes.fromBytes(1_000_000).asBytes(), 1_000_000);
  assert.equal(Bytes.fromKib(512).asBytes(), 524_288);
  assert.equal(Bytes.fromMib(128).asBytes(), 134_217_728);
  assert.equal(Bytes.fromGib(2).asBytes(), 2_147_483_648);
});

test('Bytes rounds down to whole units', () => {
  const size = Bytes.fromBytes(2 * 1024 * 1024 - 1);
  assert.equal(size.asKib(), 2047);
  assert.equal(size.asMib(), 1);
});

test('Bytes prints the largest unit that divides it', () => {
  const cases: [Bytes, string][] = [
    [Bytes.fromMib(512), '512 MiB'],
    [Bytes.fromMib(1024), '1 GiB'],
    [Bytes.fromKib(1536), '1536 KiB'],
    [Bytes.fromBytes(1000), '1000 bytes'],
    [Bytes.fromBytes(0), '0 bytes'],
  ];
  for (const [size, text] of cases) {
    assert.equal(size.toString(), text);
    assert.equal(`${size}`, text);
  }
});

test('Bytes is a number in JSON', () => {
  assert.equal(JSON.stringify({ size: Bytes.fromKib(1) }), '{"size":1024}');
});

test('Bytes refuses what is no number of bytes', () => {
  for (const bytes of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    assert.throws(() => Bytes.fromBytes(bytes), RangeError);
  }
  assert.throws(() => Bytes.fromGib(2 ** 40), /expected a whole number >= 0/);
});

test('Bytes keeps every size it takes, and prints it exactly', () => {
  const units: Record<string, number> = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      const size = Bytes.fromBytes(bytes);
      assert.equal(size.asBytes(), bytes);
      assert.ok(size.asKib() * 1024 <= bytes && bytes < (size.asKib() + 1) * 1024);
      const [count, unit] = size.toString().split(' ');
      assert.equal(Number(count) * (units[unit ?? ''] ?? Number.NaN), bytes);
    }),
  );
});
