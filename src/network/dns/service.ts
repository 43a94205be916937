/** Answers DNS by UDP and by TCP, as RFC 7766 has it. */
import type { Duplex } from 'node:stream';
import type { GuestFlow } from '../connection.ts';
import { fitted } from './message.ts';
import type { Resolver } from './resolver.ts';
import { framed, messagesOf } from './upstream.ts';

/** Questions of one flow or connection that are answered at once; more are dropped, or wait. */
const PENDING_MAX = 64;

/** Answers each datagram of a flow. */
export function serveDatagrams(flow: GuestFlow, resolver: Resolver): void {
  let pending = 0;
  let open = true;
  flow.onClosed = () => {
    open = false;
  };
  flow.onDatagram = async (message) => {
    // As a server under load does; whoever asked asks again.
    if (pending >= PENDING_MAX) return;
    pending++;
    try {
      const found = await resolver.resolve(message);
      if (found === null || !open) return;
      flow.send(found.query === null ? found.answer : fitted(found.answer, found.query));
    } finally {
      pending--;
    }
  };
}

/** Answers each message of a connection, in order. */
export async function serveStream(stream: Duplex, resolver: Resolver): Promise<void> {
  stream.on('error', () => undefined);
  try {
    for await (const message of messagesOf(stream)) {
      const found = await resolver.resolve(message);
      if (found !== null && !stream.write(framed(found.answer))) await drained(stream);
    }
    stream.end();
  } catch {
    stream.destroy();
  }
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}
