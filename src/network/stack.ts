/**
 * A box's network, from the packets of its TUN device to connections and datagrams for an {@link Uplink}, and back.
 * Bytes in, bytes out: what reads and writes them is elsewhere.
 *
 * The box is not trusted. Everything it can make us keep has a bound: connections and flows by number, their bytes
 * by a budget, answers by the outbox. What it sends as somebody else is dropped.
 */
import type { ConnectionRecord } from '../spec/connection-record.ts';
import { parseIpAddress } from '../spec/ip-address.ts';
import { BOX, GATEWAY, HOST_ALIAS } from './addresses.ts';
import { BufferBudget } from './buffer-budget.ts';
import { BlockPool } from './byte-queue.ts';
import type { Uplink } from './connection.ts';
import { encodeIcmp, encodeTcp } from './encode.ts';
import { echoReply, quotation, type UnreachableReason, unreachable } from './icmp.ts';
import {
  addressText,
  type IpPacket,
  ipHeaderBytes,
  ipProtocol,
  isUnicast,
  parseIp,
  type Route,
  read32,
} from './ip.ts';
import { Outbox } from './outbox.ts';
import { RECORD_HEADER_BYTES, RecordReader, STREAM_PACKET_BYTES } from './records.ts';
import { parseTcp, TCP_HEADER_BYTES, type TcpOutput, type TcpSegment, tcpFlags } from './tcp.ts';
import { type ConnectionHost, type ConnectionPlace, TcpConnection } from './tcp-connections.ts';
import { Traffic, type TrafficCounts } from './traffic.ts';
import { parseUdp } from './udp.ts';
import { type FlowHost, UdpFlow } from './udp-flows.ts';

/** What a stack is given. */
export interface StackOptions {
  readonly uplink: Uplink;
  /** 32 bits that nobody can guess. */
  readonly random32: () => number;
  /** A clock that never goes back, in ms. */
  readonly now: () => number;
  /** Called when {@link NetworkStack.fill} may have something to give. */
  readonly onReady: () => void;
}

/** TCP connections at once, those that are being asked for too. More are ignored, and the box asks again. */
export const CONNECTIONS_MAX = 4096;
/** UDP flows at once. The one used least recently makes room. */
const FLOWS_MAX = 1024;

/** See the top of this file. */
export class NetworkStack implements ConnectionHost, FlowHost {
  readonly traffic = new Traffic();
  readonly budget = new BufferBudget();
  readonly blocks = new BlockPool();
  readonly #options: StackOptions;
  readonly #records = new RecordReader((packet) => this.#packet(packet));
  readonly #connections = new Map<string, TcpConnection>();
  /** The one used least recently comes first. */
  readonly #flows = new Map<string, UdpFlow>();
  /** Connections that may have something to send, in the order of their turns. */
  readonly #turns = new Set<TcpConnection>();
  readonly #outbox = new Outbox();
  #lastId = 0;
  #closed = false;

  constructor(options: StackOptions) {
    this.#options = options;
  }

  /** Whether there is anything that time can change. */
  get active(): boolean {
    return this.#connections.size > 0 || this.#flows.size > 0;
  }

