/** Tries again what may well succeed in a moment: later each time, and not for ever. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { answerOf, isTransient } from './network-error.ts';

export interface RetryPolicy {
  /** Tries in a row that may fail. */
  readonly attempts: number;
  /** The pause after the first failure; it doubles with each. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
  /** A registry that asks to wait longer than this is not waited for. */
  readonly retryAfterMsMax: number;
}

export const RETRY_POLICY: RetryPolicy = {
  attempts: 5,
  pauseMs: 250,
  pauseMsMax: 8_000,
  retryAfterMsMax: 60_000,
};

/** Counts the failures of one piece of work and pauses between its tries. */
export class Retries {
  readonly #policy: RetryPolicy;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;

  constructor(policy: RetryPolicy, signal?: AbortSignal) {
    this.#policy = policy;
    this.#signal = signal;
  }

  /** The work got on: the count starts anew. */
  progress(): void {
    this.#failures = 0;
  }

  /** Returns when it is time for the next try. @throws `error` itself if there is to be none. */
  async pause(error: unknown): Promise<void> {
    this.#failures += 1;
    if (!isTransient(error)) throw error;
    if (this.#failures >= this.#policy.attempts) throw afterTries(error, this.#failures);
    const asked = answerOf(error)?.retryAfterMs ?? 0;
    if (asked > this.#policy.retryAfterMsMax) throw error;
    const pause = Math.max(asked, backoffMs(this.#policy, this.#failures, Math.random()));
    await sleep(pause, undefined, this.#signal ? { signal: this.#signal } : {}).catch((cause) => {
      this.#signal?.throwIfAborted();
      throw cause;
    });
  }
}

/** The pause after the n-th failure, n from 1. `random` of 0..1 spreads clients that failed together. */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  const full = Math.min(policy.pauseMs * 2 ** (failures - 1), policy.pauseMsMax);
  return full * (0.5 + random / 2);
}

/** The wait that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date), or null. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

function afterTries(error: unknown, tries: number): unknown {
  if (!BoxliteError.is(error) || tries < 2) return error;
  return new BoxliteError(error.kind, `${messageOf(error)} (tried ${tries} times)`, {
    cause: error.cause,
  });
}
