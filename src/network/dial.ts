/** Connects to what a box may reach, with an ordinary socket of the host's. */
import { connect, type Socket } from 'node:net';
import type { Endpoint } from './connection.ts';

/** Resolves when it is connected. It keeps no program from ending. @throws the system's error */
export async function dial({ address, port }: Endpoint, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({
    host: address,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
  });
  socket.unref();
  const onAbort = () => socket.destroy(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  // Later ones come as its closing.
  socket.on('error', reject);
  socket.once('close', reject);
  try {
    await promise;
    return socket;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
