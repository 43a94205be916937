import type { Duplex } from 'node:stream';
import { type Beginning, readBeginning } from './first-bytes.ts';

/** How long a client may take from the first byte to where it can be told what it speaks. */
const UNDECIDED_MS = 10_000;

/**
 * Reads from a client until it is clear what it speaks, and puts back what it read. A client may wait for the
 * server's word first: `onSilent` is called once if that comes. Null if the client has gone.
 */
export async function beginningOf(
  client: Duplex,
  server: Duplex,
  onSilent: () => void,
): Promise<Beginning | null> {
  // One copy: each small chunk would keep a block of memory.
  let bytes = new Uint8Array();
  let silent = true;
  let deadline = Number.POSITIVE_INFINITY;
  for (;;) {
    const chunk: Uint8Array | null = client.read();
    if (chunk !== null) {
      bytes = Buffer.concat([bytes, chunk]);
      const beginning = readBeginning(bytes);
      if (beginning.kind !== 'more') {
        client.unshift(bytes);
        return beginning;
      }
      deadline = Math.min(deadline, performance.now() + UNDECIDED_MS);
      continue;
    }
    if (client.destroyed || client.errored !== null) return null;
    if (client.readableEnded) return bytes.length === 0 ? null : { kind: 'malformed' };
    if (performance.now() >= deadline) return { kind: 'malformed' };
    const heard = await change(client, silent && bytes.length === 0 ? server : null, deadline);
    if (heard !== server) continue;
    silent = false;
    onSilent();
  }
}

/** Resolves when there may be something new to see, with whose it is; null when the time is up. */
function change(client: Duplex, server: Duplex | null, deadline: number): Promise<Duplex | null> {
  const names = ['readable', 'end', 'close', 'error'];
  return new Promise((resolve) => {
    const left = deadline - performance.now();
    const late = () => done(null);
    const timer = Number.isFinite(left) ? setTimeout(late, Math.max(0, left)).unref() : undefined;
    const onClient = () => done(client);
    const onServer = () => done(server);
    function done(which: Duplex | null) {
      clearTimeout(timer);
      for (const name of names) {
        client.off(name, onClient);
        server?.off(name, onServer);
      }
      resolve(which);
    }
    for (const name of names) {
      client.on(name, onClient);
      server?.on(name, onServer);
    }
  });
}
