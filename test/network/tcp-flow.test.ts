import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { ACK, Bench, FIN, Peer, PSH, RST, SYN } from './peer.ts';

const TO = '203.0.113.5';
const PORTS: [number, number] = [40_000, 80];

/** A generator of chances that fast-check can shrink: pieces of a fixed sequence. */
function chances(seed: number, loss: number): () => boolean {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % 100 < loss;
  };
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 17 + seed) & 0xff);
}

function opened(
  bench: Bench,
  options: { lost?: () => boolean; shift?: number | null; size?: number; buffer?: number } = {},
) {
  const { lost = () => false, shift = 3, size = 1400, buffer = 30_000 } = options;
  const peer = new Peer({
    ...{
      bench,
      to: TO,
      ports: PORTS,
      segmentSize: size,
      windowShift: shift,
      bufferBytes: buffer,
      lost,
    },
  });
  return peer;
}

/** Lets both sides work until nothing happens any more, or `done` holds. */
async function run(bench: Bench, peer: Peer, done: () => boolean): Promise<void> {
  for (let round = 0; round < 3_000 && !done(); round++) {
    const segments = bench.segments();
    peer.take(segments);
    peer.read();
    await turn();
    if (segments.length > 0) continue;
    bench.pass(3_000);
    peer.retransmit();
  }
}

function collect(stream: Duplex): { bytes: () => Buffer; ended: () => boolean } {
  const pieces: Buffer[] = [];
  let ended = false;
  stream.on('data', (piece: Buffer) => pieces.push(Buffer.from(piece)));
  stream.on('end', () => {
    ended = true;
  });
  return { bytes: () => Buffer.concat(pieces), ended: () => ended };
}

