import { BoxliteError } from '../base/errors.ts';
import type { VolumeFound, VolumeNode, VolumeProvider } from '../spec/volume-provider.ts';
import { errnoOf, VolumeError } from './errno.ts';
import {
  FUSE_MAJOR,
  FUSE_MINOR_MIN,
  initFlags,
  TRANSFER_BYTES_MAX,
  TRANSFER_PAGES_MAX,
} from './fuse-protocol.ts';
import { encodeInit, encodeInvalidation, encodeReply } from './fuse-reply.ts';
import { decodeRequest, type FuseRequest, type RequestOf } from './fuse-request.ts';
import { MessageBuffers } from './message-buffers.ts';
import { MessageSplitter } from './message-splitter.ts';
import { Operations } from './operations.ts';
import type { FileOwner } from './owners.ts';
import type { Finish } from './volume-state.ts';

/** Requests that are worked on at once; further ones wait as the bytes they are. */
const RUNNING_MAX = 64;
/** Read-ahead and other requests nobody waits for that the kernel may have under way. */
const BACKGROUND_MAX = 32;
/** What the kernel may read ahead. */
const READAHEAD_BYTES = 1024 * 1024;

const WANTED_FLAGS = Object.values(initFlags).reduce((all, flag) => all | flag, 0);

/** What a volume's server needs. */
export interface VolumeServerOptions {
  readonly provider: VolumeProvider;
  readonly root: VolumeFound;
  readonly readOnly: boolean;
  /** Whom files belong to in the box when nobody has said otherwise. */
  readonly owner: FileOwner;
  /** The time in ms since 1970. Default: the host's. */
  readonly now?: () => number;
  /** Sends a reply; resolves when there is room for the next one: to whether these bytes are not needed any more. */
  readonly send: (reply: Uint8Array) => Promise<boolean>;
  /** So many bytes of what was received are no longer held. */
  readonly consumed: (bytes: number) => void;
  /** The guest has broken the protocol: the volume is over. Called at most once. */
  readonly failed: (reason: BoxliteError) => void;
}

/** A request, and what it is answered with once it is: the reply on its way. */
interface Task {
  readonly request: FuseRequest;
  /** The request's bytes, some of which it refers to. */
  readonly message: Uint8Array;
  reply: Promise<void> | null;
}

/**
 * Answers the FUSE requests of one volume from its provider. Bytes in, replies out; many requests are worked on at
 * once, and what they take is bounded by the credit of the stream they come on.
 */
export class VolumeServer {
  readonly #options: VolumeServerOptions;
  readonly #buffers = new MessageBuffers();
  readonly #splitter = new MessageSplitter(this.#buffers);
  readonly #operations: Operations;
  /** In the order they came. */
  readonly #waiting = new Map<bigint, Task>();
  readonly #running = new Map<bigint, Task>();
  #over = false;
  #closed: Promise<void> | null = null;

  constructor(options: VolumeServerOptions) {
    this.#options = options;
    this.#operations = new Operations({ now: Date.now, buffers: this.#buffers, ...options });
    options.provider.watch?.((node) => this.#changed(node));
  }

  /** Feeds what the guest has sent. Never throws: a breach ends the volume. */
  receive(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#splitter.push(chunk, (message) => this.#arrived(decodeRequest(message), message));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Nothing is answered any more; what the guest has open is closed. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#over = true;
    this.#waiting.clear();
    await this.#operations.close();
    await this.#options.provider.close?.();
  }

  /** Has the kernel ask anew; once, until it has been told again. */
  #changed(node: VolumeNode): void {
    const known = this.#over ? null : this.#operations.doubted(node);
    if (known !== null) void this.#send(encodeInvalidation(known));
  }

