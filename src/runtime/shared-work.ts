import { orAborted } from '../base/or-aborted.ts';

/** Work that several wait for, such as a boot: it is given up when the last of them does not want it any more. */
export class SharedWork<T> {
  readonly #control = new AbortController();
  readonly #outcome: Promise<T>;
  #waiters = 0;
  #state: 'going on' | 'done' | 'failed' = 'going on';

  /** Starts the work, which has to end soon once its signal aborts. */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#outcome = work(this.#control.signal);
    // There may be nobody who waits when it fails.
    this.#outcome.then(
      () => {
        this.#state = 'done';
      },
      () => {
        this.#state = 'failed';
      },
    );
  }

  /** Whether it was given up before it was done. Whoever comes later has to start it anew. */
  get cancelled(): boolean {
    // Work that was all but done may not have heard of it.
    return this.#control.signal.aborted && this.#state !== 'done';
  }

  /**
   * What it comes to, or the signal's reason if that is sooner; the last to leave sees to it that
   * nothing of it goes on.
   */
  async wait(signal?: AbortSignal): Promise<T> {
    this.#waiters++;
    try {
      return await orAborted(this.#outcome, signal);
    } catch (error) {
      if (signal?.aborted === true && this.#waiters === 1) await this.cancel(signal.reason);
      throw error;
    } finally {
      this.#waiters--;
    }
  }

  /** Gives it up for everybody; resolves when it has ended, whatever it came to. */
  async cancel(reason: unknown): Promise<void> {
    if (this.#state === 'going on') this.#control.abort(reason);
    await this.#outcome.catch(() => undefined);
  }
}
