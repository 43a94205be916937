/** Keeps a guest's clock with the host's, which goes on while the host sleeps, and is set by people. */

/** How often it is looked at while nobody asks for anything, in ms. */
const LOOK_MS = 10_000;
/** How long a guest's clock is left to itself, in ms: an emulated one loses or gains a little. */
const TRUST_MS = 60_000;
/** What the host's clock may move against the time that passes, in ms, before the guest is told. */
const JUMP_MS = 200;

/** The host's two clocks, in ms. */
export interface HostClocks {
  /** Since 1970. */
  wall(): number;
  /** Since whenever, without jumps. */
  monotonic(): number;
}

const hostClocks: HostClocks = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
};

/** From a boot, which tells the time, to the box's end. */
export class GuestClock implements Disposable {
  readonly #tell: (time: number) => void;
  readonly #clocks: HostClocks;
  readonly #timer: NodeJS.Timeout;
  #told: { readonly wall: number; readonly monotonic: number };

  /** `tell` sends the guest the time, in ms since 1970. */
  constructor(tell: (time: number) => void, clocks: HostClocks = hostClocks) {
    this.#tell = tell;
    this.#clocks = clocks;
    this.#told = { wall: clocks.wall(), monotonic: clocks.monotonic() };
    this.#timer = setInterval(() => this.check(), LOOK_MS).unref();
  }

  /** Tells the guest the time if it may have another. Costs nothing otherwise: call it before every request. */
  check(): void {
    const wall = this.#clocks.wall();
    const monotonic = this.#clocks.monotonic();
    const passed = monotonic - this.#told.monotonic;
    const jump = wall - this.#told.wall - passed;
    if (passed < TRUST_MS && Math.abs(jump) < JUMP_MS) return;
    this.#told = { wall, monotonic };
    this.#tell(wall);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
