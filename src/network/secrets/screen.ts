// pure
/** What a text passes through in which something is replaced, and in which something else must not be. */
import { type Replacement, Replacer } from './replace.ts';

/** What must not be in a text. */
export interface Forbidden {
  readonly needle: Uint8Array;
  readonly name: string;
}

/** A text that had in it what must not be there. */
export class ForbiddenContent extends Error {
  /** Whose placeholder it is. */
  readonly secret: string;

  constructor(secret: string) {
    super(`the placeholder of "${secret}" is in the text`);
    this.secret = secret;
  }
}

/** See the top of this file. Both methods throw {@link ForbiddenContent}. */
export class Screen {
  readonly #replacer: Replacer;
  readonly #watchers: readonly { readonly name: string; readonly watch: Replacer }[];

  /** `growthMax` as a {@link Replacer} has it. */
  constructor(
    replacements: readonly Replacement[],
    forbidden: readonly Forbidden[] = [],
    growthMax?: number,
  ) {
    this.#replacer = new Replacer(replacements, growthMax);
    // What is forbidden is "replaced" by itself, which tells when it was there.
    this.#watchers = forbidden.map(({ needle, name }) => ({
      name,
      watch: new Replacer([{ needle, by: needle }]),
    }));
  }

  /** What can be passed on now. */
  push(chunk: Uint8Array): Buffer {
    this.#look((watch) => watch.push(chunk));
    return this.#replacer.push(chunk);
  }

  /** The rest, once nothing more comes. */
  end(): Buffer {
    this.#look((watch) => watch.end());
    return this.#replacer.end();
  }

  #look(feed: (watch: Replacer) => void): void {
    for (const { name, watch } of this.#watchers) {
      feed(watch);
      if (watch.count > 0) throw new ForbiddenContent(name);
    }
  }
}
