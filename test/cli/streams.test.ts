import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { writeTo } from '../../src/cli/streams.ts';

/** A reader that takes a piece at a time. */
function slowReader(read: string[]): Writable {
  return new Writable({
    highWaterMark: 1,
    write(piece, _encoding, done) {
      read.push(String(piece));
      setImmediate(done);
    },
  });
}

function listeners(stream: Writable) {
  return stream.eventNames().map((name) => [name, stream.listenerCount(name)]);
}

test('writeTo() waits for a slow reader, and leaves no listener behind', async () => {
  const read: string[] = [];
  const slow = slowReader(read);
  const before = listeners(slow);
  for (let i = 0; i < 20; i++) {
    await writeTo(slow, `${i}`);
    assert.equal(read.at(-1), `${i}`);
  }
  assert.deepEqual(listeners(slow), before);
});

test('writeTo() is over when the reader goes', async () => {
  const gone = slowReader([]);
  const waiting = writeTo(gone, 'text');
  gone.destroy();
  await waiting;
  await writeTo(gone, 'more');
  assert.deepEqual(listeners(gone), []);
});
