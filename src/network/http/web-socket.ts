/**
 * The change from HTTP/1.1 to the WebSocket protocol (RFC 6455). Of a box without secrets the bytes behind it pass as
 * they are. Else its text messages get the values, as bodies do, and everything that comes back the placeholders.
 */
import { type ClientRequest, STATUS_CODES } from 'node:http';
import { type Duplex, Transform } from 'node:stream';
import { pump, pumpThrough } from '../pump.ts';
import { ForbiddenContent } from '../secrets/screen.ts';
import type { Substitution } from '../secrets/substitution.ts';
import type { GatherBudget } from './body.ts';
import { endToEnd, without } from './fields.ts';
import { type HttpLeg, refusalText } from './leg.ts';
import { closeFrame, closeReasons, FrameBreach, opcodes } from './web-socket-frames.ts';
import { MessageRewriter } from './web-socket-messages.ts';
import { TextMessage } from './web-socket-text.ts';

/** The field by which both agree on extensions, such as compression. */
export const EXTENSIONS = 'sec-websocket-extensions';

/** A request for it on its way. */
export interface Upgrade {
  readonly outgoing: ClientRequest;
  readonly socket: Duplex;
  /** What the box sent behind it. */
  readonly head: Buffer;
  readonly leg: HttpLeg;
  readonly substitution: Substitution | null;
  readonly gathering: GatherBudget;
  /** Reports that a secret's placeholder was sent where it has no business; the message. */
  readonly refuseSecret: (secret: string) => string;
}

/** Sends the request, and joins both ends if the server agrees. Another answer is the caller's to pass on. */
export function joinWebSocket(upgrade: Upgrade): void {
  const { outgoing, socket, head, substitution } = upgrade;
  outgoing.on('upgrade', (answer, server, behind) => {
    const fields = [
      ...endToEnd(answer.rawHeaders),
      ...['Connection', 'Upgrade', 'Upgrade', 'websocket'],
    ];
    const kept =
      substitution === null
        ? fields
        : without(substitution.responseFields(fields), (name) => name === EXTENSIONS);
    socket.write(headText(answer.statusCode, kept));
    server.unshift(behind);
    socket.unshift(head);
    if (substitution === null) return pump(socket, server);
    rewrite(upgrade, substitution, server);
  });
  outgoing.on('error', () => socket.destroy());
  outgoing.end();
}

/** Joins them with both directions rewritten, until one says what may not pass: then both are ended in order. */
function rewrite(upgrade: Upgrade, substitution: Substitution, server: Duplex): void {
  const { leg, socket, gathering } = upgrade;
  const room = (bytes: number) => gathering.take(bytes);
  const there = new MessageRewriter({
    masked: true,
    filterFor: (opcode) => (opcode === opcodes.text ? new TextMessage(substitution) : null),
    room,
  });
  const back = new MessageRewriter({
    masked: false,
    filterFor: () => substitution.responseScreen(),
    room,
  });
  let over = false;
  const rewriting = (rewriter: MessageRewriter, onBreach: (breach: FrameBreach) => string) =>
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        if (over) return done();
        try {
          this.push(rewriter.push(chunk));
        } catch (error) {
          over = true;
          if (error instanceof ForbiddenContent) end('policy', upgrade.refuseSecret(error.secret));
          else if (error instanceof FrameBreach) end('protocol', onBreach(error));
          else return done(error as Error);
        }
        done();
      },
      destroy(error, done) {
        rewriter[Symbol.dispose]();
        done(error);
      },
    });
  const toServer = rewriting(there, (breach) => malformed(leg, breach));
  const toBox = rewriting(back, (breach) => unreadable(leg, breach));
  // What the box was sent by now are whole frames.
  function end(why: keyof typeof closeReasons, message: string): void {
    toBox.unpipe(socket);
    toBox.resume();
    socket.end(closeFrame(closeReasons[why], refusalText(message).trim()));
    toServer.push(null);
  }
  pumpThrough(socket, toServer, server, toBox);
}

/** Reports what the box sent; the message. */
function malformed(leg: HttpLeg, breach: FrameBreach): string {
  const message = `the box sent what is no WebSocket frame: ${breach.message}`;
  leg.onRefused(null, 'malformed', message);
  return message;
}

/** Reports what the server sent; the message. */
function unreadable(leg: HttpLeg, breach: FrameBreach): string {
  const message = `the server sent what is no WebSocket frame: ${breach.message}`;
  leg.onRefused(null, 'response-unreadable', message);
  return message;
}

function headText(status = 101, fields: readonly string[]): Buffer {
  const lines = fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]}`] : []));
  const start = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
  return Buffer.from(`${[start, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
}
