/** How long silence means nothing, and after how many reminders the other side is taken to have nothing to say. */
const SILENCE_MS = 4;
const TIMES_MAX = 8;

/**
 * Speaks again to a side that may not have noticed that it was spoken to. User-mode Linux is told by a signal that bytes have
 * come, and forgets one that arrives while it goes to sleep until something else wakes it, up to a second later.
 */
export class Reminder implements Disposable {
  readonly #remind: () => void;
  #timer: NodeJS.Timeout | null = null;
  /** Reminders since something was heard. */
  #times = 0;
  /** Nothing was heard since something was said. */
  #silent = false;

  constructor(remind: () => void) {
    this.#remind = remind;
  }

  /** Something was said. */
  said(): void {
    this.#silent = true;
    if (this.#times > 0) return;
    if (this.#timer === null) this.#wait();
    else this.#timer.refresh();
  }

  /** The other side has said something: it is awake. */
  heard(): void {
    this.#silent = false;
    if (this.#times > 0) this.#stop();
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#times = 0;
  }

  /** Longer each time: it may be busy, or stopped. */
  #wait(): void {
    this.#timer = setTimeout(() => this.#isOver(), SILENCE_MS * 2 ** this.#times).unref();
  }

  #isOver(): void {
    if (!this.#silent || this.#times === TIMES_MAX) return this.#stop();
    this.#times++;
    this.#remind();
    this.#wait();
  }
}
