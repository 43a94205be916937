import { constants } from 'node:os';
import { onSignals } from './streams.ts';

/** Somebody has ended us in the middle of something, as with Ctrl-C: there is nothing to say of it. */
export class Interrupted extends Error {
  /** To exit with, as the shell tells of a program that a signal has ended. */
  readonly status: number;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.status = 128 + constants.signals[signal];
  }
}

/**
 * Work that takes long before there is a command to pass signals on to: the first one aborts it, so that nothing is left
 * of it; the next ends us at once.
 * @throws Interrupted
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = onSignals((signal) => {
    stop();
    controller.abort(new Interrupted(signal));
  });
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    stop();
  }
}
