import type { Duplex } from 'node:stream';
import type { ConnectionState } from '../spec/connection-record.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { BlockPool } from './byte-queue.ts';
import type {
  Carrier,
  CarrierEvents,
  Endpoint,
  GuestConnection,
  RefusalKind,
} from './connection.ts';
import { type FlowReader, GuestStream } from './guest-stream.ts';
import type { UnreachableReason } from './icmp.ts';
import type { Route } from './ip.ts';
import type { Ports, TcpOutput, TcpSegment } from './tcp.ts';
import { TcpFlow } from './tcp-flow.ts';
import type { OpenRecord, Traffic } from './traffic.ts';

/** What may still come when nobody reads any more, such as the end of a TLS session. */
const LINGERING_BYTES_MAX = 64 * 1024;

/** What a connection needs of the stack. */
export interface ConnectionHost {
  readonly traffic: Traffic;
  readonly budget: BufferBudget;
  readonly blocks: BlockPool;
  now(): number;
  /** The connection may have something to send. */
  ready(connection: TcpConnection): void;
  /** Sends a segment that no connection will send any more. */
  sendLast(connection: TcpConnection, output: TcpOutput): void;
  sendUnreachable(reason: UnreachableReason, quoted: Uint8Array, route: Route): void;
  forget(connection: TcpConnection): void;
}

/** Where a connection is from and to, in every form that is needed. */
export interface ConnectionPlace {
  readonly key: string;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Towards the box. */
  readonly route: Route;
  readonly ports: Ports;
}

/** How a connection starts. */
export interface ConnectionStart {
  readonly id: number;
  readonly place: ConnectionPlace;
  readonly syn: TcpSegment;
  /** What an ICMP message about the SYN quotes. */
  readonly quoted: Uint8Array;
  readonly initialSequence: number;
  readonly linkSegmentBytes: number;
}

/** A TCP connection of the box: its protocol, its stream, and what is to be decided about it. */
export class TcpConnection implements GuestConnection {
  readonly id: number;
  readonly place: ConnectionPlace;
  readonly flow: TcpFlow;
  readonly #host: ConnectionHost;
  readonly #quoted: Uint8Array;
  readonly #record: OpenRecord;
  readonly bufferBytes: number;
  #reader: FlowReader | null = null;
  #gaveUp: AbortController | null = null;
  /** What may still come unread; null as long as somebody reads. */
  #lingering: number | null = null;
  /** How it ends if nothing else is said. */
  #verdict: ConnectionState = 'reset';

  constructor(start: ConnectionStart, host: ConnectionHost) {
    const { id, place } = start;
    this.id = id;
    this.place = place;
    this.#host = host;
    this.#quoted = start.quoted;
    this.bufferBytes = host.budget.take();
    const { from, to } = place;
    this.#record = host.traffic.open({ id, protocol: 'tcp', from, to }, Date.now());
    this.flow = new TcpFlow({
      syn: start.syn,
      initialSequence: start.initialSequence,
      linkSegmentBytes: start.linkSegmentBytes,
      bufferBytes: this.bufferBytes,
      blocks: host.blocks,
      now: host.now(),
      events: {
        ready: () => host.ready(this),
        data: (piece) => this.#arrived(piece),
        end: () => this.#reader?.arrivedEnd(),
        drained: () => this.#reader?.drained(),
        closed: (why) => this.#closed(why),
      },
    });
  }

  get from(): Endpoint {
    return this.place.from;
  }

  get to(): Endpoint {
    return this.place.to;
  }

  get signal(): AbortSignal {
    this.#gaveUp ??= new AbortController();
    if (this.flow.closed && this.#reader === null) this.#gaveUp.abort();
    return this.#gaveUp.signal;
  }

  accept(): Duplex {
    const { flow } = this;
    const stream = new GuestStream(
      {
        write: (piece) => this.#counted(piece, flow.write(piece)),
        end: () => flow.end(),
        consumed: (bytes) => flow.consumed(bytes),
        release: () => this.#release(),
        abort: () => this.#reset(),
      },
      this.bufferBytes,
    );
    this.#open(stream);
    return stream;
  }

  carry(events: CarrierEvents): Carrier {
    const { flow } = this;
    this.#open({
      arrived: (piece) => events.data(piece),
      arrivedEnd: () => events.end(),
      drained: () => events.drained(),
      over: (why) => events.closed(why === 'done'),
    });
    return {
      write: (piece) => this.#counted(piece, flow.writeCopy(piece)),
      end: () => flow.end(),
      consumed: (bytes) => flow.consumed(bytes),
      abort: () => this.#reset(),
    };
  }

  #open(reader: FlowReader): void {
    this.#reader = reader;
    if (this.flow.closed) return reader.over('aborted');
    this.#record.state = 'open';
    this.flow.accept();
  }

  #arrived(piece: Uint8Array): void {
    this.#record.bytesSent += piece.length;
    if (this.#lingering === null) return this.#reader?.arrived(piece);
    this.#lingering -= piece.length;
    if (this.#lingering < 0) this.#reset();
    else this.flow.consumed(piece.length);
  }

  #release(): void {
    this.#lingering = LINGERING_BYTES_MAX;
    this.flow.release();
  }

  #counted(piece: Uint8Array, room: boolean): boolean {
    this.#record.bytesReceived += piece.length;
    return room;
  }

  refuse(kind: RefusalKind): void {
    if (this.flow.closed || this.#reader !== null) return;
    this.#verdict = 'refused';
    if (kind === 'reset') return this.#reset();
    this.flow.abort();
    if (kind === 'silence') return;
    const reason = kind === 'prohibited' ? 'prohibited' : 'host';
    this.#host.sendUnreachable(reason, this.#quoted, this.place.route);
  }

  /** Gives it up without a word to the box. */
  drop(): void {
    this.flow.abort();
  }

  #reset(): void {
    const output = this.flow.abort();
    if (output !== null) this.#host.sendLast(this, output);
  }

  #closed(why: 'done' | 'reset' | 'timeout' | 'aborted'): void {
    const states = { done: 'closed', reset: 'reset', timeout: 'timed-out' } as const;
    const state = why === 'aborted' ? this.#verdict : states[why];
    this.#host.traffic.close(this.#record, state, Date.now());
    this.#host.budget.giveBack(this.bufferBytes);
    this.#host.forget(this);
    // Once it was accepted, its reader is told.
    if (this.#reader === null) this.#gaveUp?.abort();
    else this.#reader.over(why);
  }
}
