/** A box for tests of the stack: its packets by hand, and a small TCP of its own. */

import { BOX } from '../../src/network/addresses.ts';
import { checksum, wordSum } from '../../src/network/checksum.ts';
import type { GuestConnection, GuestFlow, Uplink } from '../../src/network/connection.ts';
import {
  type IpPacket,
  ipHeaderBytes,
  ipProtocol,
  parseIp,
  type Route,
  writeIp,
} from '../../src/network/ip.ts';
import { RECORD_HEADER_BYTES, RecordReader, writeRecordHeader } from '../../src/network/records.ts';
import { NetworkStack } from '../../src/network/stack.ts';
import {
  parseTcp,
  type TcpOutput,
  type TcpSegment,
  tcpFlags,
  tcpHeaderBytes,
  writeTcp,
} from '../../src/network/tcp.ts';
import { writeUdp } from '../../src/network/udp.ts';
import { parseIpAddress } from '../../src/spec/ip-address.ts';

export const { SYN, ACK, FIN, RST, PSH } = tcpFlags;

export function addressBytes(text: string): Uint8Array {
  return Uint8Array.from(parseIpAddress(text)?.bytes ?? []);
}

/** A record as the agent sends it. */
export function record(packet: Uint8Array): Uint8Array {
  const whole = new Uint8Array(RECORD_HEADER_BYTES + packet.length);
  writeRecordHeader(whole, 0, packet.length, null);
  whole.set(packet, RECORD_HEADER_BYTES);
  return whole;
}

/** An IP packet of the box, unless a source is given. */
export function packetTo(
  to: string,
  protocol: number,
  payload: Uint8Array,
  from?: string,
): Uint8Array {
  const destination = addressBytes(to);
  const source = addressBytes(from ?? (destination.length === 4 ? BOX.v4 : BOX.v6));
  const route: Route = { source, destination };
  const packet = new Uint8Array(ipHeaderBytes(route) + payload.length);
  packet.set(payload, writeIp(packet, 0, { route, protocol, payloadBytes: payload.length }));
  return packet;
}

/** A segment's bytes, most of its fields left out. */
export function tcpBytes(
  ports: [number, number],
  fields: Partial<TcpOutput> & { payload?: Uint8Array },
): Uint8Array {
  const { payload = new Uint8Array(0), ...rest } = fields;
  const output: TcpOutput = {
    sequence: 0,
    acknowledgement: 0,
    flags: 0,
    window: 0xffff,
    options: null,
    ...rest,
    pieces: [payload],
    payloadBytes: payload.length,
  };
  const bytes = new Uint8Array(tcpHeaderBytes(output) + payload.length);
  writeTcp(bytes, 0, { source: ports[0], destination: ports[1] }, output);
  return bytes;
}

export function udpBytes(ports: [number, number], payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  writeUdp(bytes, 0, { source: ports[0], destination: ports[1] }, payload);
  return bytes;
}

/** An uplink that leaves everything to the test. */
export class TestUplink implements Uplink {
  readonly connections: GuestConnection[] = [];
  readonly flows: GuestFlow[] = [];
  readonly datagrams: Uint8Array[] = [];
  closed = false;
  connection(connection: GuestConnection): void {
    this.connections.push(connection);
  }
  flow(flow: GuestFlow): void {
    this.flows.push(flow);
    flow.onDatagram = (payload) => this.datagrams.push(Uint8Array.from(payload));
  }
  close(): void {
    this.closed = true;
  }
}

/** A stack with a clock that stands still, and what it has sent. */
export class Bench {
  readonly #random32: () => number;
  time = 1_000;
  readonly uplink = new TestUplink();
  readonly stack = new NetworkStack({
    uplink: this.uplink,
    random32: () => this.#random32(),
    now: () => this.time,
    onReady: () => undefined,
  });
  readonly #buffer = new Uint8Array(256 * 1024);

  constructor({ random32 = (): number => 0xffff_ff00 } = {}) {
    this.#random32 = random32;
  }

  send(packet: Uint8Array): void {
    this.stack.receive(record(packet));
  }

  sendTcp(to: string, ports: [number, number], fields: Parameters<typeof tcpBytes>[1]): void {
    this.send(packetTo(to, ipProtocol.tcp, tcpBytes(ports, fields)));
  }

