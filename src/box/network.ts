import type { PortName, PortSpec } from '../spec/box-options.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import {
  parseAllowNet,
  parseEventsOptions,
  parsePort,
  parsePortName,
  parseSignalOptions,
} from '../spec/call-options.ts';
import type { ConnectionRecord } from '../spec/connection-record.ts';
import type { PublishedPort } from '../spec/info.ts';
import type { NetworkEvent } from '../spec/network-event.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import type { KeepAlive } from './output.ts';

/** Who does it: the program that owns the box. */
export interface NetworkBackend extends KeepAlive {
  /** Listens on the host; the box is booted first if it is not running. */
  publish(port: PortMapping, signal?: AbortSignal): Promise<PublishedPort>;
  unpublish(port: PortName): Promise<void>;
  setRules(rules: readonly NetworkRule[]): Promise<void>;
  connections(): Promise<readonly ConnectionRecord[]>;
  events(options: {
    follow: boolean;
    signal?: AbortSignal | undefined;
  }): AsyncIterable<NetworkEvent>;
}

/** A box's network, as it can be changed while the box runs. */
export class BoxNetwork {
  readonly #backend: NetworkBackend;

  /** @internal */
  constructor(backend: NetworkBackend) {
    this.#backend = backend;
  }

  /**
   * Makes the host listen for a port of the box until it is unpublished or the box stops; the ports among the
   * box's options are there again when it starts. The box is booted first if it is not running.
   * @returns the port with the host's port as it was chosen, as `info().ports` has it too.
   * @throws BoxliteError `Network` naming the port and, where that may be seen, who has it already;
   * `InvalidArgument`; `InvalidState` if the box's network is disabled.
   */
  async publish(port: PortSpec, options: { signal?: AbortSignal } = {}): Promise<PublishedPort> {
    const mapping = parsePort(port);
    const { signal } = parseSignalOptions(options);
    return await this.#backend.busy(this.#backend.publish(mapping, signal ?? undefined));
  }

  /**
   * Stops listening for a port, and ends the connections through it. What {@link publish} returned names it.
   * @throws BoxliteError `NotFound` if the host does not listen there for this box.
   */
  async unpublish(port: PortName): Promise<void> {
    await this.#backend.busy(this.#backend.unpublish(parsePortName(port)));
  }

  /**
   * What the box may reach from now on and until it stops, in place of the `allowNet` of its options; none:
   * everything. Connections that are open stay so.
   * @throws BoxliteError `InvalidArgument`; `InvalidState` if the box does not run or its network is disabled.
   */
  async setRules(allowNet: readonly string[]): Promise<void> {
    await this.#backend.busy(this.#backend.setRules(parseAllowNet(allowNet)));
  }

  /**
   * What is open now, and the newest of what has ended, in the order of their start; none if the box does not run. Of
   * a box that another program runs only the newest are told of.
   * @throws BoxliteError `NotFound` if the box is gone.
   */
  async connections(): Promise<readonly ConnectionRecord[]> {
    return await this.#backend.busy(this.#backend.connections());
  }

  /**
   * What the network refused and why, as far as it is kept, the oldest first; then, unless `follow` is false, what it
   * refuses until the box stops. Works whichever program runs the box.
   * @throws BoxliteError `NotFound` if the box is gone; the signal's reason if it is aborted.
   */
  events(options: { follow?: boolean; signal?: AbortSignal } = {}): AsyncIterable<NetworkEvent> {
    const { follow, signal } = parseEventsOptions(options);
    return this.#backend.events({ follow, signal: signal ?? undefined });
  }
}
