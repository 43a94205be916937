import { connect, type Socket } from 'node:net';
import { BoxliteError, type BoxliteErrorKind, boxliteErrorKinds } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import type { Connection, ImageDefaults } from '../box/lite-box.ts';
import { Portal } from '../portal/connect.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { PortName } from '../spec/box-options.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import type { ConnectionRecord } from '../spec/connection-record.ts';
import type { PublishedPort } from '../spec/info.ts';
import { formatNetworkRule, type NetworkRule } from '../spec/network-rule.ts';
import { socketPath } from './owner-address.ts';
import { ownerServices } from './owner-server.ts';
import { withTimeout } from './with-timeout.ts';

/** How long a program may take to say anything at all: far more than one needs that is not stopped. */
const HELLO_MS = 10_000;

/** Where an owner listens. */
export interface OwnerAddress {
  readonly folder: string;
  readonly socket: string;
  /** For people. */
  readonly pid: number;
}

/** A box that another program owns, reached through that program. */
export class Attachment implements Disposable {
  readonly connection: Connection;
  readonly #portal: Portal;
  readonly #socket: Socket;

  private constructor(portal: Portal, socket: Socket, image: ImageDefaults | null) {
    this.#portal = portal;
    this.#socket = socket;
    this.connection = { channel: portal.channel, image };
  }

  /** Whether the other program still answers. */
  get alive(): boolean {
    return this.#portal.channel.failure === null;
  }

  /**
   * Connects to the owner of a box; waits while the box boots. Null if nobody listens there, or the box has
   * left its owner: a look at its row tells what has become of it.
   * @throws BoxliteError what the owner answers, such as why the box did not boot; `InvalidState` if it does not
   *   answer; the signal's reason
   */
  static async open(
    address: OwnerAddress,
    id: string,
    signal?: AbortSignal,
  ): Promise<Attachment | null> {
    const knocking = knock(address);
    const owner = await orAborted(knocking, signal).catch((error: unknown) => {
      // Whoever opens after that finds nobody.
      void knocking.then((late) => late?.socket.destroy()).catch(() => undefined);
      throw error;
    });
    if (owner === null) return null;
    try {
      const asked = askOwner(owner.portal, { service: ownerServices.attach, box: id });
      const answer = await orAborted(asked, signal);
      return new Attachment(owner.portal, owner.socket, answer['image'] as ImageDefaults | null);
    } catch (error) {
      owner.socket.destroy();
      // The owner died between our knock and its answer.
      if (BoxliteError.is(error, 'Portal') || BoxliteError.is(error, 'NotFound')) return null;
      throw error;
    }
  }

  /** Asks the owner to listen for a port of the box. @throws BoxliteError what the owner answers */
  async publish(port: PortMapping): Promise<PublishedPort> {
    const wanted = { ...port, hostPort: port.hostPort ?? 0 };
    const answer = await askOwner(this.#portal, { service: ownerServices.publish, port: wanted });
    return answer['port'] as PublishedPort;
  }

  /** Asks the owner to stop listening for one. @throws BoxliteError what the owner answers */
  async unpublish(port: PortName): Promise<void> {
    await askOwner(this.#portal, { service: ownerServices.unpublish, port });
  }

  /** Asks the owner to change what the box may reach. @throws BoxliteError what the owner answers */
  async setRules(rules: readonly NetworkRule[]): Promise<void> {
    const allowNet = rules.map(formatNetworkRule);
    await askOwner(this.#portal, { service: ownerServices.rules, allowNet });
  }

  /** The newest connections of the box. @throws BoxliteError what the owner answers */
  async connections(): Promise<readonly ConnectionRecord[]> {
    const answer = await askOwner(this.#portal, { service: ownerServices.connections });
    return answer['connections'] as readonly ConnectionRecord[];
  }

  /** Whether it keeps this program from ending. */
  keepAlive(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  [Symbol.dispose](): void {
    this.#portal.close(new BoxliteError('InvalidState', 'The connection to the box was closed'));
  }
}

/**
 * Asks the owner of a box to stop it, whether it runs or boots; resolves when it has. Does nothing if nobody
 * listens there, or the owner dies meanwhile.
 * @throws BoxliteError why the owner cannot stop it; `InvalidState` if it does not answer
 */
export async function stopThere(
  address: OwnerAddress,
  request: { readonly box: string; readonly timeoutMs: number | null },
): Promise<void> {
  const owner = await knock(address);
  if (owner === null) return;
  try {
    await askOwner(owner.portal, { service: ownerServices.stop, ...request });
  } catch (error) {
    if (!BoxliteError.is(error, 'Portal')) throw error;
  } finally {
    owner.socket.destroy();
  }
}

/** A connection to an owner; null if nobody listens there. @throws BoxliteError `InvalidState` if it says nothing */
async function knock(address: OwnerAddress) {
  const socket = await connectTo(address);
  if (socket === null) return null;
  const portal = new Portal(socket, {
    mailbox: null,
    build: 'boxlite',
    onFailed: () => undefined,
    whyEnded: async () => 'the program that ran the box has ended',
  });
  try {
    if ((await withTimeout(portal.hello, HELLO_MS, null)) === null) throw silent(address);
    return { portal, socket };
  } catch (error) {
    socket.destroy();
    if (BoxliteError.is(error, 'Portal')) return null;
    throw error;
  }
}

/** The owner runs the same code, so its refusals name a kind of error. */
async function askOwner(portal: Portal, request: JsonObject): Promise<JsonObject> {
  try {
    return await portal.ask(request);
  } catch (error) {
    const code = BoxliteError.is(error)
      ? (error.cause as { code?: string } | undefined)?.code
      : null;
    const kind = boxliteErrorKinds.find((each) => each === code) as BoxliteErrorKind | undefined;
    if (kind === undefined || !(error instanceof Error)) throw error;
    throw new BoxliteError(kind, error.message, { cause: error });
  }
}

function silent({ pid }: OwnerAddress): BoxliteError {
  return new BoxliteError(
    'InvalidState',
    `The program that runs the box (process ${pid}) does not answer: it is stopped or busy; let it go on, or end it`,
  );
}

function connectTo({ folder, socket: name }: OwnerAddress): Promise<Socket | null> {
  const address = socketPath(folder, name);
  const socket = connect(address.path);
  return new Promise<Socket | null>((resolve) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  }).finally(() => address[Symbol.dispose]());
}