  /** The packets that wait for the box. Each must be sound. */
  received(): IpPacket[] {
    const packets: IpPacket[] = [];
    const reader = new RecordReader((packet) => {
      const parsed = parseIp(packet);
      if (parsed === null) throw new Error('the stack sent a malformed packet');
      packets.push(parsed);
    });
    for (
      let bytes = this.stack.fill(this.#buffer);
      bytes > 0;
      bytes = this.stack.fill(this.#buffer)
    ) {
      reader.push(this.#buffer.slice(0, bytes));
    }
    return packets;
  }

  segments(): TcpSegment[] {
    const segments = this.received().map((packet) => parseTcp(packet.payload));
    return segments.filter((segment) => segment !== null);
  }

  pass(ms: number): void {
    for (const end = this.time + ms; this.time < end; this.time += 1_000) this.stack.tick();
  }
}

/** Whether the checksum of an ICMP message over IPv4 is right. */
export function icmpIsSound(bytes: Uint8Array): boolean {
  return checksum(wordSum(bytes)) === 0;
}

/** What a peer does to its traffic. */
export interface PeerOptions {
  readonly bench: Bench;
  readonly to: string;
  readonly ports: [number, number];
  readonly segmentSize: number;
  readonly windowShift: number | null;
  /** What it takes before it is read. */
  readonly bufferBytes: number;
  /** Whether the next segment gets lost, in either direction. */
  readonly lost: () => boolean;
}

/** A TCP that opens a connection: simple, and not ours. It sends everything again when time passes. */
export class Peer {
  readonly got: Uint8Array[] = [];
  ended = false;
  reset = false;
  open = false;
  readonly #options: PeerOptions;
  #initial = 4_294_967_000;
  #una = this.#initial;
  #next = this.#initial;
  #toSend: Uint8Array = new Uint8Array(0);
  #closing = false;
  #endSent = false;
  #received = 0;
  #unread = 0;
  #window = 0;
  #shift = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#out({
      flags: SYN,
      sequence: this.#initial,
      options: { segmentSize: options.segmentSize, windowShift: options.windowShift },
    });
    this.#next = (this.#initial + 1) >>> 0;
  }

  send(bytes: Uint8Array): void {
    this.#toSend = new Uint8Array([...this.#toSend, ...bytes]);
    this.#push();
  }

  end(): void {
    this.#closing = true;
    this.#push();
  }

  /** Whether all it has sent was acknowledged. */
  get done(): boolean {
    return this.#closing && this.#endSent && this.#una === this.#next;
  }

  /** Reads what came, which opens its window. */
  read(): void {
    const had = this.#unread;
    this.#unread = 0;
    if (had > 0) this.#acknowledge();
  }

  /** Sends everything again that was not acknowledged. */
  retransmit(): void {
    if (!this.open) {
      this.#out({
        flags: SYN,
        sequence: this.#initial,
        options: { segmentSize: this.#options.segmentSize, windowShift: this.#options.windowShift },
      });
      return;
    }
    this.#next = this.#una;
    this.#endSent = false;
    this.#push();
  }

  take(segments: readonly TcpSegment[]): void {
    for (const segment of segments) if (!this.#options.lost()) this.#take(segment);
  }

  #take(segment: TcpSegment): void {
    if ((segment.flags & RST) !== 0) {
      this.reset = true;
      return;
    }
    if ((segment.flags & SYN) !== 0) {
      if (!this.open) {
        this.open = true;
        this.#una = this.#next;
        this.#received = (segment.sequence + 1) >>> 0;
        this.#shift = segment.windowShift ?? 0;
        this.#window = segment.window;
      }
      this.#acknowledge();
      this.#push();
      return;
    }
    const acknowledged = (segment.acknowledgement - this.#una) | 0;
    if (acknowledged > 0) {
      this.#toSend = this.#toSend.subarray(Math.min(acknowledged, this.#toSend.length));
      this.#una = segment.acknowledgement;
      if (((this.#next - this.#una) | 0) < 0) this.#next = this.#una;
    }
    this.#window = segment.window << this.#shift;
    const fresh = segment.sequence === this.#received;
    const fits = segment.payload.length <= this.#options.bufferBytes - this.#unread;
    if (fresh && fits) {
      if (segment.payload.length > 0) this.got.push(Uint8Array.from(segment.payload));
      this.#unread += segment.payload.length;
      this.#received = (this.#received + segment.payload.length) >>> 0;
      if ((segment.flags & FIN) !== 0) {
        this.#received = (this.#received + 1) >>> 0;
        this.ended = true;
      }
    }
    if (segment.payload.length > 0 || (segment.flags & FIN) !== 0 || !fresh) this.#acknowledge();
    this.#push();
  }

  #acknowledge(): void {
    this.#out({ flags: ACK, sequence: this.#next });
  }

  #push(): void {
    if (!this.open) return;
    for (;;) {
      const sent = (this.#next - this.#una) | 0;
      const room = this.#window - sent;
      const size = Math.min(this.#toSend.length - sent, room, this.#options.segmentSize);
      if (size <= 0) break;
      this.#out({
        flags: ACK | PSH,
        sequence: this.#next,
        payload: this.#toSend.subarray(sent, sent + size),
      });
      this.#next = (this.#next + size) >>> 0;
    }
    const all = ((this.#next - this.#una) | 0) === this.#toSend.length;
    if (this.#closing && !this.#endSent && all) {
      this.#out({ flags: ACK | FIN, sequence: this.#next });
      this.#next = (this.#next + 1) >>> 0;
      this.#endSent = true;
    }
  }

  #out(fields: Parameters<typeof tcpBytes>[1]): void {
    if (this.#options.lost()) return;
    const free = this.#options.bufferBytes - this.#unread;
    const window = Math.min(0xffff, free >>> (this.open ? (this.#options.windowShift ?? 0) : 0));
    const { bench, to, ports } = this.#options;
    bench.sendTcp(to, ports, {
      acknowledgement: this.open ? this.#received : 0,
      window,
      ...fields,
    });
  }
}
