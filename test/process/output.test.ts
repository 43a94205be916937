import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINE_CHARS_MAX, LineSplitter, Tail } from '../../src/process/output.ts';

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

test('LineSplitter gives the same lines however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat()), (text, cuts) => {
      const lines: string[] = [];
      const splitter = new LineSplitter((line) => lines.push(line));
      for (const piece of pieces(Buffer.from(text), cuts)) splitter.push(piece);
      splitter.end();
      const expected = text.split('\n');
      if (expected.at(-1) === '') expected.pop();
      assert.deepEqual(lines, expected);
    }),
  );
});

test('LineSplitter hands on an endless line in pieces', () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (let i = 0; i < 5; i++) splitter.push(Buffer.alloc(LINE_CHARS_MAX, 'x'));
  splitter.end();
  assert(lines.every((line) => line.length <= 2 * LINE_CHARS_MAX));
  assert.equal(lines.join('').length, 5 * LINE_CHARS_MAX);
});

test('Tail keeps exactly the last bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary-ascii' })),
      fc.integer({ min: 1, max: 20 }),
      (parts, limit) => {
        const tail = new Tail(limit);
        for (const part of parts) tail.push(Buffer.from(part));
        assert.equal(tail.toString(), parts.join('').slice(-limit));
      },
    ),
  );
});
