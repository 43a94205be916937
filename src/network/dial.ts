/** Connects to what a box may reach, with an ordinary socket of the host's. */
import { connect, type Socket } from 'node:net';
import { systemCode } from '../base/errors.ts';
import { HOST_ALIAS } from './addresses.ts';
import type { Endpoint, RefusalKind } from './connection.ts';

/** Where an address of a box's leads on the host. */
export function hostAddress(address: string): string {
  if (address === HOST_ALIAS.v4) return '127.0.0.1';
  return address === HOST_ALIAS.v6 ? '::1' : address;
}

/** Resolves when it is connected. It keeps no program from ending. @throws the system's error */
export async function dial(to: Endpoint, signal: AbortSignal): Promise<Socket> {
  const socket = connect({
    host: hostAddress(to.address),
    port: to.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    signal,
  });
  socket.unref();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  socket.once('error', reject);
  try {
    await promise;
    // Later ones come as its closing.
    socket.on('error', () => undefined);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    socket.off('error', reject);
  }
}

/** What a box is told of a connection that failed on the host. */
export function refusalFor(error: unknown): RefusalKind {
  switch (systemCode(error)) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'reset';
    case 'ETIMEDOUT':
      return 'silence';
    default:
      return 'unreachable';
  }
}
