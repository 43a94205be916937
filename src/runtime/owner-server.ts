/** Where an owner answers for its boxes: other programs run commands in them, and stop them, through it. */
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { Channel } from '../portal/channel.ts';
import { SocketLink } from '../portal/link.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { PortalStream, StreamHandlers } from '../portal/stream.ts';
import { parseAllowNet, parsePort, parsePortName } from '../spec/call-options.ts';
import { bridge } from './bridge.ts';
import type { OwnBox } from './own-box.ts';
import { socketPath } from './owner-address.ts';

/** The services of the owner itself; every other one is the box's. */
export const ownerServices = {
  attach: 'owner.attach',
  stop: 'owner.stop',
  publish: 'owner.publish',
  unpublish: 'owner.unpublish',
  rules: 'owner.rules',
  connections: 'owner.connections',
} as const;

/** Connections that one answer has room for. */
const CONNECTIONS_TOLD_MAX = 128;

/** The boxes that an owner answers for. */
export interface OwnedBoxes {
  /** One that runs; waits while it boots. Null if it is not this owner's. */
  get(id: string): Promise<OwnBox | null>;
  /** Stops one, whether it runs or boots. False if it is not this owner's. */
  stop(id: string, timeoutMs: number | null): Promise<boolean>;
}

/** See the top of this file. */
export class OwnerServer implements AsyncDisposable {
  /** The socket's name in the folder of owners. */
  readonly socket: string;
  readonly #path: string;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(folder: string, socket: string, boxes: OwnedBoxes) {
    this.socket = socket;
    this.#path = join(folder, socket);
    this.#server = createServer((client) => {
      this.#clients.add(client);
      client.on('close', () => this.#clients.delete(client));
      new Client(client, boxes);
    });
    // An owner with nothing to do is no reason to go on.
    this.#server.unref();
  }

  /** Listens in a folder that only its user may enter. @throws BoxliteError `Storage` */
  static async listen(folder: string, socket: string, boxes: OwnedBoxes): Promise<OwnerServer> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const server = new OwnerServer(folder, socket, boxes);
    using address = socketPath(folder, socket);
    await new Promise<void>((resolve, reject) => {
      // Also told later, of a client that could not be let in: that one is refused, and nobody else.
      server.#server.on('error', (cause) =>
        reject(
          new BoxliteError('Storage', `Cannot listen in "${folder}": ${cause.message}`, { cause }),
        ),
      );
      server.#server.listen(address.path, resolve);
    });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }
}

/** One program at the other end. */
class Client {
  readonly #channel: Channel;
  readonly #boxes: OwnedBoxes;
  #box: OwnBox | null = null;

  constructor(socket: Socket, boxes: OwnedBoxes) {
    this.#boxes = boxes;
    const link = new SocketLink(socket, () => this.#channel.flush());
    this.#channel = new Channel({
      role: 'guest',
      link,
      build: 'boxlite',
      events: {
        open: (stream, request) => this.#open(stream, request),
        failed: () => socket.destroy(),
      },
    });
    socket.unref();
    socket.on('data', (chunk: Uint8Array) => this.#channel.receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#channel.fail(new BoxliteError('Portal', 'The client has gone')));
  }

  #open(stream: PortalStream, request: JsonObject): StreamHandlers {
    const { service, box, timeoutMs } = request;
    if (service === ownerServices.attach) return this.#answer(stream, this.#attach(String(box)));
    if (service === ownerServices.stop) {
      const time = typeof timeoutMs === 'number' ? timeoutMs : null;
      return this.#answer(stream, this.#stop(String(box), time));
    }
    if (service === ownerServices.publish) return this.#answer(stream, this.#publish(request));
    if (service === ownerServices.unpublish) return this.#answer(stream, this.#unpublish(request));
    if (service === ownerServices.rules) {
      return this.#answer(stream, this.#setRules(request['allowNet']));
    }
    if (service === ownerServices.connections) {
      return this.#answer(stream, this.#connections());
    }
    try {
      return bridge(this.#channel, stream, request, this.#attached().connection().channel);
    } catch (error) {
      this.#refuse(stream, error);
      return {};
    }
  }

  async #connections(): Promise<JsonObject> {
    const all = this.#attached().traffic()?.connections() ?? [];
    return { connections: all.slice(-CONNECTIONS_TOLD_MAX) };
  }

  async #attach(id: string): Promise<JsonObject> {
    const box = await this.#boxes.get(id);
    if (box === null) throw new BoxliteError('NotFound', `The box ${id} is not here`);
    const { image } = box.connection();
    this.#box = box;
    const { env, user, workingDir } = image ?? { env: [], user: '', workingDir: '/' };
    return { image: image === null ? null : { env, user, workingDir } };
  }

  /** A box that is not here has been stopped already. */
  async #stop(id: string, timeoutMs: number | null): Promise<JsonObject> {
    await this.#boxes.stop(id, timeoutMs);
    return {};
  }

  async #publish({ port }: JsonObject): Promise<JsonObject> {
    return { port: await this.#attached().publish(parsePort(port)) };
  }

  async #unpublish({ port }: JsonObject): Promise<JsonObject> {
    await this.#attached().unpublish(parsePortName(port));
    return {};
  }

  async #setRules(allowNet: unknown): Promise<JsonObject> {
    this.#attached().setRules(parseAllowNet(allowNet));
    return {};
  }

  #attached(): OwnBox {
    if (this.#box === null) throw new BoxliteError('InvalidState', 'Attach to a box first');
    return this.#box;
  }

  #answer(stream: PortalStream, work: Promise<JsonObject>): StreamHandlers {
    work.then(
      (answer) => {
        this.#channel.accept(stream, answer);
        stream.finish();
      },
      (error: unknown) => this.#refuse(stream, error),
    );
    return {};
  }

  #refuse(stream: PortalStream, error: unknown): void {
    const code = BoxliteError.is(error) ? error.kind : 'Internal';
    this.#channel.reject(stream, { code, message: messageOf(error) });
  }
}
