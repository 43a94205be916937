import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DatagramReader, encodeDatagram } from '../../src/network/datagram-stream.ts';

test('datagrams survive, however their stream is cut', () => {
  const datagrams = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(datagrams, cuts, (sent, sizes) => {
      const stream = Buffer.concat(sent.map(encodeDatagram));
      const reader = new DatagramReader();
      const got: Uint8Array[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        for (const datagram of reader.push(stream.subarray(at, at + size))) {
          got.push(Uint8Array.from(datagram));
        }
        at += size;
      }
      assert.deepEqual(
        got,
        sent.map((each) => Uint8Array.from(each)),
      );
    }),
  );
});

test('the largest datagram is one, also byte by byte', () => {
  const sent = new Uint8Array(65_507).fill(7);
  const reader = new DatagramReader();
  const got = [...encodeDatagram(sent)].flatMap((byte) => [...reader.push(Uint8Array.of(byte))]);
  assert.deepEqual(got, [sent]);
});
