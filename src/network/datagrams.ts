/** Carries the datagrams of a box's flow, with an ordinary socket of the host's. */
import { createSocket } from 'node:dgram';
import type { GuestFlow } from './connection.ts';
import { hostAddress, refusalFor } from './dial.ts';

/** Datagrams that wait for their socket. */
const WAITING_MAX = 32;

/** Carries a flow until either side ends it. */
export function carryDatagrams(flow: GuestFlow): void {
  const address = hostAddress(flow.to.address);
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.unref();
  let waiting: Uint8Array[] | null = [];
  let open = true;
  flow.onClosed = () => {
    if (open) socket.close();
    open = false;
  };
  flow.onDatagram = (payload) => {
    if (!open) return;
    if (waiting === null) socket.send(payload, onSent);
    else if (waiting.length < WAITING_MAX) waiting.push(payload.slice());
  };
  const fail = (error: unknown) => {
    if (open) flow.refuse(refusalFor(error));
  };
  const onSent = (error: Error | null) => {
    if (error !== null) fail(error);
  };
  socket.on('error', fail);
  socket.on('message', (payload) => flow.send(payload));
  // Connected, so that nobody else is heard and what the network says of it comes back.
  socket.connect(flow.to.port, address, (error?: Error) => {
    if (!open) return;
    if (error !== undefined) return fail(error);
    for (const payload of waiting ?? []) socket.send(payload, onSent);
    waiting = null;
  });
}