  #arrived(request: FuseRequest, message: Uint8Array): void {
    if (this.#over) return;
    switch (request.op) {
      case 'forget':
        this.#operations.forget(request.forgets);
        return this.#options.consumed(request.bytes);
      case 'interrupt':
        this.#interrupt(request.interrupted);
        return this.#options.consumed(request.bytes);
      case 'init':
        return void this.#end({
          request,
          message,
          reply: this.#reply(request, ...initReply(request)),
        });
      default:
        // One number for two requests would let the second one out of the count.
        if (this.#waiting.has(request.unique) || this.#running.has(request.unique)) {
          return this.#fail(new VolumeError('EPROTO'));
        }
        this.#waiting.set(request.unique, { request, message, reply: null });
        return this.#goOn();
    }
  }

  #goOn(): void {
    while (this.#running.size < RUNNING_MAX) {
      const [task] = this.#waiting.values();
      if (task === undefined) return;
      this.#waiting.delete(task.request.unique);
      void this.#run(task);
    }
  }

  async #run(task: Task): Promise<void> {
    const { request } = task;
    this.#running.set(request.unique, task);
    await this.#operations.perform(request).then(
      // An operation that went on after its request was interrupted must leave nothing behind.
      (finish) =>
        this.#over || task.reply !== null ? finish.undo?.() : this.#answer(task, finish),
      (error: unknown) => this.#refuse(task, error),
    );
    await task.reply;
    this.#running.delete(request.unique);
    this.#buffers.give(task.message);
    await this.#end(task);
    if (!this.#over) this.#goOn();
  }

  /** The credit of a request comes back when its reply has left: replies that nobody takes are bounded by it. */
  async #end({ request, reply }: Task): Promise<void> {
    await reply;
    if (!this.#over) this.#options.consumed(request.bytes);
  }

  #answer(task: Task, { body, room }: Finish): void {
    let parts: readonly Uint8Array[];
    try {
      parts = body();
    } catch (error) {
      task.reply = this.#reply(task.request, errnoOf(error), []);
      return;
    }
    task.reply = this.#reply(task.request, 0, parts, room);
  }

  #refuse(task: Task, error: unknown): void {
    if (this.#over || task.reply !== null) return;
    if (BoxliteError.is(error, 'Portal')) return this.#fail(error);
    task.reply = this.#reply(task.request, errnoOf(error), []);
  }

  /** Whoever waits for a slow provider can be let go, as long as it has changed nothing. */
  #interrupt(unique: bigint): void {
    const waiting = this.#waiting.get(unique);
    const task = waiting ?? this.#running.get(unique);
    if (task === undefined || task.reply !== null) return;
    if (waiting === undefined && !isHarmless(task.request)) return;
    task.reply = this.#reply(task.request, errnoOf(new VolumeError('EINTR')), []);
    if (this.#waiting.delete(unique)) void this.#end(task);
  }

  async #reply(
    request: FuseRequest,
    errno: number,
    body: readonly Uint8Array[],
    room?: Uint8Array,
  ): Promise<void> {
    const reply = encodeReply(request.unique, errno, body, room);
    if (await this.#send(reply)) this.#buffers.give(reply);
  }

  #send(reply: Uint8Array): Promise<boolean> {
    // A stream that has ended tells of it by itself.
    return this.#options.send(reply).catch(() => false);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const cause = BoxliteError.is(error)
      ? error
      : new BoxliteError('Portal', 'The guest broke the FUSE protocol: a request twice', {
          cause: error,
        });
    this.#options.failed(cause);
  }
}

/** What can be given up half-way. */
function isHarmless({ op }: FuseRequest): boolean {
  return (
    op === 'read' ||
    op === 'lookup' ||
    op === 'getattr' ||
    op === 'readdir' ||
    op === 'readlink' ||
    op === 'statfs'
  );
}

function initReply(request: RequestOf<'init'>): [errno: number, body: readonly Uint8Array[]] {
  if (request.major !== FUSE_MAJOR || request.minor < FUSE_MINOR_MIN) {
    return [errnoOf(new VolumeError('EPROTO')), []];
  }
  const answer = {
    minor: request.minor,
    // The kernel takes less if it wants less; what it says here it may have been told to change meanwhile.
    readahead: READAHEAD_BYTES,
    flags: request.flags & WANTED_FLAGS,
    maxWrite: TRANSFER_BYTES_MAX,
    maxPages: TRANSFER_PAGES_MAX,
    background: BACKGROUND_MAX,
  };
  return [0, [encodeInit(answer)]];
}
