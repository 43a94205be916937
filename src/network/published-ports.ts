import { BoxliteError } from '../base/errors.ts';
import type { PortName } from '../spec/box-options.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import type { PublishedPort } from '../spec/info.ts';
import type { Dial } from '../spec/parts.ts';
import { DialGate } from './dial-gate.ts';
import { listenError } from './listen-error.ts';
import type { FindHolder, Listener } from './listener.ts';
import { TcpListener } from './tcp-listener.ts';
import { UdpListener } from './udp-listener.ts';

/**
 * The ports that the host listens on for one box. They can be had before the box has booted, so that one that is
 * taken is known early; clients that come before it has wait.
 */
export class PublishedPorts implements AsyncDisposable {
  readonly #findHolder: FindHolder;
  readonly #gate = new DialGate();
  readonly #listeners = new Set<Listener>();
  #stopped = false;

  constructor(findHolder: FindHolder) {
    this.#findHolder = findHolder;
  }

  /** In the order they were published. */
  get list(): readonly PublishedPort[] {
    return [...this.#listeners].map(({ port }) => port);
  }

  /** The box has booted: clients are let through. */
  open(dial: Dial): void {
    this.#gate.open(dial);
  }

  /** @throws BoxliteError `Network` naming the port and, where that may be seen, who has it */
  async publish(mapping: PortMapping): Promise<PublishedPort> {
    const kind = mapping.protocol === 'tcp' ? TcpListener : UdpListener;
    const listener = await kind.listen(mapping, this.#gate).catch(async (cause: unknown) => {
      throw await listenError(mapping, cause, this.#findHolder);
    });
    if (this.#stopped) {
      await listener.close();
      throw new BoxliteError('InvalidState', 'Cannot publish a port: the box is being stopped');
    }
    this.#listeners.add(listener);
    return listener.port;
  }

  /** Ends a port and what is open through it. @throws BoxliteError `NotFound` */
  async unpublish(name: PortName): Promise<void> {
    const found = [...this.#listeners].filter(({ port }) => isNamed(port, name));
    if (found.length === 0) {
      const wanted = `port ${name.hostPort}/${name.protocol ?? 'tcp'}`;
      throw new BoxliteError('NotFound', `The host does not listen on ${wanted} for this box`);
    }
    for (const listener of found) this.#listeners.delete(listener);
    await Promise.all(found.map((listener) => listener.close()));
  }

  /** Lets in nobody new, while those who are in may finish. */
  async stopListening(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#listeners].map((listener) => listener.stopListening()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopListening();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    this.#listeners.clear();
  }
}

function isNamed(port: PublishedPort, name: PortName): boolean {
  return (
    port.hostPort === name.hostPort &&
    port.protocol === (name.protocol ?? 'tcp') &&
    (name.hostIp === undefined || port.hostIp === name.hostIp) &&
    (name.guestPort === undefined || port.guestPort === name.guestPort)
  );
}
