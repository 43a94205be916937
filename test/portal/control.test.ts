import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeHello,
  decodeJson,
  decodeRefusal,
  encodeHello,
  encodeJson,
  encodeRefusal,
  printable,
  shortText,
  wholeNumber,
} from '../../src/portal/control.ts';
import { JSON_DEPTH_MAX, WINDOW_BYTES_MAX } from '../../src/portal/messages.ts';
import { assertViolation } from './bytes.ts';

/** How deep arrays and objects are nested, counted on the value itself. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('decodeJson()', () => {
  it('reads what encodeJson() writes, and refuses what is too deep', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 20 })), (message) => {
        // Such as -0, which JSON does not tell from 0.
        const plain = JSON.parse(JSON.stringify(message)) as object;
        const bytes = encodeJson(message);
        if (depthOf(plain) <= JSON_DEPTH_MAX) assert.deepEqual(decodeJson(bytes), plain);
        else assert.throws(() => decodeJson(bytes), assertViolation);
      }),
    );
  });

  it('counts the depth of arrays and objects, and no brackets in strings', () => {
    const nest = (depth: number): unknown =>
      depth === 0 ? '[[{{\\"[' : { '[': [nest(depth - 2)] };
    assert.ok(decodeJson(encodeJson(nest(JSON_DEPTH_MAX) as never)));
    const deeper = encodeJson({ a: nest(JSON_DEPTH_MAX) });
    assert.throws(
      () => decodeJson(deeper),
      (error) => assertViolation(error, /deep/),
    );
  });

  it('throws nothing but a breach of the protocol', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (bytes) => {
          try {
            decodeJson(bytes);
          } catch (error) {
            assertViolation(error);
          }
        },
      ),
    );
  });
});

describe('decodeHello()', () => {
  it('reads what encodeHello() writes', () => {
    const hello = { min: 1, max: 7, window: WINDOW_BYTES_MAX, build: 'agent 1.0' };
    assert.deepEqual(decodeHello(encodeHello(hello)), hello);
  });

  it('refuses a payload without the magic', () => {
    const payload = encodeHello({ min: 1, max: 1, window: 1, build: '' });
    payload[0] = 0;
    assert.throws(() => decodeHello(payload), assertViolation);
    assert.throws(() => decodeHello(new Uint8Array(0)), assertViolation);
  });
});

describe('encodeRefusal()', () => {
  it('makes any message fit to be read and shown', () => {
    const refusal = { code: 'failed', message: `\0\u001b${'y'.repeat(300_000)}` };
    const decoded = decodeRefusal(encodeRefusal(refusal));
    assert.deepEqual(decoded, { code: 'failed', message: `\ufffd\ufffd${'y'.repeat(1022)}` });
    assert.ok(!Buffer.from(encodeRefusal(refusal)).includes('\\u0000'));
  });
});

describe('wholeNumber()', () => {
  it('takes 0 and the maximum, and nothing beyond or between', () => {
    for (const value of [0, 5]) assert.equal(wholeNumber({ n: value }, 'n', 5), value);
    for (const value of [-1, 6, 1.5, '1', null, true, undefined, []]) {
      assert.throws(() => wholeNumber({ n: value }, 'n', 5), assertViolation);
    }
  });
});

describe('shortText()', () => {
  it('takes text only', () => {
    for (const value of [1, null, undefined, {}, []]) {
      assert.throws(() => shortText({ t: value }, 't'), assertViolation);
    }
  });
});

describe('printable()', () => {
  it('keeps lines, tabs and letters of all kinds, and shows controls', () => {
    assert.equal(printable('a\tb\nc é 語'), 'a\tb\nc é 語');
    assert.equal(printable('\x1b[31m\r\0\x7f\x9b'), '\ufffd[31m\ufffd\ufffd\ufffd\ufffd');
  });
});
