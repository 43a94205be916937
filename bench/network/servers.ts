/** Servers of the host that boxes talk to, on 127.0.0.1 alone. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Serving, Streamed } from './servers-child.ts';

const CHILD = fileURLToPath(new URL('servers-child.ts', import.meta.url));

/** Disposing of it ends them. */
export class Servers implements Disposable {
  readonly serving: Serving;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, serving: Serving) {
    this.#child = child;
    this.serving = serving;
  }

  static async start(): Promise<Servers> {
    const child = fork(CHILD);
    const [serving] = await once(child, 'message');
    return new Servers(child, serving as Serving);
  }

  /** Lets a stream pass, of which the servers tell; in MB/s. */
  async streamed(run: () => Promise<unknown>): Promise<number> {
    const told = once(this.#child, 'message') as Promise<[Streamed]>;
    const [[{ bytes, ms }]] = await Promise.all([told, run()]);
    return bytes / 1000 / ms;
  }

  [Symbol.dispose](): void {
    this.#child.disconnect();
  }
}
