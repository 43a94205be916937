/** Reports what was refused, and no more of it than anybody could read: the box decides how often it asks. */
import type { NetworkEvent } from '../spec/network-event.ts';

/** Reports at once, and each second from then on. */
const BURST = 200;
const PER_SECOND = 20;

/** What is reported, without what every report has. */
export type Refusal = Omit<NetworkEvent, 'time' | 'kind'>;

/** See the top of this file. */
export class Refusals {
  readonly #report: (event: NetworkEvent) => void;
  #left = BURST;
  #since = performance.now();
  #suppressed = 0;

  constructor(report: (event: NetworkEvent) => void) {
    this.#report = report;
  }

  add(refusal: Refusal): void {
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#since) / 1_000) * PER_SECOND);
    this.#since = now;
    if (this.#left < 1) {
      this.#suppressed++;
      return;
    }
    this.#left--;
    this.flush();
    this.#report({ time: new Date(), kind: 'refused', ...refusal });
  }

  /** Says how many were not reported. */
  flush(): void {
    if (this.#suppressed === 0) return;
    const message = `${this.#suppressed} more refusals were not recorded`;
    this.#suppressed = 0;
    this.#report({
      time: new Date(),
      kind: 'refused',
      reason: 'suppressed',
      protocol: 'tcp',
      target: '',
      name: null,
      message,
    });
  }
}
