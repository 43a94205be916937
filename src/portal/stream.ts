import { BoxliteError } from '../base/errors.ts';
import { violation } from './frame.ts';
import { type JsonObject, type Refusal, WINDOW_BYTES_MAX } from './messages.ts';

/** What a service does with what arrives on its stream. */
export interface StreamHandlers {
  /** Bytes arrived. They count against the credit until {@link PortalStream.consumed} is called. */
  data?(piece: Uint8Array): void;
  /** The other side sends no more bytes. */
  end?(): void;
  /** A message about the stream. */
  control?(message: JsonObject): void;
  /** The other side answered OPEN; called at most once. */
  accepted?(answer: JsonObject): void;
  /** The last call, made exactly once: null after a proper end, otherwise why not. */
  closed?(reason: BoxliteError | null): void;
}

/** The channel, as its streams see it. */
export interface StreamOwner {
  sendWindow(stream: number, bytes: number): void;
  sendControl(stream: number, message: JsonObject): void;
  sendReset(stream: number, refusal: Refusal): void;
  sendEnd(stream: number): void;
  /** The stream has something to send, and credit for it. */
  wantsToSend(stream: PortalStream): void;
  forget(stream: PortalStream): void;
}

interface PendingWrite {
  data: Uint8Array;
  resolve: () => void;
  reject: (error: BoxliteError) => void;
}

/** One stream of the portal: bytes both ways under credit, and messages about them. */
export class PortalStream {
  readonly id: number;
  readonly #owner: StreamOwner;
  readonly #handlers: StreamHandlers;
  readonly #window: number;

  /** Bytes the other side may still send. */
  #inCredit: number;
  /** Bytes taken here that the other side has not been told of. */
  #owed = 0;
  #inEnded = false;

  /** Bytes that may still be sent. */
  #outCredit: number;
  #pending: PendingWrite[] = [];
  #outEnding = false;
  #outEnded = false;

  #closed = false;

  constructor(
    id: number,
    owner: StreamOwner,
    handlers: StreamHandlers,
    windows: { in: number; out: number },
  ) {
    this.id = id;
    this.#owner = owner;
    this.#handlers = handlers;
    this.#window = windows.in;
    this.#inCredit = windows.in;
    this.#outCredit = windows.out;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends bytes. Resolves when they are on the wire, so awaiting each call keeps memory flat.
   * The data must not change until then.
   */
  write(data: Uint8Array): Promise<void> {
    if (this.#closed || this.#outEnding) {
      return Promise.reject(new BoxliteError('InvalidState', 'Cannot write: the stream has ended'));
    }
    if (data.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#pending.push({ data, resolve, reject });
      if (this.#outCredit > 0) this.#owner.wantsToSend(this);
    });
  }

  /** Ends this side's bytes, after what was written. */
  end(): void {
    if (this.#closed || this.#outEnding) return;
    this.#outEnding = true;
    this.#finishOut();
  }

  /** Sends a message about the stream. Ignored once it is closed. */
  control(message: JsonObject): void {
    if (!this.#closed) this.#owner.sendControl(this.id, message);
  }

  /** Gives the stream up and tells the other side why. */
  reset(refusal: Refusal): void {
    if (this.#closed) return;
    this.#owner.sendReset(this.id, refusal);
    this.close(new BoxliteError('Portal', refusal.message));
  }

  /** Tells that `bytes` of what arrived have been used, which lets the other side send as many more. */
  consumed(bytes: number): void {
    if (this.#closed || this.#inEnded) return;
    this.#owed += bytes;
    if (this.#owed < this.#window / 2) return;
    this.#owner.sendWindow(this.id, this.#owed);
    this.#inCredit += this.#owed;
    this.#owed = 0;
  }

  /** The next piece to send, at most `limit` bytes and within the credit; null if there is none. */
  takeForSending(limit: number): Uint8Array | null {
    const first = this.#pending[0];
    if (first === undefined || this.#outCredit === 0) return null;
    const size = Math.min(limit, this.#outCredit, first.data.length);
    const piece = first.data.subarray(0, size);
    this.#outCredit -= size;
    if (size === first.data.length) {
      this.#pending.shift();
      first.resolve();
    } else {
      first.data = first.data.subarray(size);
    }
    return piece;
  }

  /** Whether another piece could be sent now. */
  get sendable(): boolean {
    return !this.#closed && this.#pending.length > 0 && this.#outCredit > 0;
  }

  /** To be called after the last piece has gone out: sends the END that may wait behind it. */
  finishSending(): void {
    if (this.#outEnding) this.#finishOut();
  }

  receiveData(piece: Uint8Array): void {
    if (this.#inEnded) throw violation(`DATA after END on stream ${this.id}`);
    if (piece.length > this.#inCredit)
      throw violation(`more DATA than credit on stream ${this.id}`);
    this.#inCredit -= piece.length;
    if (this.#handlers.data !== undefined) this.#handlers.data(piece);
    else this.consumed(piece.length);
  }

  receiveEnd(): void {
    if (this.#inEnded) throw violation(`END twice on stream ${this.id}`);
    this.#inEnded = true;
    this.#handlers.end?.();
    if (this.#outEnded) this.close(null);
  }

  receiveControl(message: JsonObject): void {
    this.#handlers.control?.(message);
  }

  receiveAccept(answer: JsonObject): void {
    this.#handlers.accepted?.(answer);
  }

  receiveWindow(bytes: number): void {
    this.#outCredit += bytes;
    if (this.#outCredit > WINDOW_BYTES_MAX) throw violation(`too much credit on ${this.id}`);
    if (this.#pending.length > 0) this.#owner.wantsToSend(this);
  }

  /** The last thing that happens to a stream. */
  close(reason: BoxliteError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    const pending = this.#pending;
    this.#pending = [];
    const error = reason ?? new BoxliteError('InvalidState', 'Cannot write: the stream has ended');
    for (const write of pending) write.reject(error);
    this.#owner.forget(this);
    this.#handlers.closed?.(reason);
  }

  #finishOut(): void {
    if (this.#outEnded || this.#pending.length > 0) return;
    this.#outEnded = true;
    this.#owner.sendEnd(this.id);
    if (this.#inEnded) this.close(null);
  }
}