describe('a TCP connection of a box', () => {
  it('carries everything both ways, whatever is lost on the way', async () => {
    const way = fc.record({
      seed: fc.integer({ min: 1, max: 1 << 30 }),
      loss: fc.constantFrom(0, 0, 5, 20),
      shift: fc.constantFrom(null, 0, 3, 7),
      size: fc.constantFrom(536, 1400, 65_495),
      buffer: fc.constantFrom(1000, 30_000, 400_000),
      out: fc.nat(60_000),
      back: fc.nat(60_000),
    });
    await fc.assert(
      fc.asyncProperty(way, async ({ seed, loss, out, back, ...options }) => {
        const bench = new Bench();
        const peer = opened(bench, { ...options, lost: chances(seed, loss) });
        await run(bench, peer, () => bench.uplink.connections.length > 0);
        const stream = bench.uplink.connections[0]?.accept() ?? assert.fail('no connection');
        const got = collect(stream);
        const [there, here] = [pattern(out, 1), pattern(back, 2)];
        peer.send(there);
        peer.end();
        stream.end(here);
        await run(
          bench,
          peer,
          () => got.ended() && peer.ended && bench.stack.counts.tcpConnections === 0,
        );
        assert.equal(Buffer.compare(got.bytes(), Buffer.from(there)), 0, 'from the box');
        assert.equal(Buffer.compare(Buffer.concat(peer.got), Buffer.from(here)), 0, 'to the box');
        assert.equal(got.ended() && peer.ended, true, 'both ends');
        assert.equal(bench.stack.counts.tcpConnections, 0, 'nothing is kept');
        assert.equal(peer.reset, false, 'no reset');
      }),
      { numRuns: 60 },
    );
  });

  it('is half open for as long as one side likes', async () => {
    const bench = new Bench();
    const peer = opened(bench);
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    const got = collect(stream);
    peer.send(pattern(10, 1));
    peer.end();
    await run(bench, peer, got.ended);
    assert.equal(bench.stack.counts.tcpConnections, 1);
    stream.write(pattern(5000, 2));
    await run(bench, peer, () => Buffer.concat(peer.got).length === 5000);
    assert.equal(peer.ended, false);
    stream.end();
    await run(bench, peer, () => peer.ended);
    assert.equal(bench.stack.counts.tcpConnections, 0);
    assert.equal(bench.stack.connections()[0]?.state, 'closed');
  });

  it('stops the box while nobody reads, and goes on when somebody does', async () => {
    const bench = new Bench();
    const peer = opened(bench, { size: 65_495 });
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    const all = pattern(2_000_000, 1);
    peer.send(all);
    for (let round = 0; round < 20; round++) {
      peer.take(bench.segments());
      await turn();
    }
    const held = bench.stack.connections()[0]?.bytesSent ?? 0;
    assert.ok(held > 100_000 && held < 800_000, `${held} bytes are held`);
    const got = collect(stream);
    await run(bench, peer, () => got.bytes().length === all.length);
    assert.equal(Buffer.compare(got.bytes(), Buffer.from(all)), 0);
  });

  it('makes its writer wait for a box that does not read', async () => {
    const bench = new Bench();
    const peer = opened(bench, { buffer: 10_000 });
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    let written = 0;
    const piece = pattern(64 * 1024, 3);
    for (let i = 0; i < 100; i++) stream.write(piece, () => written++);
    for (let round = 0; round < 20; round++) {
      peer.take(bench.segments());
      await turn();
    }
    assert.ok(written > 4 && written < 20, `${written} pieces were taken`);
    await run(bench, peer, () => written === 100);
    assert.equal(written, 100);
  });

  it('tells the box of a destroyed stream with a reset, and a stream of the box’s', async () => {
    const bench = new Bench();
    const peer = opened(bench);
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    await run(bench, peer, () => peer.open);
    stream.destroy();
    peer.take(bench.segments());
    assert.equal(peer.reset, true);
    assert.equal(bench.stack.counts.tcpErrors, 1);

    const other = new Bench();
    const sequence = 5000;
    other.sendTcp(TO, PORTS, { flags: SYN, sequence });
    const broken = other.uplink.connections[0]?.accept() ?? assert.fail();
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => broken.once('error', resolve));
    const answer = other.segments()[0] ?? assert.fail();
    const acknowledgement = (answer.sequence + 1) >>> 0;
    other.sendTcp(TO, PORTS, { flags: ACK, sequence: sequence + 1, acknowledgement });
    // RFC 5961: a guess is answered, and is no reset.
    other.sendTcp(TO, PORTS, { flags: RST, sequence: sequence + 100 });
    assert.equal(other.stack.counts.tcpConnections, 1);
    assert.deepEqual(
      other.segments().map(({ flags }) => flags),
      [ACK],
    );
    other.sendTcp(TO, PORTS, { flags: RST, sequence: sequence + 1 });
    assert.equal((await failed).code, 'ECONNRESET');
    assert.equal(other.stack.counts.tcpConnections, 0);
  });

  it('lets the box end a connection that was said to its end and destroyed, within bounds', async () => {
    const said = async () => {
      const bench = new Bench();
      bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 0 });
      const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
      const first = ((bench.segments()[0]?.sequence ?? 0) + 1) >>> 0;
      const say = (fields: { flags: number; sequence: number; payload?: Uint8Array }, all = 0) =>
        bench.sendTcp(TO, PORTS, { ...fields, acknowledgement: (first + all) >>> 0 });
      say({ flags: ACK, sequence: 1 });
      stream.end(pattern(10, 1));
      await turn();
      stream.destroy();
      assert.deepEqual(
        bench.segments().map(({ flags, payload }) => [flags & ~PSH, payload.length]),
        [[ACK | FIN, 10]],
      );
      return { bench, say, flags: () => bench.segments().map(({ flags }) => flags) };
    };
    // It says something that nobody reads, such as the end of its TLS session, and ends.
    const ended = await said();
    ended.say({ flags: ACK, sequence: 1, payload: new Uint8Array(24) }, 11);
    ended.say({ flags: ACK | FIN, sequence: 25 }, 11);
    assert.deepEqual(ended.flags(), [ACK]);
    assert.equal(ended.bench.stack.connections()[0]?.state, 'closed');
    // It goes on as if somebody read it.
    const talking = await said();
    for (const answer of [ACK, RST | ACK]) {
      const sequence = answer === ACK ? 1 : 40_001;
      talking.say({ flags: ACK, sequence, payload: new Uint8Array(40_000) }, 11);
      assert.deepEqual(talking.flags(), [answer]);
    }
    assert.equal(talking.bench.stack.connections()[0]?.state, 'reset');
    // It says nothing.
    const silent = await said();
    silent.say({ flags: ACK, sequence: 1 }, 11);
    silent.bench.pass(59_000);
    assert.equal(silent.bench.stack.counts.tcpConnections, 1);
    silent.bench.pass(3_000);
    assert.equal(silent.bench.stack.connections()[0]?.state, 'closed');
    assert.equal(silent.bench.stack.counts.tcpConnections, 0);
  });

  it('resets a connection that is destroyed while something is unread', async () => {
    const bench = new Bench();
    const peer = opened(bench);
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    await run(bench, peer, () => peer.open);
    peer.send(pattern(10, 1));
    stream.end();
    await turn();
    peer.take(bench.segments());
    stream.destroy();
    peer.take(bench.segments());
    assert.equal(peer.reset, true);
  });

  it('starts each connection where its random number says', () => {
    const numbers = [5, 0xffff_ffff, 0x8000_0000];
    const bench = new Bench({ random32: () => numbers.shift() ?? assert.fail('asked too often') });
    for (const port of [1, 2, 3]) {
      bench.sendTcp(TO, [port, 80], { flags: SYN, sequence: 0 });
      bench.uplink.connections.at(-1)?.accept();
    }
    assert.deepEqual(
      bench.segments().map(({ sequence }) => sequence),
      [5, 0xffff_ffff, 0x8000_0000],
    );
  });

  it('answers a box that asks whether it is there, or whether there is room', async () => {
    const bench = new Bench();
    bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 0 });
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    const acknowledgement = ((bench.segments()[0]?.sequence ?? 0) + 1) >>> 0;
    const say = (sequence: number, payload = new Uint8Array(0)) =>
      bench.sendTcp(TO, PORTS, { flags: ACK, sequence, acknowledgement, payload });
    const told = () => bench.segments().at(-1);
    say(1);
    assert.equal(told(), undefined, 'there is nothing to say');
    // Keep-alive (RFC 9293, 3.8.4): the byte before the next one, or none at all before it.
    say(0);
    assert.equal(told()?.acknowledgement, 1);
    say(0, new Uint8Array(1));
    assert.equal(told()?.acknowledgement, 1);
    // A window that is full: a byte beyond it is not taken, and is answered.
    let next = 1;
    for (let window = 65_535; window > 0; ) {
      say(next, new Uint8Array(60_000));
      const answer = told() ?? assert.fail('no answer');
      next = answer.acknowledgement;
      window = answer.window;
    }
    say(next, new Uint8Array(1));
    const full = told();
    assert.deepEqual([full?.acknowledgement, full?.window], [next, 0]);
    const got = collect(stream);
    await turn();
    assert.ok((told()?.window ?? 0) > 0, 'it is told of room as soon as there is some');
    assert.equal(got.bytes().length, next - 1);
  });

  it('survives both sides’ closing at once', () => {
    const bench = new Bench();
    bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 0 });
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    stream.resume();
    const first = ((bench.segments()[0]?.sequence ?? 0) + 1) >>> 0;
    bench.sendTcp(TO, PORTS, { flags: ACK, sequence: 1, acknowledgement: first });
    stream.end();
    return turn().then(() => {
      assert.deepEqual(
        bench.segments().map(({ flags }) => flags),
        [ACK | FIN],
      );
      // Their FIN crosses ours: it does not acknowledge it.
      bench.sendTcp(TO, PORTS, { flags: ACK | FIN, sequence: 1, acknowledgement: first });
      assert.deepEqual(
        bench.segments().map(({ flags, acknowledgement }) => [flags, acknowledgement]),
        [[ACK, 2]],
      );
      bench.sendTcp(TO, PORTS, { flags: ACK, sequence: 2, acknowledgement: (first + 1) >>> 0 });
      assert.equal(bench.stack.counts.tcpConnections, 0);
    });
  });

  it('is answered once, though the box asks again and again', () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i++) bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 7 });
    assert.equal(bench.uplink.connections.length, 1);
    assert.deepEqual(bench.segments(), []);
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    stream.on('error', () => undefined);
    assert.equal(bench.segments().length, 1);
    bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 7 });
    assert.equal(bench.segments().length, 1);
    // The same ports with another number are another connection.
    bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 8 });
    assert.equal(bench.uplink.connections.length, 2);
    assert.equal(stream.destroyed, true);
    assert.equal(bench.stack.counts.tcpConnections, 1);
  });

  it('probes a closed window, asks a silent box, and gives up on one that is gone', async () => {
    const bench = new Bench();
    bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 0, window: 0 });
    const stream = bench.uplink.connections[0]?.accept() ?? assert.fail();
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => stream.once('error', resolve));
    const first = ((bench.segments()[0]?.sequence ?? 0) + 1) >>> 0;
    const ack = { flags: ACK, sequence: 1, acknowledgement: first };
    bench.sendTcp(TO, PORTS, { ...ack, window: 0 });
    stream.write(pattern(100, 1));
    await turn();
    assert.deepEqual(bench.segments(), [], 'nothing into a closed window');
    bench.pass(7_000);
    const probe = bench.segments();
    assert.deepEqual(
      probe.map(({ sequence, payload }) => [sequence, payload.length]),
      [[(first - 1) >>> 0, 0]],
    );
    bench.sendTcp(TO, PORTS, { ...ack, window: 100 });
    assert.deepEqual(
      bench.segments().map(({ payload }) => payload.length),
      [100],
    );
    bench.sendTcp(TO, PORTS, { ...ack, acknowledgement: (first + 100) >>> 0 });
    bench.pass(200_000);
    assert.deepEqual(bench.segments(), [], 'quiet is allowed');
    for (let minute = 0; minute < 12; minute++) {
      bench.pass(60_000);
      bench.segments();
    }
    assert.equal((await failed).code, 'ETIMEDOUT');
    assert.equal(bench.stack.connections()[0]?.state, 'timed-out');
  });
});
