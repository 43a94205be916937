// pure
import type { DnsAnswer, DnsQuestion } from './message.ts';

/** Answers kept at once. With the largest message of each, some megabytes. */
const ENTRIES_MAX = 1_024;
/** Bytes of all of them. */
const BYTES_MAX = 4 * 1024 * 1024;
/** However long an answer says that it holds. */
const TTL_SECONDS_MAX = 3_600;

/** An answer and since when it is known. */
export interface CachedAnswer {
  readonly message: Uint8Array;
  readonly answer: DnsAnswer;
  /** In ms, by the caller's clock. */
  readonly since: number;
}

/** Answers of the host's servers, as long as they hold. The caller has the clock. */
export class DnsCache {
  readonly #entries = new Map<string, CachedAnswer>();
  #bytes = 0;

  /** Null if there is none that still holds. */
  get(question: DnsQuestion, now: number): CachedAnswer | null {
    const key = keyOf(question);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (now < entry.since + lifetimeMs(entry.answer)) return entry;
    this.#delete(key);
    return null;
  }

  put(question: DnsQuestion, entry: CachedAnswer): void {
    if (lifetimeMs(entry.answer) === 0) return;
    const key = keyOf(question);
    this.#delete(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.message.length;
    // The one that came first goes first.
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES_MAX && this.#bytes <= BYTES_MAX) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.message.length ?? 0;
    this.#entries.delete(key);
  }
}

/** An answer without any record has no time to live, and is not kept. */
function lifetimeMs({ ttlSeconds }: DnsAnswer): number {
  return Math.min(ttlSeconds ?? 0, TTL_SECONDS_MAX) * 1_000;
}

function keyOf({ name, type, class: kind }: DnsQuestion): string {
  return `${name} ${type} ${kind}`;
}
