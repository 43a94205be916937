import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for anything on a busy machine; reached only when a test fails. */
export const PATIENCE_MS = 30_000;
const INTERVAL_MS = 20;

/** Polls until `look` gives something that is not null. Says what was waited for if it never does. */
export async function eventually<T>(what: string, look: () => T | null): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
    await sleep(INTERVAL_MS);
  }
}

/** Polls until `left` gives an empty list; otherwise the message names what is left. */
export async function eventuallyNone(what: string, left: () => readonly string[]): Promise<void> {
  let last: readonly string[] = [];
  await eventually('', () => {
    last = left();
    return last.length === 0 ? true : null;
  }).catch(() => {
    throw new Error(`${what}: ${last.join(', ')}`);
  });
}

/** `work`'s outcome; an error if it takes so long that it would hang the tests. */
export async function inTime<T>(what: string, work: Promise<T>, limitMs = PATIENCE_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} takes for ever`)), limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
