import { BoxliteError } from '../../base/errors.ts';
import type { Channel } from '../../portal/channel.ts';
import { violation } from '../../portal/frame.ts';
import type { JsonObject } from '../../portal/messages.ts';
import type { PortalStream } from '../../portal/stream.ts';
import { type KeepAlive, OutputBuffer } from '../output.ts';
import { type FileContext, fileError, refusalError } from './file-error.ts';
import { PATH_BYTES_MAX, pathBytes, pathFields } from './file-path.ts';

/** One request to the file service. */
export interface FileCall extends FileContext {
  readonly op: string;
  readonly fields?: JsonObject;
  /** What errors are about, if it is not the request itself. */
  readonly about?: FileContext;
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * A request under way: bytes both ways, an acceptance, messages, an end. Aborting the call's signal ends
 * the work in the guest, too.
 */
export class FileRequest {
  /** Settles when the guest has accepted it; data, or an end at once, is as good as an empty answer. */
  readonly accepted: Promise<JsonObject>;
  /** Settles when it is over; rejects if it failed. */
  readonly ended: Promise<void>;
  readonly #context: FileContext;
  readonly #stream: PortalStream;
  readonly #output: OutputBuffer;
  readonly #messages: JsonObject[] = [];
  #awaited: PromiseWithResolvers<JsonObject> | null = null;
  #failure: Error | null = null;
  #over = false;

  /** @throws BoxliteError if the path cannot be sent, or the box is lost; the signal's reason. */
  constructor(channel: Channel, call: FileCall, host: KeepAlive) {
    const { op, fields, path, dest, signal } = call;
    const context = call.about ?? call;
    signal?.throwIfAborted();
    requireSendable(call, context);
    this.#context = context;
    const accepted = Promise.withResolvers<JsonObject>();
    const ended = Promise.withResolvers<void>();
    const onAbort = () => this.cancel(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    const request = {
      service: 'files',
      op,
      ...pathFields(path),
      ...(dest === undefined ? {} : pathFields(dest, 'to')),
      ...fields,
    };
    this.#output = new OutputBuffer((bytes) => this.#stream.consumed(bytes), host);
    this.#output.take();
    // Not everyone waits for everything.
    this.accepted = accepted.promise;
    this.ended = ended.promise;
    this.accepted.catch(() => undefined);
    this.ended.catch(() => undefined);
    this.#stream = channel.open(request, {
      accepted: accepted.resolve,
      data: (piece) => {
        accepted.resolve({});
        this.#output.push(piece);
      },
      end: () => this.#output.end(),
      control: (message) => this.#told(message),
      closed: (reason) => {
        signal?.removeEventListener('abort', onAbort);
        this.#over = true;
        if (reason === null) {
          accepted.resolve({});
          this.#output.end();
          this.#awaited?.reject(closedError());
          return ended.resolve();
        }
        const failure = this.#failure ?? refusalError(reason, context);
        this.#failure = failure;
        accepted.reject(failure);
        ended.reject(failure);
        this.#awaited?.reject(failure);
        this.#output.fail(failure as BoxliteError);
      },
    });
  }

  /** The next piece of what the guest sends, null at the end. Each read lets the guest send on. */
  read(): Promise<Uint8Array | null> {
    return this.#output.read();
  }

  /** Everything the guest sends. @throws BoxliteError EFBIG beyond `limit`, which ends the request. */
  async readAll(limit: number): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await this.read();
      if (piece === null) break;
      size += piece.length;
      if (size > limit) {
        const failure = fileError('EFBIG', this.#context, `more than ${limit} bytes`);
        this.cancel(failure);
        throw failure;
      }
      pieces.push(piece);
    }
    await this.ended;
    return Buffer.concat(pieces, size);
  }

  /**
   * Sends bytes, which must not change until it resolves. Awaiting each call keeps memory flat.
   * @throws BoxliteError what the request failed of.
   */
  async write(data: Uint8Array): Promise<void> {
    try {
      await this.#stream.write(data);
    } catch {
      await this.ended;
      throw closedError();
    }
  }

  /** Ends what is sent. */
  end(): void {
    this.#stream.end();
  }

  /** Sends a message about the request. */
  tell(message: JsonObject): void {
    this.#stream.control(message);
  }

  /** The guest's next message. @throws BoxliteError what the request failed of. */
  async hear(): Promise<JsonObject> {
    const message = this.#messages.shift();
    if (message !== undefined) return message;
    if (this.#failure !== null) throw this.#failure;
    if (this.#over) throw closedError();
    this.#awaited = Promise.withResolvers();
    return this.#awaited.promise;
  }

  /** Gives the request up: the guest ends its work, and whoever waits gets `reason`. */
  cancel(reason: Error): void {
    if (this.#over) return;
    this.#failure = reason;
    this.#stream.reset({ code: 'aborted', message: 'the host gave the request up' });
  }

  #told(message: JsonObject): void {
    const awaited = this.#awaited;
    this.#awaited = null;
    if (awaited !== null) awaited.resolve(message);
    else if (this.#messages.length === 0) this.#messages.push(message);
    // Each message answers one of ours.
    else throw violation('a message nobody asked for');
  }
}

/** A path the guest's kernel would refuse is not sent: it might be longer than a request may be. */
function requireSendable({ path: first, dest }: FileCall, context: FileContext): void {
  for (const path of [first, dest]) {
    if (path !== undefined && pathBytes(path).length >= PATH_BYTES_MAX) {
      throw fileError('ENAMETOOLONG', context);
    }
  }
}

function closedError(): BoxliteError {
  return new BoxliteError('InvalidState', 'The box has ended this file operation');
}
