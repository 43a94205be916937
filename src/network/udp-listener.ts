import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { PortMapping } from '../spec/box-spec.ts';
import type { PublishedPort } from '../spec/info.ts';
import type { DialGate } from './dial-gate.ts';
import type { Listener } from './listener.ts';
import { UdpFlow } from './udp-flow.ts';

/** Clients of one port that are remembered. One more takes the place of the one that was silent longest. */
const FLOWS_MAX = 256;
/** How long a client that is silent, and is not sent anything, is remembered: RFC 4787, REQ-5, asks for two minutes. */
const IDLE_MS = 120_000;
/** How often it is looked for those. */
const SWEEP_MS = 15_000;
/** What may wait to be sent: beyond it datagrams are lost, as they are where a network is full. */
const SEND_BYTES_MAX = 1024 * 1024;

/** A UDP port: every client that sends to it gets a flow of its own into the box. */
export class UdpListener implements Listener {
  readonly port: PublishedPort;
  readonly #socket: Socket;
  readonly #gate: DialGate;
  /** By the client's address, the one that was silent longest first. */
  readonly #flows = new Map<string, UdpFlow>();
  readonly #sweep: NodeJS.Timeout;
  #listening = true;
  #closed: Promise<void> | null = null;

  private constructor(socket: Socket, gate: DialGate, port: PublishedPort) {
    this.#socket = socket;
    this.#gate = gate;
    this.port = port;
    socket.on('message', (datagram, client) => this.#arrived(datagram, client));
    // What comes back as unreachable is lost, and nothing else.
    socket.on('error', () => undefined);
    this.#sweep = setInterval(() => this.#endSilent(), SWEEP_MS).unref();
  }

  /** @throws the system's error */
  static async listen(mapping: PortMapping, gate: DialGate): Promise<UdpListener> {
    const { hostIp: address, hostPort } = mapping;
    const socket = createSocket({
      type: address.includes(':') ? 'udp6' : 'udp4',
      // Only addresses are sent to.
      lookup: (host, _options, found) => found(null, host, host.includes(':') ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port: hostPort ?? 0, exclusive: true }, resolve);
    }).catch((cause: unknown) => {
      socket.close();
      throw cause;
    });
    socket.removeAllListeners('error');
    socket.unref();
    return new UdpListener(socket, gate, { ...mapping, hostPort: socket.address().port });
  }

  /** Those that are known may go on: a datagram has no connection that could be told from a new one otherwise. */
  stopListening(): Promise<void> {
    this.#listening = false;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const flow of this.#flows.values()) flow.end();
    this.#flows.clear();
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #arrived(datagram: Uint8Array, client: RemoteInfo): void {
    const key = `${client.address} ${client.port}`;
    const flow = this.#flows.get(key) ?? this.#begin(key, client);
    if (flow === null) return;
    // The last of all from now on.
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    flow.send(datagram);
  }

  /** Null if it has to be lost: the box has not booted, or serves too many. */
  #begin(key: string, client: RemoteInfo): UdpFlow | null {
    if (!this.#listening) return null;
    if (this.#flows.size >= FLOWS_MAX) this.#endOldest();
    const place = this.#gate.take();
    if (place === null) return null;
    const { dial, turn } = place;
    try {
      return new UdpFlow(dial, this.port.guestPort, {
        received: (answer) => this.#answer(answer, client),
        over: () => {
          turn.leave();
          if (this.#flows.get(key)?.over === true) this.#flows.delete(key);
        },
      });
    } catch {
      turn.leave();
      return null;
    }
  }

  #answer(datagram: Uint8Array, client: RemoteInfo): void {
    if (this.#closed !== null || this.#socket.getSendQueueSize() > SEND_BYTES_MAX) return;
    this.#socket.send(datagram, client.port, client.address, () => undefined);
  }

  #endOldest(): void {
    const [oldest] = this.#flows;
    if (oldest === undefined) return;
    const [key, flow] = oldest;
    this.#flows.delete(key);
    flow.end();
  }

  #endSilent(): void {
    const now = performance.now();
    for (const [key, flow] of this.#flows) {
      if (now - flow.lastUsed < IDLE_MS) continue;
      this.#flows.delete(key);
      flow.end();
    }
  }
}
