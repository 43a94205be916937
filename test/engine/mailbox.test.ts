import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DiskMailbox, RingAllocator } from '../../src/engine/mailbox.ts';

const USE = { payloadBytesMin: 128, lineBytesMax: 2048 };

describe('RingAllocator', () => {
  it('never gives out a place that is in use, and none beyond its end', () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant('release' as const)),
    );
    fc.assert(
      fc.property(steps, (moves) => {
        const ring = new RingAllocator(100);
        const used: { offset: number; length: number }[] = [];
        for (const move of moves) {
          if (move === 'release') {
            assert.equal(ring.release(), used.shift() !== undefined);
            continue;
          }
          const fits = ring.fits(move);
          const offset = ring.allocate(move);
          assert.equal(fits, offset !== null);
          if (offset === null) continue;
          assert.ok(offset >= 0 && offset + move <= 100);
          for (const other of used) {
            assert.ok(offset + move <= other.offset || other.offset + other.length <= offset);
          }
          used.push({ offset, length: move });
        }
      }),
    );
  });

  it('starts over at its beginning whenever it is empty', () => {
    const ring = new RingAllocator(100);
    for (let i = 0; i < 10; i++) {
      assert.equal(ring.allocate(30), 0);
      ring.release();
    }
  });
});

describe('DiskMailbox', () => {
  it('stores payloads on whole blocks, in memory that has no name', () => {
    using mailbox = DiskMailbox.create([tmpdir()], USE);
    const first = mailbox.put(new Uint8Array(5000).fill(1));
    const second = mailbox.put(new Uint8Array(10).fill(2));
    assert.deepEqual(first, { offset: 0, length: 5000 });
    assert.deepEqual(second, { offset: 8192, length: 10 });
    const back = new Uint8Array(10);
    readSync(mailbox.descriptor, back, 0, 10, 8192);
    assert.deepEqual(back, new Uint8Array(10).fill(2));
  });

  it('is full until the guest has taken something, and refuses a guest that takes too much', () => {
    using mailbox = DiskMailbox.create([tmpdir()], USE);
    let pieces = 0;
    while (mailbox.put(new Uint8Array(256 * 1024)) !== null) pieces++;
    assert.ok(pieces >= 8);
    assert.equal(mailbox.roomy, false);
    mailbox.taken(1);
    assert.equal(mailbox.roomy, true);
    assert.throws(() => mailbox.taken(0xffff_ffff), { kind: 'Portal' });
  });

  it('says why it cannot be made', () => {
    assert.throws(() => DiskMailbox.create(['/nonexistent'], USE), { kind: 'Storage' });
  });
});
