import { orAborted } from '../../base/or-aborted.ts';
import type { Channel } from '../../portal/channel.ts';
import type { JsonObject } from '../../portal/messages.ts';
import type { KeepAlive } from '../output.ts';
import { type FileCall, FileRequest } from './file-request.ts';

/**
 * Small requests under way at once: more would only wait in the guest, where each takes a process. What
 * stays open (streams, handles, watches, copies) does not count.
 */
const CONCURRENT_MAX = 32;

/** The box whose files these are. */
export interface FileHost extends KeepAlive {
  /** The wire to the running box, which is booted if it is not running. */
  connect(signal?: AbortSignal): Promise<{ readonly channel: Channel }>;
}

/** The guest's file service, as all of a box's operations use it. */
export class FileService {
  readonly #host: FileHost;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(host: FileHost) {
    this.#host = host;
  }

  /** Keeps the program alive while `work` goes on. */
  busy<T>(work: Promise<T>): Promise<T> {
    return this.#host.busy(work);
  }

  /** Starts a request that may stay open for long; the box is booted first if it is not running. */
  async open(call: FileCall): Promise<FileRequest> {
    const { channel } = await this.#host.connect(call.signal ?? undefined);
    return new FileRequest(channel, call, this.#host);
  }

  /** A request that is over soon. */
  run<T>(call: FileCall, use: (request: FileRequest) => Promise<T>): Promise<T> {
    return this.busy(this.#inTurn(async () => use(await this.open(call)), call.signal));
  }

  /** A request whose acceptance is all its answer. */
  ask(call: FileCall): Promise<JsonObject> {
    return this.run(call, async (request) => {
      const answer = await request.accepted;
      await request.ended;
      return answer;
    });
  }

  async #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal | null): Promise<T> {
    if (this.#running < CONCURRENT_MAX) this.#running++;
    else await this.#turn(signal ?? undefined);
    try {
      return await work();
    } finally {
      this.#passOn();
    }
  }

  async #turn(signal?: AbortSignal): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#waiting.push(turn.resolve);
    try {
      await orAborted(turn.promise, signal);
    } catch (error) {
      const place = this.#waiting.indexOf(turn.resolve);
      if (place >= 0) this.#waiting.splice(place, 1);
      // Its turn had come just then.
      else this.#passOn();
      throw error;
    }
  }

  /** The place goes straight to the next one. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
