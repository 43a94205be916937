import { connect, type Socket } from 'node:net';
import { BoxliteError, type BoxliteErrorKind, boxliteErrorKinds } from '../base/errors.ts';
import type { Connection, ImageDefaults } from '../box/lite-box.ts';
import { Portal } from '../portal/connect.ts';
import type { JsonObject } from '../portal/messages.ts';
import { socketPath } from './owner-address.ts';
import { ownerServices } from './owner-server.ts';

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
   * Connects to the owner of a box; waits while the box boots. Null if nobody listens there.
   * @throws BoxliteError what the owner answers, such as why the box did not boot
   */
  static async open(folder: string, name: string, id: string): Promise<Attachment | null> {
    const socket = await connectTo(folder, name);
    if (socket === null) return null;
    const portal = new Portal(socket, {
      mailbox: null,
      build: 'boxlite',
      onFailed: () => undefined,
      whyEnded: async () => 'the program that ran the box has ended',
    });
    try {
      await portal.hello;
      const answer = await askOwner(portal, { service: ownerServices.attach, box: id });
      return new Attachment(portal, socket, answer['image'] as ImageDefaults | null);
    } catch (error) {
      socket.destroy();
      // The owner died between our knock and its answer.
      if (BoxliteError.is(error, 'Portal')) return null;
      throw error;
    }
  }

  /** Asks the owner to stop the box; resolves when it has, or has died. */
  async stop(timeoutMs: number | null): Promise<void> {
    const request = { service: ownerServices.stop, ...(timeoutMs === null ? {} : { timeoutMs }) };
    await askOwner(this.#portal, request).catch((error: unknown) => {
      if (!BoxliteError.is(error, 'Portal')) throw error;
    });
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

function connectTo(folder: string, name: string): Promise<Socket | null> {
  const address = socketPath(folder, name);
  const socket = connect(address.path);
  return new Promise<Socket | null>((resolve) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  }).finally(() => address[Symbol.dispose]());
}
