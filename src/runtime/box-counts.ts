import type { BoxID } from '../base/ids.ts';
import type { ExecCounters } from '../box/execution.ts';
import type { Home } from './home.ts';

/** Counts what goes through a handle, and writes it down when a command ends. */
export class BoxCounts implements ExecCounters {
  readonly #home: Home;
  readonly #id: BoxID;
  #sent = 0;
  #received = 0;

  constructor(home: Home, id: BoxID) {
    this.#home = home;
    this.#id = id;
  }

  sent(bytes: number): void {
    this.#sent += bytes;
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  ran(failed: boolean): void {
    const counts = {
      commandsRunTotal: 1,
      runErrorsTotal: failed ? 1 : 0,
      bytesSentTotal: this.#sent,
      bytesReceivedTotal: this.#received,
    };
    this.#sent = 0;
    this.#received = 0;
    this.#home.count((metrics) => metrics.countBox(this.#id, counts));
  }
}
