import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BlockPool, ByteQueue } from '../../src/network/byte-queue.ts';

type Step =
  | { add: Uint8Array }
  | { copy: Uint8Array }
  | { drop: number }
  | { take: true }
  | { slice: [number, number] };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ add: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ add: fc.integer({ min: 0, max: 255 }).map((of) => new Uint8Array(5000).fill(of)) }),
  fc.record({
    copy: fc
      .tuple(fc.constantFrom(0, 1, 100, 20_000, 70_000, 200_000), fc.nat(255))
      .map(([length, first]) => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)),
  }),
  fc.record({ drop: fc.nat(7000) }),
  fc.record({ drop: fc.constant(1_000_000) }),
  fc.constant({ take: true } as const),
  fc.record({ slice: fc.tuple(fc.nat(8000), fc.nat(8000)) }),
);

describe('ByteQueue', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, pooled) => {
        const queue = new ByteQueue(pooled ? new BlockPool() : null);
        let model = Buffer.alloc(0);
        for (const each of steps) {
          if ('add' in each) {
            queue.append(each.add);
            model = Buffer.concat([model, each.add]);
          } else if ('copy' in each) {
            const bytes = Uint8Array.from(each.copy);
            queue.copy(bytes);
            bytes.fill(0);
            model = Buffer.concat([model, each.copy]);
          } else if ('drop' in each) {
            queue.drop(each.drop);
            model = model.subarray(each.drop);
          } else if ('take' in each) {
            const taken = queue.take();
            if (taken === null) assert.equal(model.length, 0);
            assert.deepEqual(Buffer.from(taken ?? []), model.subarray(0, taken?.length ?? 0));
            model = model.subarray(taken?.length ?? 0);
          } else {
            const [offset, length] = each.slice;
            const found = Buffer.concat(queue.slices(offset, length));
            assert.deepEqual(found, model.subarray(offset, offset + length));
          }
          assert.equal(queue.length, model.length);
        }
      }),
    );
  });

  it('uses the blocks of its pool again, once they are empty', () => {
    const pool = new BlockPool();
    const [one, other] = [new ByteQueue(pool), new ByteQueue(pool)];
    one.copy(new Uint8Array(64 * 1024).fill(1));
    const [first] = one.slices(0, 1);
    other.copy(new Uint8Array(64 * 1024).fill(2));
    assert.notEqual(other.slices(0, 1)[0]?.buffer, first?.buffer);
    one.drop(64 * 1024 - 1);
    assert.equal(first?.[0], 1, 'it is not empty yet');
    one.drop(1);
    one.copy(new Uint8Array(64 * 1024).fill(3));
    assert.equal(one.slices(0, 1)[0]?.buffer, first?.buffer);
  });

  it('does not keep the buffer that a small piece came in', () => {
    const queue = new ByteQueue();
    const large = new Uint8Array(100_000).fill(7);
    queue.append(large.subarray(0, 10));
    large.fill(0);
    assert.deepEqual(queue.take(), new Uint8Array(10).fill(7));
  });
});