  get counts(): TrafficCounts {
    const { bytesSent, bytesReceived, tcpErrors } = this.traffic;
    return { bytesSent, bytesReceived, tcpErrors, tcpConnections: this.#connections.size };
  }

  /** What is open now, and the newest of what has ended. */
  connections(): ConnectionRecord[] {
    return this.traffic.records();
  }

  /** Feeds what came from the box. @throws BoxliteError `Portal` if it is no stream of packets */
  receive(chunk: Uint8Array): void {
    if (!this.#closed) this.#records.push(chunk);
  }

  /** Writes records for the box to `target`, as many as there are and fit; returns their bytes. */
  fill(target: Uint8Array): number {
    let end = this.#outbox.drainTo(target, 0);
    const now = this.now();
    while (target.length - end >= STREAM_PACKET_BYTES + RECORD_HEADER_BYTES) {
      const [connection] = this.#turns;
      if (connection === undefined) break;
      this.#turns.delete(connection);
      const output = connection.flow.next(now);
      if (output === null) continue;
      end += encodeTcp(target, end, { ...connection.place, output });
      if (!connection.flow.closed) this.#turns.add(connection);
    }
    this.traffic.bytesReceived += end;
    return end;
  }

  /** To be called every second or so while it is {@link active}. */
  tick(): void {
    const now = this.now();
    for (const { flow } of this.#connections.values()) flow.tick(now);
    for (const flow of this.#flows.values()) flow.tick(now);
  }

  /** Ends everything. The box is not told: it is gone. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.drop();
    for (const flow of [...this.#flows.values()]) flow.close();
    this.#options.uplink.close();
  }

  // --- What connections and flows ask of their stack ------------------------------------------------

  now(): number {
    return this.#options.now();
  }

  ready(connection: TcpConnection): void {
    this.#turns.add(connection);
    this.#options.onReady();
  }

  send(record: Uint8Array): void {
    if (this.#closed || !this.#outbox.add(record)) return;
    this.#options.onReady();
  }

  sendLast({ place }: TcpConnection, output: TcpOutput): void {
    this.#sendSegment(place, output);
  }

  sendUnreachable(reason: UnreachableReason, quoted: Uint8Array, { destination }: Route): void {
    const route = { source: own(destination, GATEWAY), destination };
    this.send(encodeIcmp(route, unreachable(reason, quoted, route)));
  }

  forget(ended: TcpConnection | UdpFlow): void {
    if (ended instanceof UdpFlow) {
      this.#flows.delete(ended.place.key);
    } else {
      this.#connections.delete(ended.place.key);
      this.#turns.delete(ended);
      if (this.#connections.size === 0) this.blocks.clear();
    }
  }

  // --- What the box sends ---------------------------------------------------------------------------

  #packet(bytes: Uint8Array): void {
    this.traffic.bytesSent += bytes.length;
    const packet = parseIp(bytes);
    if (packet === null || !equal(packet.source, own(packet.source, BOX))) return;
    if (!isUnicast(packet.destination)) return;
    if (packet.protocol === ipProtocol.tcp) this.#tcp(packet, bytes);
    else if (packet.protocol === ipProtocol.udp) this.#udp(packet, bytes);
    else if (isOurs(packet.destination)) this.#icmp(packet);
  }

  #icmp(packet: IpPacket): void {
    const reply = echoReply(packet);
    if (reply !== null) this.send(encodeIcmp(towardsBox(packet), reply));
  }

  #tcp(packet: IpPacket, bytes: Uint8Array): void {
    const segment = parseTcp(packet.payload);
    if (segment === null || segment.destinationPort === 0 || segment.sourcePort === 0) return;
    const key = keyOf(packet, segment);
    const known = this.#connections.get(key);
    if (known !== undefined && !known.flow.isSuperseded(segment)) {
      known.flow.receive(segment, this.now());
      return;
    }
    known?.drop();
    const kind = segment.flags & (tcpFlags.SYN | tcpFlags.ACK | tcpFlags.RST);
    if (kind === tcpFlags.SYN) this.#connect(key, segment, packet, bytes);
    else if ((kind & tcpFlags.RST) === 0) this.#rejectStray(packet, segment);
  }

  #connect(key: string, syn: TcpSegment, packet: IpPacket, bytes: Uint8Array): void {
    if (this.#connections.size >= CONNECTIONS_MAX) return;
    const connection = new TcpConnection(
      {
        id: ++this.#lastId,
        place: placeOf(key, syn, packet),
        syn,
        quoted: quotation(bytes, packet.headerBytes),
        initialSequence: this.#options.random32(),
        linkSegmentBytes: STREAM_PACKET_BYTES - ipHeaderBytes(packet) - TCP_HEADER_BYTES,
      },
      this,
    );
    this.#connections.set(key, connection);
    this.#options.uplink.connection(connection);
  }

  /** RFC 9293, 3.10.7.1: what belongs to no connection is answered with a reset that its sender believes. */
  #rejectStray(packet: IpPacket, segment: TcpSegment): void {
    const acknowledges = (segment.flags & tcpFlags.ACK) !== 0;
    const flagged = segment.flags & (tcpFlags.SYN | tcpFlags.FIN);
    const length = segment.payload.length + (flagged === 0 ? 0 : 1);
    this.#sendSegment(placeOf('', segment, packet), {
      sequence: acknowledges ? segment.acknowledgement : 0,
      acknowledgement: (segment.sequence + length) >>> 0,
      flags: acknowledges ? tcpFlags.RST : tcpFlags.RST | tcpFlags.ACK,
      window: 0,
      options: null,
      pieces: [],
      payloadBytes: 0,
    });
  }

  #udp(packet: IpPacket, bytes: Uint8Array): void {
    const datagram = parseUdp(packet.payload);
    if (datagram === null || datagram.destinationPort === 0) return;
    const key = keyOf(packet, datagram);
    const quoted = quotation(bytes, packet.headerBytes);
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= FLOWS_MAX) this.#flows.values().next().value?.close();
      flow = new UdpFlow(++this.#lastId, placeOf(key, datagram, packet), this);
      this.#flows.set(key, flow);
      this.#options.uplink.flow(flow);
    } else {
      this.#flows.delete(key);
      this.#flows.set(key, flow);
    }
    flow.receive(datagram.payload, quoted);
  }

  #sendSegment(place: ConnectionPlace, output: TcpOutput): void {
    const room = RECORD_HEADER_BYTES + ipHeaderBytes(place.route) + TCP_HEADER_BYTES;
    const record = new Uint8Array(room);
    encodeTcp(record, 0, { ...place, output });
    this.send(record);
  }
}

interface BothPorts {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Cheap to make, and different for what is different. */
function keyOf({ destination }: IpPacket, { sourcePort, destinationPort }: BothPorts): string {
  let key = `${sourcePort} ${destinationPort}`;
  for (let at = 0; at < destination.length; at += 4) key += ` ${read32(destination, at)}`;
  return key;
}

/** Copies what it needs of the packet. */
function placeOf(
  key: string,
  { sourcePort, destinationPort }: BothPorts,
  packet: IpPacket,
): ConnectionPlace {
  const source = Uint8Array.from(packet.destination);
  const destination = Uint8Array.from(packet.source);
  return {
    key,
    from: { address: addressText(destination), port: sourcePort },
    to: { address: addressText(source), port: destinationPort },
    route: { source, destination },
    ports: { source: destinationPort, destination: sourcePort },
  };
}

function towardsBox({ source, destination }: Route): Route {
  return { source: destination, destination: source };
}

const bytesOf: ReadonlyMap<string, Uint8Array> = new Map(
  [BOX, GATEWAY, HOST_ALIAS]
    .flatMap(({ v4, v6 }) => [v4, v6])
    .map((text) => [text, Uint8Array.from(parseIpAddress(text)?.bytes ?? [])]),
);

/** Somebody's address in the family of `like`. */
function own(like: Uint8Array, { v4, v6 }: { readonly v4: string; readonly v6: string }) {
  return bytesOf.get(like.length === 4 ? v4 : v6) as Uint8Array;
}

/** Whether echo requests to this address are ours to answer. */
function isOurs(address: Uint8Array): boolean {
  return [GATEWAY, HOST_ALIAS].some((who) => equal(address, own(address, who)));
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, i) => byte === other[i]);
}
