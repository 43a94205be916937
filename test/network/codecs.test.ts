import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checksum, folded, wordSum } from '../../src/network/checksum.ts';
import { encodeIcmp, encodeTcp, encodeUdp } from '../../src/network/encode.ts';
import { echoReply, unreachable } from '../../src/network/icmp.ts';
import {
  ipProtocol,
  isUnicast,
  parseIp,
  pseudoHeaderSum,
  type Route,
  read16,
} from '../../src/network/ip.ts';
import { MTU, RECORD_HEADER_BYTES, RecordReader } from '../../src/network/records.ts';
import { parseTcp } from '../../src/network/tcp.ts';
import { parseUdp } from '../../src/network/udp.ts';
import { addressBytes, icmpIsSound, packetTo, record } from './peer.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const route: fc.Arbitrary<Route> = fc
  .constantFrom(4, 16)
  .chain((size) => fc.record({ source: bytes(size), destination: bytes(size) }));
const port = fc.integer({ min: 1, max: 65_535 });
const ports = fc.record({ source: port, destination: port }, { noNullPrototype: true });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

function ipOf(whole: Uint8Array) {
  const packet = parseIp(whole.subarray(RECORD_HEADER_BYTES));
  assert.ok(packet !== null);
  return packet;
}

describe('the codecs', () => {
  it('compute the checksum of RFC 1071, section 3', () => {
    const words = Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert.equal(folded(wordSum(words)), 0xddf2);
    assert.equal(checksum(wordSum(words)), 0x220d);
    assert.equal(folded(wordSum(Uint8Array.from([0x12]))), 0x1200);
  });

  it('read the TCP segments they write', () => {
    const output = fc.record({
      sequence: u32,
      acknowledgement: u32,
      flags: fc.integer({ min: 0, max: 31 }),
      window: fc.integer({ min: 0, max: 0xffff }),
      options: fc.option(
        fc.record({
          segmentSize: fc.integer({ min: 0, max: 0xffff }),
          windowShift: fc.option(fc.integer({ min: 0, max: 14 })),
        }),
      ),
      pieces: fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(route, ports, output, fc.nat(9), (way, between, fields, at) => {
        const payload = Buffer.concat(fields.pieces);
        const target = new Uint8Array(at + 1024);
        const length = encodeTcp(target, at, {
          route: way,
          ports: between,
          output: { ...fields, payloadBytes: payload.length },
        });
        const packet = ipOf(target.subarray(at, at + length));
        assert.deepEqual(packet.source, way.source);
        assert.deepEqual(packet.destination, way.destination);
        assert.equal(packet.protocol, ipProtocol.tcp);
        // What was left to the receiver is the sum of the pseudo-header.
        const left = pseudoHeaderSum(way, ipProtocol.tcp, packet.payload.length);
        assert.equal(read16(packet.payload, 16), folded(left));
        const { sourcePort, destinationPort, segmentSize, windowShift, ...rest } =
          parseTcp(packet.payload) ?? assert.fail();
        assert.deepEqual({ source: sourcePort, destination: destinationPort }, between);
        assert.equal(segmentSize, fields.options?.segmentSize ?? null);
        assert.equal(windowShift, fields.options?.windowShift ?? null);
        const { sequence, acknowledgement, flags, window } = fields;
        assert.deepEqual(
          { ...rest, payload: Buffer.from(rest.payload) },
          { sequence, acknowledgement, flags, window, payload },
        );
      }),
    );
  });

  it('read the UDP datagrams they write', () => {
    fc.assert(
      fc.property(route, ports, fc.uint8Array({ maxLength: 2000 }), (way, between, payload) => {
        const datagram = parseUdp(ipOf(encodeUdp(way, between, payload)).payload);
        assert.deepEqual(datagram, {
          sourcePort: between.source,
          destinationPort: between.destination,
          payload,
        });
      }),
    );
  });

  it('answer an echo request with its own payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 300 }), (rest) => {
        const request = Uint8Array.from([8, 0, 0, 0, ...rest]);
        const packet = parseIp(packetTo('192.168.127.1', ipProtocol.icmp, request));
        const reply = packet === null ? null : echoReply(packet);
        assert.ok(reply !== null);
        assert.ok(icmpIsSound(reply.bytes));
        assert.equal(reply.bytes[0], 0);
        assert.deepEqual(reply.bytes.slice(4), rest);
      }),
    );
  });

  it('sum the pseudo-header into ICMPv6', () => {
    const way = { source: addressBytes('fd00::1'), destination: addressBytes('fd00::2') };
    const quoted = Uint8Array.from({ length: 48 }, (_, i) => i);
    const packet = ipOf(encodeIcmp(way, unreachable('port', quoted, way)));
    const sum =
      wordSum(packet.payload) + pseudoHeaderSum(way, ipProtocol.icmpV6, packet.payload.length);
    assert.equal(checksum(sum), 0);
    assert.deepEqual([...packet.payload.subarray(0, 2)], [1, 4]);
  });

  it('pass over extension headers, and take no fragments', () => {
    const hopByHop = [17, 0, 1, 4, 0, 0, 0, 0];
    const udp = [0, 1, 0, 2, 0, 8, 0, 0];
    const extended = packetTo('fd00::2', 0, Uint8Array.from([...hopByHop, ...udp]));
    assert.equal(parseIp(extended)?.protocol, 17);
    assert.equal(parseIp(extended)?.payload.length, 8);
    assert.equal(
      parseIp(packetTo('fd00::2', 44, Uint8Array.from([...hopByHop, ...udp])))?.protocol,
      44,
    );
    const fragment = packetTo('10.0.0.1', 17, Uint8Array.from(udp));
    fragment[6] = 0x20;
    assert.equal(parseIp(fragment), null);
  });

  it('survive any bytes', () => {
    const start = fc.constantFrom([0x45], [0x4f], [0x60], []);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 120 }), (first, rest) => {
        const packet = parseIp(Uint8Array.from([...first, ...rest]));
        for (const part of [rest, packet?.payload ?? rest]) {
          parseTcp(part);
          parseUdp(part);
        }
        if (packet !== null) echoReply(packet);
      }),
      { numRuns: 3000 },
    );
  });

  it('know who is one host', () => {
    const one = ['10.0.0.1', '1.1.1.1', 'fd00::1', '2606:4700::1111'];
    const not = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '240.0.0.1', '::', 'ff02::2'];
    assert.deepEqual(
      [...one, ...not].filter((text) => isUnicast(addressBytes(text))),
      one,
    );
  });
});

describe('RecordReader', () => {
  it('finds the same packets however the stream is cut', () => {
    const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        (sent, cuts) => {
          const found: Uint8Array[] = [];
          const reader = new RecordReader((packet) => found.push(Uint8Array.from(packet)));
          const stream = Buffer.concat(sent.map(record));
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + (cuts[i % cuts.length] ?? 1);
            reader.push(stream.subarray(at, end));
            at = end;
          }
          assert.deepEqual(found, sent);
        },
      ),
    );
  });

  it('refuses impossible lengths at once', () => {
    for (const length of [0, 10, 10 + MTU + 1, 0xffff_ffff]) {
      const header = new Uint8Array(4);
      new DataView(header.buffer).setUint32(0, length, true);
      for (const cut of [4, 1]) {
        const reader = new RecordReader(() => undefined);
        const push = () => {
          for (let at = 0; at < 4; at += cut) reader.push(header.subarray(at, at + cut));
        };
        assert.throws(push, { kind: 'Portal' });
      }
    }
  });
});
