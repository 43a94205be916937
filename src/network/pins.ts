// pure
/** Which names were resolved to which addresses, for the connections that follow. The caller has the clock. */

/** Answers that are remembered at once. */
const PINS_MAX = 8_192;
/** Programs use an answer for some time whatever it says; the same for all that connects at once. */
const LIFETIME_MS_MIN = 60_000;
const LIFETIME_MS_MAX = 3_600_000;

/** See the top of this file. */
export class NamePins {
  /** When each name of each address ends, in ms; `address name` -> time, the oldest pin first. */
  readonly #ends = new Map<string, number>();
  readonly #names = new Map<string, Set<string>>();

  /** Remembers that `name` was resolved to `address`, as long as the answer says and a minute at least. */
  add(name: string, address: string, ttlSeconds: number, now: number): void {
    const lifetime = Math.min(Math.max(ttlSeconds * 1_000, LIFETIME_MS_MIN), LIFETIME_MS_MAX);
    const key = keyOf(name, address);
    const end = Math.max(this.#ends.get(key) ?? 0, now + lifetime);
    this.#ends.delete(key);
    this.#ends.set(key, end);
    const names = this.#names.get(address) ?? new Set();
    this.#names.set(address, names.add(name));
    const oldest = this.#ends.size > PINS_MAX ? this.#ends.keys().next().value : undefined;
    if (oldest !== undefined) this.#delete(oldest);
  }

  /** The names that `address` is the answer for. */
  namesOf(address: string, now: number): string[] {
    const names = [...(this.#names.get(address) ?? [])];
    const over = names.filter((name) => (this.#ends.get(keyOf(name, address)) ?? 0) <= now);
    for (const name of over) this.#delete(keyOf(name, address));
    return names.filter((name) => !over.includes(name));
  }

  #delete(key: string): void {
    this.#ends.delete(key);
    const [address = '', name = ''] = key.split(' ');
    const names = this.#names.get(address);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(address);
  }
}

/** Neither has a space. */
function keyOf(name: string, address: string): string {
  return `${address} ${name}`;
}
