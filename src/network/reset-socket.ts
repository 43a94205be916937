import type { Socket } from 'node:net';

/**
 * Ends a connection with a RST, so that its client does not take what it got for all there is. One that is being
 * shut down is only closed: libuv refuses to reset it, and Node then never closes it, and waits for it when it exits.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
