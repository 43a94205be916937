import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Seconds } from '../../src/base/durations.ts';

test('Seconds counts minutes and hours', () => {
  assert.equal(Seconds.fromSeconds(30).asSeconds(), 30);
  assert.equal(Seconds.fromMinutes(5).asSeconds(), 300);
  assert.equal(Seconds.fromHours(1).asSeconds(), 3600);
  assert.equal(Seconds.fromSeconds(0.25).asSeconds(), 0.25);
});

test('Seconds rounds down to whole minutes', () => {
  assert.equal(Seconds.fromSeconds(119).asMinutes(), 1);
  assert.equal(Seconds.fromHours(2).asMinutes(), 120);
});

test('Seconds prints the largest unit that divides it', () => {
  const cases: [Seconds, string][] = [
    [Seconds.fromMinutes(30), '30 minutes'],
    [Seconds.fromMinutes(1), '1 minute'],
    [Seconds.fromSeconds(90), '90 seconds'],
    [Seconds.fromSeconds(1), '1 second'],
    [Seconds.fromSeconds(0), '0 seconds'],
    [Seconds.fromSeconds(0.5), '0.5 seconds'],
    [Seconds.fromMinutes(120), '2 hours'],
  ];
  for (const [duration, text] of cases) assert.equal(`${duration}`, text);
});

test('Seconds is a number in JSON', () => {
  assert.equal(JSON.stringify({ limit: Seconds.fromMinutes(1) }), '{"limit":60}');
});

test('Seconds refuses what is no duration', () => {
  for (const seconds of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => Seconds.fromSeconds(seconds), RangeError);
  }
});

test('Seconds keeps every duration it takes, and prints it exactly', () => {
  const units: Record<string, number> = { second: 1, minute: 60, hour: 3600 };
  fc.assert(
    fc.property(fc.nat(), (seconds) => {
      const duration = Seconds.fromSeconds(seconds);
      assert.equal(duration.asSeconds(), seconds);
      const [count, unit] = duration.toString().split(' ');
      const size = units[unit?.replace(/s$/, '') ?? ''] ?? Number.NaN;
      assert.equal(Number(count) * size, seconds);
      assert.equal(unit?.endsWith('s'), count !== '1');
    }),
  );
});
