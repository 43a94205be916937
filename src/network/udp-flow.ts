import type { BoxConnection, Dial } from '../spec/parts.ts';
import { DatagramReader, encodeDatagram } from './datagram-stream.ts';

/** What may wait for the box: beyond it datagrams are lost, as they are where a receiver is slow. */
const PENDING_BYTES_MAX = 256 * 1024;

/** What comes of a flow. */
export interface UdpFlowEvents {
  /** An answer of the service. */
  received(datagram: Uint8Array): void;
  /** Called once, when nothing of it is left. */
  over(): void;
}

/** The datagrams between one client and a service in the box. */
export class UdpFlow {
  /** When a datagram last went either way, by `performance.now()`. */
  lastUsed = performance.now();
  over = false;
  readonly #service: BoxConnection;
  readonly #reader = new DatagramReader();
  #pending = 0;

  /** @throws BoxliteError if the box does not run */
  constructor(dial: Dial, port: number, events: UdpFlowEvents) {
    this.#service = dial(
      { protocol: 'udp', port },
      {
        data: (piece) => {
          this.lastUsed = performance.now();
          for (const datagram of this.#reader.push(piece)) events.received(datagram);
          this.#service.consumed(piece.length);
        },
        end: () => undefined,
        closed: () => {
          this.over = true;
          events.over();
        },
      },
    );
  }

  send(datagram: Uint8Array): void {
    const bytes = encodeDatagram(datagram);
    if (this.#pending + bytes.length > PENDING_BYTES_MAX) return;
    this.lastUsed = performance.now();
    this.#pending += bytes.length;
    const left = () => {
      this.#pending -= bytes.length;
    };
    this.#service.write(bytes).then(left, left);
  }

  /** Forgets it, which the box is told; not asked, as one that does not answer would keep its place. */
  end(): void {
    this.#service.reset({ code: 'idle', message: 'the client is not known any more' });
  }
}
