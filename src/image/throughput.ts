/** Gives up on a sender that is far too slow, but never because the receiver is. */

import { TimedOut } from './network-error.ts';

/** At least so many bytes must come in each such time of waiting. */
export interface Pace {
  readonly bytes: number;
  readonly windowMs: number;
}

/**
 * The chunks of `source`, which `stop` ends when they come too slowly. Only time spent waiting for
 * the sender counts.
 */
export async function* paced(
  source: AsyncIterable<Uint8Array>,
  pace: Pace,
  stop: (error: Error) => void,
): AsyncGenerator<Uint8Array> {
  let waiting = false;
  let waitedMs = 0;
  let bytes = 0;
  const timer = setTimeout(() => {
    if (waiting) stop(tooSlow(bytes, pace));
  }, pace.windowMs);
  const wait = () => {
    waiting = true;
    timer.refresh();
    return performance.now();
  };
  try {
    let since = wait();
    for await (const chunk of source) {
      waiting = false;
      waitedMs += performance.now() - since;
      bytes += chunk.length;
      if (waitedMs >= pace.windowMs) {
        if (bytes < pace.bytes) throw tooSlow(bytes, pace);
        waitedMs = 0;
        bytes = 0;
      }
      yield chunk;
      since = wait();
    }
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow(bytes: number, pace: Pace): TimedOut {
  return new TimedOut(`it stalled: ${bytes} bytes in ${pace.windowMs / 1000} s`);
}
