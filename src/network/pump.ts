import type { Duplex } from 'node:stream';

/** Joins two streams until both have ended. Each may end first; when one breaks, so does the other. */
export function pump(one: Duplex, other: Duplex): void {
  connect(one, other);
  connect(other, one);
}

/**
 * The same with something in between on the way from `one` to `other`, and maybe on the way back. When that breaks,
 * so do both.
 */
export function pumpThrough(one: Duplex, filter: Duplex, other: Duplex, back?: Duplex): void {
  for (const between of [filter, back]) {
    between?.on('error', () => {
      one.destroy();
      other.destroy();
    });
  }
  connect(one, other, filter);
  connect(other, one, back);
}

function connect(from: Duplex, to: Duplex, filter?: Duplex): void {
  from.on('error', () => to.destroy());
  from.on('close', () => {
    if (!from.readableEnded || !from.writableFinished) to.destroy();
  });
  if (filter === undefined) from.pipe(to);
  else from.pipe(filter).pipe(to);
}
