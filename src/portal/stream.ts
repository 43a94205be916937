// pure
import { BoxliteError } from '../base/errors.ts';
import { violation } from './frame.ts';
import { frameFlags, type JsonObject, type Refusal, WINDOW_BYTES_MAX } from './messages.ts';

/** What a service does with what arrives on its stream. None may throw, or the channel fails. */
export interface StreamHandlers {
  /** Bytes arrived. They count against the credit until {@link PortalStream.consumed} is called. */
  data?(piece: Uint8Array): void;
  /** The other side sends no more bytes. */
  end?(): void;
  /** A message about the stream. */
  control?(message: JsonObject): void;
  /** The other side accepted OPEN; called at most once. */
  accepted?(answer: JsonObject): void;
  /** The last call, made exactly once: null after a proper end, otherwise why not. */
  closed?(reason: BoxliteError | null): void;
}

/** The channel, as its streams see it. */
export interface StreamOwner {
  sendWindow(stream: number, bytes: number): void;
  sendControl(stream: number, message: JsonObject, flags: number): void;
  sendReset(stream: number, refusal: Refusal): void;
  sendEnd(stream: number, flags: number): void;
  /** The stream has something to send, and credit for it. */
  wantsToSend(stream: PortalStream): void;
  forget(stream: PortalStream): void;
}

interface PendingWrite {
  data: Uint8Array;
  resolve: () => void;
  reject: (error: BoxliteError) => void;
}

/** What a stream starts with. */
export interface StreamStart {
  /** Bytes the other side may send at first, and the most it may have under way later. */
  readonly inWindow: number;
  /** Bytes that may be sent at first. */
  readonly outCredit: number;
  /** The other side has been asked and has not answered. */
  readonly asked: boolean;
}

/** One stream of the portal: bytes both ways under credit, and messages about them. */
export class PortalStream {
  readonly id: number;
  readonly #owner: StreamOwner;
  readonly #window: number;
  #handlers: StreamHandlers;
  #asked: boolean;

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
  /** The last message, sent when all bytes are out. */
  #lastWord: { readonly message: JsonObject | undefined } | null = null;

  #closed: { readonly reason: BoxliteError | null } | null = null;

  constructor(id: number, owner: StreamOwner, handlers: StreamHandlers, start: StreamStart) {
    this.id = id;
    this.#owner = owner;
    this.#handlers = handlers;
    this.#window = start.inWindow;
    this.#inCredit = start.inWindow;
    this.#outCredit = start.outCredit;
    this.#asked = start.asked;
  }

  get closed(): boolean {
    return this.#closed !== null;
  }

  /** Gives a stream that the other side opened its handlers, which may come too late for it. */
  adopt(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    if (this.#closed !== null) handlers.closed?.(this.#closed.reason);
  }

  /**
   * Sends bytes. Resolves when they have been handed to the link, so awaiting each call keeps memory
   * flat. They are not copied: do not change them afterwards.
   */
  write(data: Uint8Array): Promise<void> {
    if (this.closed || this.#outEnding) return Promise.reject(writeAfterEnd());
    if (data.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#pending.push({ data, resolve, reject });
      if (this.#outCredit > 0) this.#owner.wantsToSend(this);
    });
  }

  /** Ends this side's bytes, after what was written. The stream stays open for messages. */
  end(): void {
    if (this.closed || this.#outEnding) return;
    this.#outEnding = true;
    this.finishSending();
  }

  /**
   * Closes the stream in both directions, after what was written and with a last message if there is
   * one. For the side that serves the stream.
   */
  finish(message?: JsonObject): void {
    if (this.closed || this.#lastWord !== null) return;
    this.#outEnding = true;
    this.#lastWord = { message };
    this.finishSending();
  }

  /** Sends a message about the stream. Ignored after the last one. */
  control(message: JsonObject): void {
    if (!this.closed && this.#lastWord === null) this.#owner.sendControl(this.id, message, 0);
  }

  /** Gives the stream up and tells the other side why. */
  reset(refusal: Refusal): void {
    if (this.closed) return;
    this.#owner.sendReset(this.id, refusal);
    this.close(new BoxliteError('Portal', refusal.message));
  }

  /** Tells that `bytes` of what arrived have been used, which lets the other side send as many more. */
  consumed(bytes: number): void {
    if (this.closed || this.#inEnded) return;
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
    return !this.closed && this.#pending.length > 0 && this.#outCredit > 0;
  }

  /** To be called after a piece has gone out: sends what may wait behind the last one. */
  finishSending(): void {
    if (this.closed || !this.#outEnding || this.#pending.length > 0) return;
    const last = this.#lastWord;
    const endIsLast = last !== null && last.message === undefined && !this.#outEnded;
    if (!this.#outEnded) this.#owner.sendEnd(this.id, endIsLast ? frameFlags.FINAL : 0);
    this.#outEnded = true;
    if (last === null) return;
    if (!endIsLast) this.#owner.sendControl(this.id, last.message ?? {}, frameFlags.FINAL);
    this.close(null);
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
  }

  receiveControl(message: JsonObject): void {
    this.#handlers.control?.(message);
  }

  receiveAccept(answer: JsonObject): void {
    this.#answered('ACCEPT');
    this.#handlers.accepted?.(answer);
  }

  receiveReject({ code, message }: Refusal): void {
    this.#answered('REJECT');
    this.close(new BoxliteError('Run', message, { cause: { code } }));
  }

  receiveReset({ code, message }: Refusal): void {
    this.close(new BoxliteError('Portal', message, { cause: { code } }));
  }

  receiveWindow(bytes: number): void {
    this.#outCredit += bytes;
    if (this.#outCredit > WINDOW_BYTES_MAX) throw violation(`too much credit on stream ${this.id}`);
    if (this.#pending.length > 0) this.#owner.wantsToSend(this);
  }

  /** The last thing that happens to a stream. */
  close(reason: BoxliteError | null): void {
    if (this.closed) return;
    this.#closed = { reason };
    const pending = this.#pending;
    this.#pending = [];
    for (const write of pending) write.reject(reason ?? writeAfterEnd());
    this.#owner.forget(this);
    this.#handlers.closed?.(reason);
  }

  #answered(answer: string): void {
    if (!this.#asked) throw violation(`${answer} of stream ${this.id}, which was not asked for`);
    this.#asked = false;
  }
}

function writeAfterEnd(): BoxliteError {
  return new BoxliteError('InvalidState', 'Cannot write: the stream has ended');
}
