import { randomBytes, randomInt } from 'node:crypto';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE62_ID = /^[0-9A-Za-z]{12}$/;
/** Crockford's Base32 as ULIDs use it: no I, L, O, U; the first digit keeps the value within 128 bits. */
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const CONTAINER_ID = /^[0-9a-f]{64}$/;

/** The identifier of a box: 12 characters of Base62 (71 bits), or an older 26-character ULID. */
export class BoxID {
  readonly #value: string;

  private constructor(value: string) {
    this.#value = value;
  }

  /** A new id, the same as {@link BoxIDMint.mint} makes. */
  static new(): BoxID {
    return BoxIDMint.mint();
  }

  /** The id a text spells, or null if it spells none. */
  static parse(text: string): BoxID | null {
    return BASE62_ID.test(text) || ULID.test(text) ? new BoxID(text) : null;
  }

  asStr(): string {
    return this.#value;
  }
  /** The first 8 characters, for people. */
  short(): string {
    return this.#value.slice(0, 8);
  }
  toString(): string {
    return this.#value;
  }
  toJSON(): string {
    return this.#value;
  }
}

/** Makes new box ids. */
export const BoxIDMint = {
  mint(): BoxID {
    let text = '';
    for (let i = 0; i < 12; i++) text += BASE62[randomInt(BASE62.length)];
    const id = BoxID.parse(text);
    if (id === null) throw new Error(`minted an id that does not parse: "${text}"`);
    return id;
  },
};

/** The identifier of the container in a box: 64 lower-case hexadecimal digits, as OCI runtimes use. */
export class ContainerID {
  readonly #value: string;

  /** A fresh random id, or the given one. @throws RangeError if `value` is not an id. */
  constructor(value: string = randomBytes(32).toString('hex')) {
    if (!ContainerID.isValid(value)) {
      throw new RangeError(
        `ContainerID: expected 64 lower-case hexadecimal digits, got "${value}"`,
      );
    }
    this.#value = value;
  }

  static new(): ContainerID {
    return new ContainerID();
  }
  static isValid(text: string): boolean {
    return CONTAINER_ID.test(text);
  }

  asStr(): string {
    return this.#value;
  }
  /** The first 12 digits, for people. */
  short(): string {
    return this.#value.slice(0, 12);
  }
  toString(): string {
    return this.#value;
  }
  toJSON(): string {
    return this.#value;
  }
}
