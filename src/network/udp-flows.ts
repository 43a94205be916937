import type { Endpoint, GuestFlow, RefusalKind } from './connection.ts';
import { encodeUdp } from './encode.ts';
import type { UnreachableReason } from './icmp.ts';
import type { Route } from './ip.ts';
import { MTU } from './records.ts';
import type { ConnectionPlace } from './tcp-connections.ts';
import type { OpenRecord, Traffic } from './traffic.ts';

/** What a flow needs of the stack. */
export interface FlowHost {
  readonly traffic: Traffic;
  now(): number;
  send(record: Uint8Array): void;
  sendUnreachable(reason: UnreachableReason, quoted: Uint8Array, route: Route): void;
  forget(flow: UdpFlow): void;
}

/** A flow that nobody uses for this long is over (RFC 4787, REQ-5 wants two minutes at least). */
const QUIET_MS = 120_000;
/** IPv6 header and UDP header. */
const HEADERS_BYTES_MAX = 48;
const PAYLOAD_BYTES_MAX = MTU - HEADERS_BYTES_MAX;
/** IPv4's header is shorter. */
const PAYLOAD_BYTES_MAX_V4 = MTU - 28;

/** Datagrams between one port of the box and one destination. */
export class UdpFlow implements GuestFlow {
  readonly id: number;
  readonly place: ConnectionPlace;
  onDatagram: ((payload: Uint8Array) => void) | null = null;
  onClosed: (() => void) | null = null;
  readonly #host: FlowHost;
  readonly #record: OpenRecord;
  #quoted: Uint8Array = new Uint8Array(0);
  #used: number;
  #closed = false;

  constructor(id: number, place: ConnectionPlace, host: FlowHost) {
    this.id = id;
    this.place = place;
    this.#host = host;
    this.#used = host.now();
    const { from, to } = place;
    this.#record = host.traffic.open({ id, protocol: 'udp', from, to }, Date.now());
  }

  get from(): Endpoint {
    return this.place.from;
  }

  get to(): Endpoint {
    return this.place.to;
  }

  /** A datagram came from the box. */
  receive(payload: Uint8Array, quoted: Uint8Array): void {
    this.#quoted = quoted;
    this.#used = this.#host.now();
    this.#record.bytesSent += payload.length;
    this.onDatagram?.(payload);
  }

  send(payload: Uint8Array): void {
    const { route, ports } = this.place;
    const most = route.source.length === 4 ? PAYLOAD_BYTES_MAX_V4 : PAYLOAD_BYTES_MAX;
    if (this.#closed || payload.length > most) return;
    this.#used = this.#host.now();
    this.#record.bytesReceived += payload.length;
    this.#host.send(encodeUdp(route, ports, payload));
  }

  refuse(kind: RefusalKind): void {
    if (this.#closed) return;
    const reasons = { reset: 'port', unreachable: 'host', prohibited: 'prohibited' } as const;
    if (kind !== 'silence') {
      this.#host.sendUnreachable(reasons[kind], this.#quoted, this.place.route);
    }
    this.#end('refused');
  }

  close(): void {
    this.#end('closed');
  }

  /** Ends it if it has not been used for long. */
  tick(now: number): void {
    if (now - this.#used >= QUIET_MS) this.close();
  }

  #end(state: 'closed' | 'refused'): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.traffic.close(this.#record, state, Date.now());
    this.#host.forget(this);
    this.onClosed?.();
  }
}
