/** A duration that cannot be mistaken for another unit. Accepted wherever a plain number of milliseconds is. */
export class Seconds {
  readonly #seconds: number;

  private constructor(seconds: number) {
    if (!Number.isFinite(seconds) || seconds < 0) {
      throw new RangeError(`Seconds: expected a number >= 0, got ${seconds}`);
    }
    this.#seconds = seconds;
  }

  static fromSeconds(seconds: number): Seconds {
    return new Seconds(seconds);
  }
  static fromMinutes(minutes: number): Seconds {
    return new Seconds(minutes * 60);
  }
  static fromHours(hours: number): Seconds {
    return new Seconds(hours * 3600);
  }

  asSeconds(): number {
    return this.#seconds;
  }
  /** Whole minutes, rounded down. */
  asMinutes(): number {
    return Math.floor(this.#seconds / 60);
  }

  /** The largest unit that divides the value exactly: `30 minutes`, `90 seconds`. */
  toString(): string {
    for (const [unit, size] of [
      ['hour', 3600],
      ['minute', 60],
    ] as const) {
      if (this.#seconds >= size && this.#seconds % size === 0) {
        return plural(this.#seconds / size, unit);
      }
    }
    return plural(this.#seconds, 'second');
  }

  toJSON(): number {
    return this.#seconds;
  }
}

function plural(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
