/** Connections and flows of a box, carried by ordinary sockets of this program. */
import { createSocket, type Socket as DatagramSocket, type SocketOptions } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { Carrier, GuestConnection, GuestFlow, RefusalKind } from './connection.ts';
import { GatheredWrites } from './gathered-writes.ts';
import { resetSocket } from './reset-socket.ts';

/** Read from a socket at once: as much as goes to the box at once. */
const READ_BYTES = 256 * 1024;
/** Datagrams that a socket has not sent; more are lost. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** Datagrams that wait for their socket. */
const EARLY_DATAGRAMS_MAX = 64;
const UNSENT_DATAGRAMS_MAX = 1024;

/** Carries what somebody else has allowed. */
export class SocketUplink {
  readonly #open = new Set<Disposable>();
  /** What all sockets read into: nothing stays in it. */
  #readBuffer: Uint8Array | null = null;

  close(): void {
    for (const each of [...this.#open]) each[Symbol.dispose]();
  }

  /** Connects to `address`, which is not looked at, and answers the box when that is done. */
  dial(connection: GuestConnection, address: string): void {
    let carrier: Carrier | null = null;
    this.#readBuffer ??= new Uint8Array(READ_BYTES);
    const socket = connect({
      host: address,
      port: connection.to.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      onread: {
        // One that may keep little must not be given much at once.
        buffer: this.#readBuffer.subarray(0, connection.bufferBytes / 2),
        callback: (bytes, buffer) => carrier?.write(buffer.subarray(0, bytes)) ?? true,
      },
    });
    this.#track(socket, () => socket.destroy());
    connection.signal.addEventListener('abort', () => socket.destroy(), { once: true });
    const refused = (error: NodeJS.ErrnoException) => connection.refuse(refusalFor(error.code));
    socket.once('error', refused);
    socket.once('connect', () => {
      socket.off('error', refused);
      carrier = carry(socket, connection);
    });
  }

  /** Passes datagrams to `address`, which is not looked at, and back. */
  relay(flow: GuestFlow, address: string): void {
    const family = address.includes(':') ? 6 : 4;
    const socket = createSocket({ type: `udp${family}`, lookup: isAddress(family) });
    this.#track(socket, () => flow.close());
    let early: Uint8Array[] | null = [];
    flow.onDatagram = (payload) => {
      if (early === null) sendOn(socket, payload);
      else if (early.length < EARLY_DATAGRAMS_MAX) early.push(payload);
    };
    flow.onClosed = () => socket.close();
    socket.on('error', (error: NodeJS.ErrnoException) => flow.refuse(refusalFor(error.code)));
    socket.on('message', (payload) => flow.send(payload));
    socket.once('connect', () => {
      for (const payload of early ?? []) sendOn(socket, payload);
      early = null;
    });
    socket.connect(flow.to.port, address);
  }

  /** A box's traffic keeps no program from ending; the box does while it is wanted. */
  #track(socket: Socket | DatagramSocket, end: () => void): void {
    const entry = { [Symbol.dispose]: end };
    this.#open.add(entry);
    socket.unref();
    socket.once('close', () => this.#open.delete(entry));
  }
}

/** Passes ends and errors both ways, and bytes to the socket; those from it are given to what this returns. */
function carry(socket: Socket, connection: GuestConnection): Carrier {
  const writes = new GatheredWrites(socket, (bytes) => carrier.consumed(bytes));
  const carrier = connection.carry({
    data: (piece) => writes.push(piece),
    end: () => writes.end(),
    drained: () => socket.resume(),
    closed: (whole) => {
      if (!whole) resetSocket(socket);
    },
  });
  let ended = false;
  socket.on('error', () => carrier.abort());
  socket.once('end', () => {
    ended = true;
    carrier.end();
  });
  socket.once('close', () => {
    if (!ended) carrier.abort();
  });
  return carrier;
}

/** How the box learns why a socket did not connect. */
export function refusalFor(code: string | undefined): RefusalKind {
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return 'reset';
  return code === 'ETIMEDOUT' ? 'silence' : 'unreachable';
}

/** Only sent if the system takes it soon. */
function sendOn(socket: DatagramSocket, payload: Uint8Array): void {
  if (socket.getSendQueueCount() >= UNSENT_DATAGRAMS_MAX) return;
  if (socket.getSendQueueSize() + payload.length > UNSENT_BYTES_MAX) return;
  try {
    // An error of one datagram, such as its size, is the network's usual silence; a port that is closed
    // is told of by the next one.
    socket.send(payload, (error) => {
      if (error !== null && refusedBy(error)) socket.emit('error', error);
    });
  } catch {
    // The socket has just been closed.
  }
}

function refusedBy(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNREFUSED';
}

/** An address needs no look-up. */
function isAddress(family: 4 | 6): SocketOptions['lookup'] {
  return (address, _options, done) => done(null, address, family);
}
