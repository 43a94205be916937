import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  BufferBudget,
  LARGEST_BYTES,
  SMALLEST_BYTES,
  TOTAL_BYTES,
} from '../../src/network/buffer-budget.ts';
import { CONNECTIONS_MAX } from '../../src/network/stack.ts';
import { ACK, Bench, SYN } from './peer.ts';

/** What the connections of one box can buffer in one direction, however many there are. */
const BOUND = TOTAL_BYTES + CONNECTIONS_MAX * SMALLEST_BYTES;

describe('the budget for buffers', () => {
  it('gives everybody something and all together no more than there is', () => {
    const steps = fc.array(fc.oneof(fc.constant('take'), fc.nat(CONNECTIONS_MAX)), {
      maxLength: 3 * CONNECTIONS_MAX,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, (moves) => {
        const budget = new BufferBudget();
        const taken: number[] = [];
        for (const move of moves) {
          if (move !== 'take') {
            const [given] = taken.splice(Number(move) % Math.max(1, taken.length), 1);
            if (given !== undefined) budget.giveBack(given);
          } else if (taken.length < CONNECTIONS_MAX) {
            taken.push(budget.take());
          }
          const last = taken.at(-1) ?? SMALLEST_BYTES;
          assert.ok(last >= SMALLEST_BYTES && last <= LARGEST_BYTES);
        }
        assert.ok(taken.reduce((sum, bytes) => sum + bytes, 0) <= BOUND);
        for (const bytes of taken) budget.giveBack(bytes);
        assert.equal(budget.take(), LARGEST_BYTES, 'all came back');
      }),
      { numRuns: 30 },
    );
  });

  it('bounds what a box has that sends on thousands of connections which nobody reads', () => {
    const bench = new Bench();
    const open = 2_000;
    const piece = new Uint8Array(16_000);
    for (let port = 1; port <= open; port++) {
      const ports: [number, number] = [port, 80];
      const options = { segmentSize: 60_000, windowShift: 7 };
      bench.sendTcp('203.0.113.5', ports, { flags: SYN, sequence: 0, options });
      const stream = bench.uplink.connections.at(-1)?.accept();
      stream?.on('error', () => undefined);
      let answer = bench.segments().at(-1) ?? assert.fail('no answer');
      const acknowledgement = (answer.sequence + 1) >>> 0;
      bench.sendTcp('203.0.113.5', ports, { flags: ACK, sequence: 1, acknowledgement });
      // As much as it is let, and one segment more each time.
      for (let sequence = 1, room = true; room; ) {
        const sent = { flags: ACK, sequence, acknowledgement, payload: piece };
        bench.sendTcp('203.0.113.5', ports, sent);
        answer = bench.segments().at(-1) ?? assert.fail('no answer');
        room = answer.acknowledgement > sequence && answer.window > 0;
        sequence = answer.acknowledgement;
      }
    }
    const held = bench.stack.connections().reduce((sum, { bytesSent }) => sum + bytesSent, 0);
    assert.ok(held > (open * SMALLEST_BYTES) / 2, `only ${held} bytes came`);
    // A stream takes as much out of the connection's hands as that keeps, and no more.
    assert.ok(held <= 2 * BOUND, `${held} bytes are held`);
    bench.stack.close();
  });

  it('bounds what is kept for a box that reads nothing', () => {
    const bench = new Bench();
    const open = 2_000;
    const piece = new Uint8Array(SMALLEST_BYTES / 2);
    let kept = 0;
    for (let port = 1; port <= open; port++) {
      bench.sendTcp('203.0.113.5', [port, 80], { flags: SYN, sequence: 0, window: 0 });
      const connection = bench.uplink.connections.at(-1) ?? assert.fail('no connection');
      const ignore = () => undefined;
      const carrier = connection.carry({
        data: ignore,
        end: ignore,
        drained: ignore,
        closed: ignore,
      });
      let room = true;
      for (let bytes = 0; room; bytes += piece.length) {
        assert.ok(bytes <= connection.bufferBytes);
        room = carrier.write(piece);
        kept += piece.length;
      }
    }
    assert.ok(kept <= BOUND, `${kept} bytes are kept`);
    bench.stack.close();
    assert.equal(bench.stack.counts.tcpConnections, 0);
  });
});
