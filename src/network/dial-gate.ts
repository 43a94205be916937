// pure
import type { Dial } from '../spec/parts.ts';

/** Connections into one box at once. The wire has 2048 streams, and commands and files need some of them. */
export const DIALS_MAX = 1536;
/** Connections that wait for their turn, as in a listening socket's backlog. Those beyond are refused. */
export const WAITING_MAX = 1024;

/** A connection's place among those of its box. */
export interface Turn {
  /** Leaves the place to the next one. Idempotent. */
  leave(): void;
}

/** Lets connections through to a box: none before it has booted, and no more than its wire has room for. */
export class DialGate {
  #dial: Dial | null = null;
  #taken = 0;
  /** What to do with a turn, in the order they came. */
  readonly #waiting: ((dial: Dial, turn: Turn) => void)[] = [];

  /** The box has booted. */
  open(dial: Dial): void {
    this.#dial = dial;
    this.#admit();
  }

  /** A turn if there is one now. */
  take(): { readonly dial: Dial; readonly turn: Turn } | null {
    if (this.#dial === null || this.#taken >= DIALS_MAX) return null;
    this.#taken++;
    return { dial: this.#dial, turn: this.#makeTurn() };
  }

  /** Calls `begin` when it is its turn, which may be at once. False if too many wait already. */
  wait(begin: (dial: Dial, turn: Turn) => void): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push(begin);
    this.#admit();
    return true;
  }

  #makeTurn(): Turn {
    let left = false;
    return {
      leave: () => {
        if (left) return;
        left = true;
        this.#taken--;
        this.#admit();
      },
    };
  }

  #admit(): void {
    while (this.#waiting.length > 0) {
      const next = this.take();
      if (next === null) return;
      this.#waiting.shift()?.(next.dial, next.turn);
    }
  }
}
