/** The change from HTTP/1.1 to the WebSocket protocol (RFC 6455), after which bytes pass as they are. */
import { type ClientRequest, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { pump, pumpThrough } from '../pump.ts';
import type { Substitution } from '../secrets/substitution.ts';
import { replacing } from './body.ts';
import { endToEnd } from './fields.ts';
import type { HttpLeg } from './leg.ts';

/** A request for it on its way. */
export interface Upgrade {
  readonly outgoing: ClientRequest;
  readonly socket: Duplex;
  /** What the box sent behind it. */
  readonly head: Buffer;
  readonly leg: HttpLeg;
  readonly substitution: Substitution | null;
}

/** Sends the request, and joins both ends if the server agrees. Another answer is the caller's to pass on. */
export function joinWebSocket(upgrade: Upgrade): void {
  const { outgoing, socket, head, substitution } = upgrade;
  outgoing.on('upgrade', (answer, server, behind) => {
    const fields = [
      ...endToEnd(answer.rawHeaders),
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
    ];
    socket.write(headText(answer.statusCode, substitution?.responseFields(fields) ?? fields));
    server.unshift(behind);
    socket.unshift(head);
    if (substitution?.any !== true) return pump(socket, server);
    watch(upgrade, server);
  });
  outgoing.on('error', () => socket.destroy());
  outgoing.end();
}

/**
 * A server's frames are not masked, and not compressed since we did not offer that: a value in them is seen. It
 * cannot be replaced, as a frame says its length in front, so the connection ends before it.
 */
function watch({ leg, socket, substitution }: Upgrade, server: Duplex): void {
  const forbidden = (substitution?.response() ?? []).map(({ needle }) => ({ needle, name: '' }));
  const filter = replacing([], forbidden);
  filter.on('error', () => {
    const message = 'the server sent a secret back on a WebSocket; the connection was ended';
    leg.onRefused(null, 'secret-not-allowed', message);
  });
  pumpThrough(server, filter, socket);
}

function headText(status = 101, fields: readonly string[]): Buffer {
  const lines = fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]}`] : []));
  const start = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
  return Buffer.from(`${[start, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
}
