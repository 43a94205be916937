// pure
import type { ConnectionRecord, ConnectionState } from '../spec/connection-record.ts';
import type { Endpoint } from './connection.ts';

/** A box's network in numbers. */
export interface TrafficCounts {
  /** IP packets' bytes from the box, and to it. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** TCP connections, open now. */
  readonly tcpConnections: number;
  /** TCP connections that were refused, reset or timed out. */
  readonly tcpErrors: number;
}

/** Ended connections that are remembered. */
const ENDED_MAX = 256;

/** A record while it is being written. */
export interface OpenRecord {
  id: number;
  protocol: 'tcp' | 'udp';
  from: Endpoint;
  to: Endpoint;
  state: ConnectionState;
  bytesSent: number;
  bytesReceived: number;
  openedAt: number;
  closedAt: number | null;
}

/** Counts what passes. */
export class Traffic {
  bytesSent = 0;
  bytesReceived = 0;
  tcpErrors = 0;
  readonly #open = new Set<OpenRecord>();
  readonly #ended: OpenRecord[] = [];

  open(record: Pick<OpenRecord, 'id' | 'protocol' | 'from' | 'to'>, now: number): OpenRecord {
    const opened: OpenRecord = {
      ...record,
      state: record.protocol === 'tcp' ? 'asked' : 'open',
      bytesSent: 0,
      bytesReceived: 0,
      openedAt: now,
      closedAt: null,
    };
    this.#open.add(opened);
    return opened;
  }

  close(record: OpenRecord, state: ConnectionState, now: number): void {
    if (!this.#open.delete(record)) return;
    record.state = state;
    record.closedAt = now;
    if (record.protocol === 'tcp' && state !== 'closed') this.tcpErrors++;
    this.#ended.push(record);
    if (this.#ended.length > ENDED_MAX) this.#ended.shift();
  }

  /** What is open, and the newest of what has ended: in the order of their opening. */
  records(): ConnectionRecord[] {
    const all = [...this.#open, ...this.#ended].sort((one, other) => one.id - other.id);
    return all.map((record) => Object.freeze({ ...record }));
  }
}
