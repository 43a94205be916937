// pure
/** Replaces byte strings in a stream, wherever it is cut, and holds back no more than what may be the start of one. */

/** What is looked for, and what comes in its place. */
export interface Replacement {
  readonly needle: Uint8Array;
  readonly by: Uint8Array;
}

/** See the top of this file. Of needles at the same place the longest counts. */
export class Replacer {
  readonly #replacements: readonly Replacement[];
  readonly #longest: number;
  /** By how many bytes more it may become longer. */
  #growth: number;
  #held: Buffer = Buffer.alloc(0);
  /** How often something was replaced. */
  count = 0;

  /** From where it would become longer by more than `growthMax` bytes, it is left as it is. */
  constructor(replacements: readonly Replacement[], growthMax = Number.POSITIVE_INFINITY) {
    this.#growth = growthMax;
    const real = replacements.filter(({ needle }) => needle.length > 0);
    this.#replacements = real.toSorted((a, b) => b.needle.length - a.needle.length);
    this.#longest = this.#replacements[0]?.needle.length ?? 0;
  }

  /** What can be passed on now. */
  push(chunk: Uint8Array): Buffer {
    const bytes = this.#held.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#held, chunk]);
    const { out, rest } = this.#replace(bytes, false);
    // A copy: the piece that it is the end of need not be kept for it.
    this.#held = Buffer.from(rest);
    return out;
  }

  /** The rest, once nothing more comes. */
  end(): Buffer {
    const { out } = this.#replace(this.#held, true);
    this.#held = Buffer.alloc(0);
    return out;
  }

  #replace(bytes: Buffer, last: boolean): { out: Buffer; rest: Buffer } {
    const parts: Buffer[] = [];
    const next = this.#replacements.map(({ needle }) => bytes.indexOf(needle));
    let from = 0;
    for (;;) {
      const open = last ? bytes.length : this.#openFrom(bytes, from);
      let found = -1;
      for (const [i, { needle }] of this.#replacements.entries()) {
        let at = next[i] ?? -1;
        if (at >= 0 && at < from) {
          at = bytes.indexOf(needle, from);
          next[i] = at;
        }
        if (at >= 0 && at < (found < 0 ? open : (next[found] ?? open))) found = i;
      }
      const match = this.#replacements[found];
      if (match === undefined || growthOf(match) > this.#growth) {
        parts.push(bytes.subarray(from, open));
        return { out: joined(parts), rest: bytes.subarray(open) };
      }
      const at = next[found] ?? 0;
      parts.push(bytes.subarray(from, at), asBuffer(match.by));
      from = at + match.needle.length;
      this.#growth -= growthOf(match);
      this.count++;
    }
  }

  /** Where a needle may have begun that has not all come yet. */
  #openFrom(bytes: Buffer, from: number): number {
    for (let at = Math.max(from, bytes.length - this.#longest + 1); at < bytes.length; at++) {
      const left = bytes.length - at;
      const begun = this.#replacements.some(
        ({ needle }) => needle.length > left && startsWith(needle, bytes, at, left),
      );
      if (begun) return at;
    }
    return bytes.length;
  }
}

/** All of a text at once. */
export function replaceAll(bytes: Uint8Array, replacements: readonly Replacement[]): Buffer {
  const replacer = new Replacer(replacements);
  return Buffer.concat([replacer.push(bytes), replacer.end()]);
}

function growthOf({ needle, by }: Replacement): number {
  return by.length - needle.length;
}

function startsWith(needle: Uint8Array, bytes: Buffer, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (needle[i] !== bytes[at + i]) return false;
  return true;
}

function joined(parts: readonly Buffer[]): Buffer {
  const filled = parts.filter((part) => part.length > 0);
  return filled.length === 1 && filled[0] !== undefined ? filled[0] : Buffer.concat(filled);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
