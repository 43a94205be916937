import type { Duplex } from 'node:stream';
import { BoxliteError } from '../base/errors.ts';
import type { Mailbox } from '../spec/parts.ts';
import { Channel, type Turn } from './channel.ts';
import { SocketLink } from './link.ts';
import { MailboxLink } from './mailbox-link.ts';
import type { Hello, JsonObject } from './messages.ts';

/** What a portal needs besides its wire. */
export interface PortalOptions {
  readonly mailbox: Mailbox | null;
  /** Told to the guest. */
  readonly build: string;
  /** Default: `second`. */
  readonly turn?: Turn | undefined;
  /** Called once, when the wire has ended or the guest has broken the protocol. */
  readonly onFailed: (reason: BoxliteError) => void;
  /** Asked when the wire has ended: what happened at its other end. */
  readonly whyEnded: () => Promise<string>;
}

/** The host's end of a box's wire. */
export class Portal {
  readonly channel: Channel;
  /** What the guest said of itself; rejects if it never spoke. */
  readonly hello: Promise<Hello>;
  readonly #wire: Duplex;

  constructor(wire: Duplex, options: PortalOptions) {
    this.#wire = wire;
    const said = Promise.withResolvers<Hello>();
    // Nobody may be waiting when the wire breaks.
    said.promise.catch(() => undefined);
    this.hello = said.promise;
    const flush = () => this.channel.flush();
    const { mailbox } = options;
    const link =
      mailbox === null ? new SocketLink(wire, flush) : new MailboxLink(wire, mailbox, flush);
    this.channel = new Channel({
      role: 'host',
      link,
      build: options.build,
      turn: options.turn,
      events: {
        ready: (peer) => said.resolve(peer),
        failed: (reason) => {
          said.reject(reason);
          wire.destroy();
          options.onFailed(reason);
        },
      },
    });
    wire.on('data', (chunk: Uint8Array) => this.channel.receive(chunk));
    // A broken socket is told of by its close; what has broken on our side says so itself.
    wire.on('error', (error) => {
      if (BoxliteError.is(error)) this.channel.fail(error);
    });
    wire.on('close', async () => {
      this.channel.fail(new BoxliteError('Portal', `The wire ended: ${await options.whyEnded()}`));
    });
  }

  /** Asks for a service that only answers. @throws BoxliteError if it refuses or the wire breaks. */
  ask(request: JsonObject): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      this.channel.open(request, {
        accepted: resolve,
        closed: (reason) =>
          reject(reason ?? new BoxliteError('Portal', 'The guest ended a request unanswered')),
      });
    });
  }

  /** Ends the connection at once. */
  close(reason: BoxliteError): void {
    this.channel.fail(reason);
    this.#wire.destroy();
  }
}
