import type { NetworkEvent } from '../spec/network-event.ts';
import { BoxLog } from './box-log.ts';

/** Of each of the log's two files. Refusals are short, and their rate is bounded where they are made. */
const FILE_BYTES_MAX = 1024 * 1024;

/** What a box's network refused, on the host. There is no file until there is something to write. */
export class NetworkLog implements AsyncDisposable {
  readonly #boxDir: string;
  #log: Promise<BoxLog | null> | null = null;
  #written: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(boxDir: string) {
    this.#boxDir = boxDir;
  }

  /** What cannot be written is lost. */
  add(event: NetworkEvent): void {
    if (this.#closed) return;
    this.#log ??= BoxLog.open(this.#boxDir, 'network', FILE_BYTES_MAX).catch(() => null);
    const log = this.#log;
    this.#written = this.#written.then(async () => {
      // Not to be waited for: the log gathers what comes together.
      void (await log)?.add(event);
    });
  }

  /** Resolves when everything that was added so far can be read. */
  async written(): Promise<void> {
    await this.#written;
    await (await this.#log)?.written();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#written;
    await (await this.#log)?.[Symbol.asyncDispose]();
  }
}
