/** Servers of the host, in a process of their own, so that they take no turn of the box's owner. */
import { once } from 'node:events';
import {
  createServer as createWebServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import { report } from '../child.ts';

const BACKLOG = 4096;
const PIECE = Buffer.alloc(256 * 1024, 'boxlite ');
/** What a small HTTP exchange brings. */
const PAGE = 'x'.repeat(200);

/** Told once everything listens: ports on 127.0.0.1. */
export interface Serving {
  /** Takes what it is sent. */
  readonly sink: number;
  /** Sends as many MiB as it was told to in a line. */
  readonly source: number;
  readonly echo: number;
  readonly web: number;
  /** HTTPS by that authority: so many MiB as the path says; takes what it is sent. */
  readonly secure: number;
  readonly authority: string;
}

/** Told for each stream: how many bytes passed, in how many ms. */
export interface Streamed {
  readonly bytes: number;
  readonly ms: number;
}

const authority = new CertificateAuthority('BoxLite bench');
const sink = createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0;
  let started: number | null = null;
  socket.on('data', (piece) => {
    started ??= performance.now();
    bytes += piece.length;
  });
  socket.once('end', () => {
    socket.end();
    report({ bytes, ms: performance.now() - (started ?? 0) } satisfies Streamed);
  });
});
const source = createServer({ allowHalfOpen: true }, async (socket) => {
  const [line] = await once(socket, 'data');
  const bytes = Number(line) * 1024 * 1024;
  const started = performance.now();
  for (let sent = 0; sent < bytes; sent += PIECE.length) {
    if (!socket.write(PIECE)) await once(socket, 'drain');
  }
  socket.end();
  // The client ends when it has read everything.
  await once(socket, 'end');
  report({ bytes, ms: performance.now() - started } satisfies Streamed);
});
const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
const web = createWebServer((_request, response) => response.end(PAGE));
const secure = createSecureServer(authority.identityFor(HOST_ALIAS_NAME), answerSecurely);

const [sinkPort, sourcePort, echoPort, webPort, securePort] = await Promise.all(
  [sink, source, echo, web, secure].map(listen),
);
report({
  sink: sinkPort ?? 0,
  source: sourcePort ?? 0,
  echo: echoPort ?? 0,
  web: webPort ?? 0,
  secure: securePort ?? 0,
  authority: authority.pem,
} satisfies Serving);
// The bench ends this by letting go of it.
process.once('disconnect', () => process.exit());

async function listen(server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => socket.on('error', () => undefined));
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function answerSecurely(request: IncomingMessage, response: ServerResponse): void {
  const pieces = Number(request.url?.slice(1)) * 4;
  request.resume();
  request.once('end', () => {
    response.setHeader('Content-Type', 'text/plain');
    pipeline(Readable.from(Array(pieces).fill(PIECE)), response, () => undefined);
  });
}
