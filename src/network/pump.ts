import type { Duplex } from 'node:stream';

/** Joins two streams until both have ended. Each may end first; when one breaks, so does the other. */
export function pump(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => {
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
    from.pipe(to);
  }
}
