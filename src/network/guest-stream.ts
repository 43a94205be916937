import { Duplex } from 'node:stream';
import { ByteQueue } from './byte-queue.ts';

/** What a stream needs of its connection. */
export interface StreamFlow {
  write(piece: Uint8Array): boolean;
  end(): void;
  consumed(bytes: number): void;
  /** Nobody reads any more. What was written goes on its way, and its end. */
  release(): void;
  /** Resets the connection if it is not over. */
  abort(): void;
}

/** What Node keeps at most on top of what the connection does, of what goes to the box. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Where a connection's events go. */
export interface FlowReader {
  arrived(piece: Uint8Array): void;
  arrivedEnd(): void;
  drained(): void;
  /** The last call. `aborted` by us; or by the box, as a reset or by being silent. */
  over(why: 'done' | 'reset' | 'timeout' | 'aborted'): void;
}

/** A box's connection as a stream. An error nobody listens for is none: the stream is destroyed, and that is all. */
export class GuestStream extends Duplex implements FlowReader {
  readonly #flow: StreamFlow;
  readonly #inbox = new ByteQueue();
  #wanted = false;
  #theyEnded = false;
  #weEnded = false;
  #onRoom: ((error?: Error | null) => void) | null = null;

  /** `bufferBytes` is what the connection keeps: a stream keeps no more. */
  constructor(flow: StreamFlow, bufferBytes: number) {
    // Node keeps one piece for the reader, as it takes many times a small one's bytes. The others wait here, joined.
    super({
      allowHalfOpen: true,
      readableHighWaterMark: 1,
      writableHighWaterMark: Math.min(KEPT_BYTES_MAX, bufferBytes),
    });
    this.#flow = flow;
    this.on('error', () => undefined);
  }

  /** Bytes came from the box. */
  arrived(piece: Uint8Array): void {
    this.#inbox.append(piece);
    this.#pass();
  }

  /** The box sends no more. */
  arrivedEnd(): void {
    this.#theyEnded = true;
    this.#pass();
  }

  /** What was written has gone, most of it. */
  drained(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = null;
    onRoom?.();
  }

  over(why: 'done' | 'reset' | 'timeout' | 'aborted'): void {
    if (why === 'reset') this.#failed('ECONNRESET', 'was reset by the box');
    if (why === 'timeout') this.#failed('ETIMEDOUT', 'timed out: the box is silent');
    if (why === 'aborted') this.destroy();
  }

  #failed(code: string, what: string): void {
    this.destroy(Object.assign(new Error(`The connection ${what}`), { code }));
  }

  override _read(): void {
    this.#wanted = true;
    this.#pass();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    if (this.#flow.write(chunk)) done();
    else this.#onRoom = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#weEnded = true;
    this.#flow.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // As a kernel closes a socket: one that has said everything is reset only if something was said in vain.
    const unread = this.#inbox.length + this.readableLength > 0;
    if (error !== null || !this.#weEnded || unread) this.#flow.abort();
    else this.#flow.release();
    this.#onRoom?.(error);
    this.#onRoom = null;
    this.#inbox.drop(this.#inbox.length);
    done(error);
  }

  #pass(): void {
    while (this.#wanted) {
      const piece = this.#inbox.take();
      if (piece === null) break;
      this.#wanted = this.push(piece);
      this.#flow.consumed(piece.length);
    }
    if (!this.#wanted || !this.#theyEnded || this.#inbox.length > 0) return;
    this.#wanted = false;
    this.push(null);
  }
}
