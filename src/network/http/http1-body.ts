/** Bodies and trailers of HTTP/1 on their way, as Node has them. */
import type { IncomingMessage, OutgoingMessage } from 'node:http';
import { type Duplex, pipeline, type Readable, type Writable } from 'node:stream';
import { trailersOf } from './fields.ts';

/** As the message says; null if it does not. */
export function lengthOf({ headers }: IncomingMessage): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : Number(length);
}

/** From one end to the other, trailers too, of which `clean` makes what may pass or throws. */
export function through(
  from: IncomingMessage,
  steps: Duplex[],
  to: OutgoingMessage,
  clean: (trailers: string[]) => string[],
): Promise<void> {
  const streams: (Readable | Writable | Duplex)[] = [from, ...steps, to];
  return new Promise((resolve, reject) => {
    from.once('end', () => {
      try {
        if (from.rawTrailers.length > 0) to.addTrailers(pairs(clean(trailersOf(from.rawTrailers))));
      } catch (error) {
        // First, as what comes of the end is no reason.
        reject(error);
        to.destroy();
      }
    });
    pipeline(streams as [Readable, Writable], (error) =>
      error === null || error === undefined ? resolve() : reject(error),
    );
  });
}

function pairs(fields: readonly string[]): [string, string][] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []));
}
