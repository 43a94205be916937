// pure
/** Reads `WWW-Authenticate`: how a registry wants its clients to identify (RFC 9110, 11.6.1). */

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const HEADER_CHARS_MAX = 8 * 1024;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[\t ]+/y;
const SEPARATOR = /[\t ]*(?:,[\t ]*)+/y;
const EQUALS = /[\t ]*=[\t ]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
/** The other form a challenge can have, which no registry uses: one opaque value. */
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[\t ]*(?:,|$))/y;

/** The challenges in a header, in order. What cannot be read ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const scanner = new Scanner(header.slice(0, HEADER_CHARS_MAX));
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (;;) {
    scanner.take(SEPARATOR);
    const name = scanner.take(TOKEN);
    if (name === null) return challenges;
    const current = challenges.at(-1);
    // A name with a value belongs to the challenge before it; a name alone begins the next one.
    if (current !== undefined && scanner.take(EQUALS) !== null) {
      const value = scanner.take(QUOTED) ?? scanner.take(TOKEN);
      if (value === null) return challenges;
      current.parameters.set(name.toLowerCase(), unquote(value));
      continue;
    }
    challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
    if (scanner.take(SPACE) !== null) scanner.take(TOKEN68);
  }
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** What the sticky pattern matches here, which is then behind us; else null. */
  take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    if (match === undefined) return null;
    this.#at += match.length;
    return match;
  }
}
