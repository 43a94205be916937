import type { Socket } from 'node:net';
import type { BoxliteError } from '../base/errors.ts';
import type { BoxConnection, Dial, DialTarget } from '../spec/parts.ts';
import { GatheredWrites } from './gathered-writes.ts';
import { resetSocket } from './reset-socket.ts';

/** Bytes read from a client that wait for the box, before no more are read. */
const PENDING_BYTES_MAX = 256 * 1024;
/** A client that has vanished without a word is noticed, so that it does not hold its place for ever. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Carries one client's connection to a service in the box: bytes, the end of either direction on its own, and resets.
 * Whichever side is slow slows the other one. `over` is called once, when nothing of it is left.
 */
export function relay(client: Socket, dial: Dial, target: DialTarget, over: () => void): void {
  let closed = false;
  let gone = false;
  const ended = () => {
    if (closed && gone) over();
  };
  const toClient = new GatheredWrites(client, (bytes) => service.consumed(bytes));
  const service = dial(target, {
    data: (piece) => toClient.push(piece),
    end: () => toClient.end(),
    closed: (reason) => {
      closed = true;
      finishClient(client, reason);
      ended();
    },
  });
  client.once('close', (failed) => {
    gone = true;
    if (failed || !client.readableEnded) service.reset(CLIENT_GONE);
    ended();
  });
  client.setNoDelay(true);
  client.setKeepAlive(true, KEEP_ALIVE_MS);
  pump(client, service);
}

const CLIENT_GONE = { code: 'reset', message: 'the client has gone' };

/** Reads from the client as fast as the box takes it. */
function pump(client: Socket, service: BoxConnection): void {
  let pending = 0;
  client.on('data', (chunk: Uint8Array) => {
    pending += chunk.length;
    if (pending >= PENDING_BYTES_MAX) client.pause();
    const left = () => {
      pending -= chunk.length;
      if (pending < PENDING_BYTES_MAX) client.resume();
    };
    // A service that has gone is told of by its close.
    service.write(chunk).then(left, () => undefined);
  });
  client.once('end', () => service.end());
  client.resume();
}

/** The service has closed, or there was none: a client that waits for more is told. */
function finishClient(client: Socket, reason: BoxliteError | null): void {
  if (reason !== null) resetSocket(client);
  // Both have ended; a hostile box may say so without having waited for it.
  else client.destroySoon();
}
