import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import type { RefusalKind } from '../../src/network/connection.ts';
import { quotation } from '../../src/network/icmp.ts';
import { ipProtocol } from '../../src/network/ip.ts';
import { MTU, RECORD_HEADER_BYTES } from '../../src/network/records.ts';
import { parseUdp } from '../../src/network/udp.ts';
import {
  ACK,
  Bench,
  FIN,
  icmpIsSound,
  PSH,
  packetTo,
  RST,
  record,
  SYN,
  tcpBytes,
  udpBytes,
} from './peer.ts';

const TO = '203.0.113.5';
const PORTS: [number, number] = [40_000, 80];

describe('the stack', () => {
  it('tells who asks for what', () => {
    const bench = new Bench();
    bench.sendTcp(TO, PORTS, { flags: SYN });
    bench.sendTcp('2001:db8::5', PORTS, { flags: SYN });
    assert.deepEqual(
      bench.uplink.connections.map(({ from, to }) => ({ from, to })),
      [
        { from: { address: '192.168.127.2', port: 40_000 }, to: { address: TO, port: 80 } },
        {
          from: { address: 'fd6b:7865:6c69::2', port: 40_000 },
          to: { address: '2001:db8::5', port: 80 },
        },
      ],
    );
  });

  it('refuses in the words that the box’s kernel understands', () => {
    const answers: Record<RefusalKind, string[]> = {
      reset: ['tcp'],
      unreachable: ['icmp 3/1'],
      prohibited: ['icmp 3/13'],
      silence: [],
    };
    for (const [kind, expected] of Object.entries(answers)) {
      const bench = new Bench();
      bench.sendTcp(TO, PORTS, { flags: SYN, sequence: 99 });
      bench.uplink.connections[0]?.refuse(kind as RefusalKind);
      const seen = bench.received().map(({ protocol, payload }) => {
        if (protocol === ipProtocol.tcp) return 'tcp';
        assert.ok(icmpIsSound(payload));
        // The quoted header's sequence number.
        assert.equal(payload[8 + 20 + 7], 99);
        return `icmp ${payload[0]}/${payload[1]}`;
      });
      assert.deepEqual(seen, expected, kind);
      assert.equal(bench.stack.counts.tcpConnections, 0);
      assert.equal(bench.stack.counts.tcpErrors, 1);
      assert.equal(bench.stack.connections()[0]?.state, 'refused');
    }
  });

  it('resets what belongs to no connection, but no reset', () => {
    const bench = new Bench();
    bench.sendTcp(TO, PORTS, { flags: ACK, acknowledgement: 77 });
    assert.deepEqual(
      bench.segments().map(({ flags, sequence }) => [flags, sequence]),
      [[RST, 77]],
    );
    bench.sendTcp(TO, PORTS, { flags: FIN, sequence: 5 });
    assert.deepEqual(
      bench.segments().map(({ flags, acknowledgement }) => [flags, acknowledgement]),
      [[RST | ACK, 6]],
    );
    bench.sendTcp(TO, PORTS, { flags: RST });
    bench.sendTcp(TO, PORTS, { flags: RST | SYN });
    assert.deepEqual(bench.received(), []);
  });

  it('carries datagrams both ways, and forgets who is silent', () => {
    const bench = new Bench();
    const payload = new Uint8Array(MTU - 28).fill(5);
    bench.send(packetTo(TO, ipProtocol.udp, udpBytes([1000, 53], payload)));
    bench.send(packetTo(TO, ipProtocol.udp, udpBytes([1000, 53], new Uint8Array(0))));
    assert.deepEqual(bench.uplink.datagrams, [payload, new Uint8Array(0)]);
    const [flow] = bench.uplink.flows;
    flow?.send(payload);
    flow?.send(new Uint8Array(MTU - 27));
    const back = bench.received().map((packet) => parseUdp(packet.payload));
    assert.deepEqual(back, [{ sourcePort: 53, destinationPort: 1000, payload }]);
    let closed = 0;
    if (flow !== undefined) flow.onClosed = () => closed++;
    bench.pass(100_000);
    assert.equal(closed, 0);
    bench.pass(100_000);
    assert.equal(closed, 1);
    assert.equal(bench.stack.active, false);
    flow?.send(payload);
    assert.deepEqual(bench.received(), []);
  });

  it('tells the box of a closed port', () => {
    const bench = new Bench();
    bench.send(packetTo(TO, ipProtocol.udp, udpBytes([1000, 9], new Uint8Array(3))));
    bench.uplink.flows[0]?.refuse('reset');
    const [packet] = bench.received();
    assert.deepEqual([...(packet?.payload.subarray(0, 2) ?? [])], [3, 3]);
    assert.equal(bench.stack.active, false);
  });

  it('takes nothing from anybody but the box, or for many', () => {
    const bench = new Bench();
    const syn = tcpBytes(PORTS, { flags: SYN });
    bench.send(packetTo(TO, ipProtocol.tcp, syn, '192.168.127.3'));
    bench.send(packetTo(TO, ipProtocol.tcp, syn, '127.0.0.1'));
    for (const many of ['224.0.0.1', '255.255.255.255', '0.0.0.0', 'ff02::1', '::']) {
      bench.send(packetTo(many, ipProtocol.tcp, syn));
      bench.send(packetTo(many, ipProtocol.udp, udpBytes([1, 2], syn)));
    }
    bench.sendTcp(TO, [1, 0], { flags: SYN });
    assert.equal(bench.uplink.connections.length + bench.uplink.flows.length, 0);
    assert.deepEqual(bench.received(), []);
  });

  it('keeps no more than it has places for', () => {
    const bench = new Bench();
    for (let port = 1; port <= 6000; port++) bench.sendTcp(TO, [port, 80], { flags: SYN });
    assert.equal(bench.stack.counts.tcpConnections, 4096);
    let closed = 0;
    for (let port = 1; port <= 3000; port++) {
      bench.send(packetTo(TO, ipProtocol.udp, udpBytes([port, 53], new Uint8Array(1))));
      const flow = bench.uplink.flows.at(-1);
      if (flow !== undefined) flow.onClosed = () => closed++;
    }
    assert.equal(closed, 3000 - 1024);
    bench.stack.close();
    assert.equal(closed, 3000);
    assert.equal(bench.stack.counts.tcpConnections, 0);
    assert.equal(bench.uplink.closed, true);
  });

  it('loses datagrams rather than keep many', () => {
    const bench = new Bench();
    bench.send(packetTo(TO, ipProtocol.udp, udpBytes([1, 53], new Uint8Array(1))));
    for (let i = 0; i < 1000; i++) bench.uplink.flows[0]?.send(new Uint8Array(60_000));
    const kept = bench.received().length;
    assert.ok(kept > 10 && kept < 100, `${kept} were kept`);
  });

  it('fails its box alone with any bytes that are no packets, and keeps little of those that are', () => {
    const raw = fc.uint8Array({ maxLength: 300 });
    const framed = fc.uint8Array({ minLength: 1, maxLength: 300 }).map(record);
    // From the box and in order as far as a protocol's header, and then anything.
    const sealed = fc
      .record({
        payload: fc.uint8Array({ maxLength: 300 }),
        protocol: fc.constantFrom(...Object.values(ipProtocol), 0, 255),
        to: fc.constantFrom(TO, '192.168.127.1', '192.168.127.254', '2001:db8::5'),
      })
      .map(({ payload, protocol, to }) => record(packetTo(to, protocol, payload)));
    const chunks = fc.array(fc.oneof(raw, framed, sealed, sealed), { maxLength: 80 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 500 }), (pieces, cut) => {
        const bench = new Bench();
        const all = Buffer.concat(pieces);
        try {
          for (let at = 0; at < all.length; at += cut) {
            bench.stack.receive(all.subarray(at, at + cut));
            bench.received();
          }
        } catch (error) {
          assert.ok(BoxliteError.is(error, 'Portal'), String(error));
        }
        assert.ok(bench.stack.connections().length <= pieces.length);
        // What asked for nothing that was granted is gone when its time is up.
        bench.pass(400_000);
        assert.equal(bench.stack.active, false);
      }),
      { numRuns: 400 },
    );
  });

  it('keeps a few bytes of a packet, and not all that it came with', () => {
    const bench = new Bench();
    const syn = record(packetTo(TO, ipProtocol.tcp, tcpBytes(PORTS, { flags: SYN })));
    const chunk = Buffer.concat([syn, record(packetTo(TO, 200, new Uint8Array(60_000)))]);
    const quoted = quotation(chunk.subarray(RECORD_HEADER_BYTES), 20);
    assert.equal(quoted.buffer.byteLength, 28);
    bench.stack.receive(chunk);
    chunk.fill(0);
    bench.uplink.connections[0]?.refuse('unreachable');
    assert.equal(bench.received()[0]?.payload[8 + 9], ipProtocol.tcp, 'the header that came');
  });

  it('survives any packets', () => {
    const payload = fc.uint8Array({ maxLength: 200 });
    const segment = fc
      .record({
        flags: fc.integer({ min: 0, max: 63 }),
        sequence: fc.constantFrom(0, 1, 2, 100, 0xffff_ffff),
        acknowledgement: fc.constantFrom(0, 0xffff_ff00, 0xffff_ff01, 0xffff_ff02, 5),
        window: fc.constantFrom(0, 1, 0xffff),
        payload,
      })
      .map((fields) => packetTo(TO, ipProtocol.tcp, tcpBytes(PORTS, fields)));
    const noise = fc.tuple(
      fc.constantFrom(TO, 'fd00::1'),
      fc.constantFrom(0, 1, 6, 17, 58),
      payload,
    );
    const packet = fc.oneof(
      { weight: 5, arbitrary: segment },
      noise.map(([to, protocol, bytes]) => packetTo(to, protocol, bytes)),
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
    );
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: packet.map((bytes) => (bench: Bench) => bench.stack.receive(record(bytes))),
      },
      fc.constant((bench: Bench) => void bench.received()),
      fc.constant((bench: Bench) => bench.pass(5_000)),
      fc.constant(
        (bench: Bench) => void bench.uplink.connections.at(-1)?.accept().resume().write('x'),
      ),
      fc.constant((bench: Bench) => void bench.uplink.connections.at(-1)?.accept().end()),
      fc.constant((bench: Bench) => bench.uplink.connections.at(-1)?.refuse('reset')),
      fc.constant((bench: Bench) => bench.uplink.flows.at(-1)?.refuse('prohibited')),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const bench = new Bench();
        for (const act of actions) act(bench);
        bench.stack.close();
        assert.equal(bench.stack.active, false);
      }),
      { numRuns: 500 },
    );
    assert.ok(PSH > 0);
  });
});
