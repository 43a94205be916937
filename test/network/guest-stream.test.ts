import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GuestStream } from '../../src/network/guest-stream.ts';

const KIB = 1024;

function streamOf(bufferBytes = 64 * KIB) {
  let consumed = 0;
  const stream = new GuestStream(
    {
      write: () => true,
      end: () => undefined,
      consumed: (bytes) => {
        consumed += bytes;
      },
      release: () => undefined,
      abort: () => undefined,
    },
    bufferBytes,
  );
  return { stream, consumed: () => consumed };
}

describe('GuestStream', () => {
  it('gives what arrived, in whatever pieces it came and is read', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 6_000 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.boolean(), async (all, early) => {
        const { stream, consumed } = streamOf();
        const got: Uint8Array[] = [];
        const read = async () => {
          for await (const chunk of stream) got.push(chunk as Uint8Array);
        };
        const reading = early ? read() : null;
        for (const piece of all) {
          stream.arrived(Uint8Array.from(piece));
          if (early && piece.length % 3 === 0) await null;
        }
        stream.arrivedEnd();
        await (reading ?? read());
        assert.deepEqual(Buffer.concat(got), Buffer.concat(all));
        assert.equal(consumed(), Buffer.concat(all).length);
      }),
      { numRuns: 100 },
    );
  });

  it('holds small pieces that nobody reads in a few large ones', () => {
    const { stream, consumed } = streamOf();
    // Node asks for something to keep.
    stream.read(0);
    for (let i = 0; i < 64 * KIB; i++) stream.arrived(Uint8Array.of(i));
    assert.ok(consumed() < 4 * KIB, `${consumed()} bytes are with Node`);
    const sizes: number[] = [];
    for (let piece = stream.read(); piece !== null; piece = stream.read()) sizes.push(piece.length);
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      64 * KIB,
    );
    assert.ok(sizes.length < 20, `${sizes.length} pieces`);
  });
});
