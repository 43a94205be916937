import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { PortMapping } from '../spec/box-spec.ts';
import type { PublishedPort } from '../spec/info.ts';
import type { Dial } from '../spec/parts.ts';
import type { DialGate, Turn } from './dial-gate.ts';
import type { Listener } from './listener.ts';
import { relay } from './relay.ts';
import { resetSocket } from './reset-socket.ts';

/** Clients that the system lets wait while we are busy. */
const BACKLOG = 511;

/** A TCP port: every client gets a connection into the box. */
export class TcpListener implements Listener {
  readonly port: PublishedPort;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #gate: DialGate;

  private constructor(server: Server, gate: DialGate, port: PublishedPort) {
    this.#server = server;
    this.#gate = gate;
    this.port = port;
    server.on('connection', (client) => this.#admit(client));
    // One that fails to accept, such as for want of descriptors, goes on with the next client.
    server.on('error', () => undefined);
  }

  /** @throws the system's error */
  static async listen(mapping: PortMapping, gate: DialGate): Promise<TcpListener> {
    // Half-open: either direction ends on its own. Paused: nothing is read before it has somewhere to go.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const { hostIp: host, hostPort } = mapping;
      server.listen({ host, port: hostPort ?? 0, backlog: BACKLOG }, resolve);
    });
    server.removeAllListeners('error');
    // A box that runs does not keep a program from ending, and neither do its ports.
    server.unref();
    const { port: hostPort } = server.address() as AddressInfo;
    return new TcpListener(server, gate, { ...mapping, hostPort });
  }

  stopListening(): Promise<void> {
    // Not waited for: the server counts as open until its last connection has ended.
    if (this.#server.listening) this.#server.close();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.stopListening();
    for (const client of this.#clients) resetSocket(client);
  }

  #admit(client: Socket): void {
    client.unref();
    client.on('error', () => undefined);
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    const admitted = this.#gate.wait((dial, turn) => this.#relay(client, dial, turn));
    if (!admitted) resetSocket(client);
  }

  #relay(client: Socket, dial: Dial, turn: Turn): void {
    if (client.destroyed) return turn.leave();
    try {
      relay(client, dial, { protocol: 'tcp', port: this.port.guestPort }, () => turn.leave());
    } catch {
      // The box has just gone.
      resetSocket(client);
      turn.leave();
    }
  }
}
