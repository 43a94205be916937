const KIB = 1024;
const MIB = KIB * 1024;
const GIB = MIB * 1024;

/** A number of bytes that cannot be mistaken for another unit. */
export class Bytes {
  readonly #bytes: number;

  private constructor(bytes: number) {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new RangeError(`Bytes: expected a whole number >= 0, got ${bytes}`);
    }
    this.#bytes = bytes;
  }

  static fromBytes(bytes: number): Bytes {
    return new Bytes(bytes);
  }
  static fromKib(kib: number): Bytes {
    return new Bytes(kib * KIB);
  }
  static fromMib(mib: number): Bytes {
    return new Bytes(mib * MIB);
  }
  static fromGib(gib: number): Bytes {
    return new Bytes(gib * GIB);
  }

  asBytes(): number {
    return this.#bytes;
  }
  /** Whole KiB, rounded down. */
  asKib(): number {
    return Math.floor(this.#bytes / KIB);
  }
  /** Whole MiB, rounded down. */
  asMib(): number {
    return Math.floor(this.#bytes / MIB);
  }

  /** The largest binary unit that divides the value exactly: `512 MiB`, `1000 bytes`. */
  toString(): string {
    for (const [unit, size] of [
      ['GiB', GIB],
      ['MiB', MIB],
      ['KiB', KIB],
    ] as const) {
      if (this.#bytes >= size && this.#bytes % size === 0) return `${this.#bytes / size} ${unit}`;
    }
    return `${this.#bytes} bytes`;
  }

  toJSON(): number {
    return this.#bytes;
  }
}
