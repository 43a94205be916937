/**
 * Ends the TLS of a connection to a secret's host: a session with the server, whose certificate is verified, and one
 * with the box, which speaks the protocol that the server has chosen.
 */
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { ServerIdentity } from './authority.ts';

/** What can be searched. Others are not offered to the server. */
const PROTOCOLS: readonly string[] = ['h2', 'http/1.1'];

/** The server, and what the box asked of it. */
export interface ServerSession {
  readonly host: string;
  readonly protocols: readonly string[];
}

/** @throws the error of the handshake: of a certificate, or of the network */
export async function openServer(
  socket: Socket,
  { host, protocols }: ServerSession,
): Promise<TLSSocket> {
  const offered = protocols.filter((protocol) => PROTOCOLS.includes(protocol));
  // Without options of ours: what Node verifies by default, by its roots, is verified.
  const upstream = connect({
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(offered.length > 0 ? { ALPNProtocols: offered } : {}),
  });
  await secured(upstream);
  return upstream;
}

/** @throws the error of the handshake, such as that the box does not trust its authority */
export async function openGuest(
  guest: Duplex,
  identity: ServerIdentity,
  protocol: string,
): Promise<TLSSocket> {
  const server = createServer({ ...identity, ALPNProtocols: [protocol] });
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  server.once('secureConnection', resolve);
  server.once('tlsClientError', reject);
  // It listens nowhere: this is all that ever comes.
  server.emit('connection', guest);
  return await promise;
}

async function secured(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(new Error('the connection was closed during the TLS handshake'));
  socket.once('secureConnect', resolve);
  socket.once('error', reject);
  socket.once('close', onClose);
  // What fails later is told of by its close, also to nobody.
  socket.on('error', () => undefined);
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    socket.off('error', reject);
    socket.off('close', onClose);
  }
}
