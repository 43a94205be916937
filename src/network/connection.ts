// pure
/**
 * The seam between the stack, which speaks TCP and UDP with a box's kernel, and whoever decides what becomes
 * of a connection. The stack knows no socket and no rule; an {@link Uplink} knows no packet.
 */
import type { Duplex } from 'node:stream';

/** One end of a connection. */
export interface Endpoint {
  /** Canonical text, as `formatIpAddress` has it. */
  readonly address: string;
  readonly port: number;
}

/**
 * How a box is told no. `reset`: nobody listens (ECONNREFUSED). `unreachable`: no way there (EHOSTUNREACH).
 * `prohibited`: policy (ICMP "administratively prohibited", EHOSTUNREACH in Linux programs). `silence`: nothing, so
 * that the box's own time-out ends it.
 */
export type RefusalKind = 'reset' | 'unreachable' | 'prohibited' | 'silence';

/** A TCP connection that a box asks for: its SYN has come, and nothing has been answered. */
export interface GuestConnection {
  /** Unique within the box. */
  readonly id: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** What the box's end keeps of what is written to it, and how far the box may send ahead of the reader. */
  readonly bufferBytes: number;
  /** Aborted if the box gives up before an answer. */
  readonly signal: AbortSignal;
  /**
   * Answers the SYN. What is read comes from the box, what is written goes to it; `end()` is FIN, `destroy()` RST,
   * and the box's RST an error with code `ECONNRESET`. It is `allowHalfOpen`. Call this or {@link refuse}, once;
   * after the signal has been aborted it returns a stream that is already destroyed.
   */
  accept(): Duplex;
  /** Instead of {@link accept}, for those that pass bytes on as they are: without a stream in between. */
  carry(events: CarrierEvents): Carrier;
  refuse(kind: RefusalKind): void;
}

/** What comes of a connection that is carried. */
export interface CarrierEvents {
  /** Bytes from the box, which are kept for {@link Carrier.consumed}. */
  data(piece: Uint8Array): void;
  /** The box sends no more. */
  end(): void;
  /** There is room to write again. */
  drained(): void;
  /** The last call. `whole`: both sides have ended, and all has arrived. */
  closed(whole: boolean): void;
}

/** The box's end of a connection that is carried. */
export interface Carrier {
  /** Takes a copy of bytes for the box. False if no more should come before `drained`. */
  write(piece: Uint8Array): boolean;
  end(): void;
  /** So many bytes have been passed on: the box may send as many more. */
  consumed(bytes: number): void;
  /** Resets it, if it is not over. */
  abort(): void;
}

/** Datagrams between one port of a box and one destination, until none has passed for some time. */
export interface GuestFlow {
  /** Unique within the box, also among connections. */
  readonly id: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** What the box sends; the first datagram too. Set it before {@link Uplink.flow} returns. */
  onDatagram: ((payload: Uint8Array) => void) | null;
  /** Called once when the flow is over, whoever ended it. */
  onClosed: (() => void) | null;
  /** To the box, from {@link to}. One larger than a datagram can be is dropped. */
  send(payload: Uint8Array): void;
  /** Answers the newest datagram with an ICMP error, and ends the flow. */
  refuse(kind: RefusalKind): void;
  close(): void;
}

/** Decides what becomes of a box's connections, and carries them. */
export interface Uplink {
  connection(connection: GuestConnection): void;
  flow(flow: GuestFlow): void;
  /** Gives up everything under way. Nothing is asked of it afterwards. */
  close(): void;
}
