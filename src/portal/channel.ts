// pure
import { BoxliteError, messageOf } from '../base/errors.ts';
import {
  decodeHello,
  decodeJson,
  decodeRefusal,
  encodeHello,
  encodeJson,
  encodeRefusal,
} from './control.ts';
import { FrameDecoder, type FrameHeader, type FrameSink, violation } from './frame.ts';
import {
  CONTROL_BYTES_MAX,
  FRAME_BYTES_MAX,
  type FrameTypeName,
  frameFlags,
  GUEST_CONTROL_BYTES_MAX,
  GUEST_WINDOW_BYTES,
  type Hello,
  HOST_WINDOW_BYTES,
  type JsonObject,
  PORTAL_VERSION,
  type Refusal,
  STREAMS_MAX,
} from './messages.ts';
import { PortalStream, type StreamHandlers, type StreamOwner } from './stream.ts';

/** Where a channel's frames go. An engine's transport, a socket, or a test's array. */
export interface FrameLink {
  /** Takes one frame. Never refuses; {@link writable} says when to hold back. */
  send(name: FrameTypeName, stream: number, flags: number, payload: Uint8Array): void;
  /** False while DATA should wait; {@link Channel.flush} is called when that is over. */
  readonly writable: boolean;
  /** Bytes handed over that have not left: grows when the other side does not read. */
  readonly backlog: number;
  /** The guest took this many pieces from the mailbox. Absent where there is no mailbox. */
  mailboxTaken?(pieces: number): void;
  /** The other side has answered a PING of the link's own. Absent where the link sends none. */
  ponged?(): void;
}

/** What a channel tells its user. */
export interface ChannelEvents {
  /** Both sides have said HELLO and agree on a version. */
  ready?(peer: Hello): void;
  /**
   * The other side wants a service: {@link Channel.accept} or {@link Channel.reject} answers it.
   * Without this handler, asking is a breach of the protocol.
   */
  open?(stream: PortalStream, request: JsonObject): StreamHandlers;
  /** The last call: everything has been told that it failed. */
  failed?(reason: BoxliteError): void;
}

/** When a side says HELLO: of its own accord, in answer to the other's, or not at all. */
export type Turn = 'first' | 'second' | 'never';

/** Options of a channel. */
export interface ChannelOptions {
  /** The host's streams are odd. */
  readonly role: 'host' | 'guest';
  /** Default: the guest's is `first`, the host's `second`. */
  readonly turn?: Turn | undefined;
  readonly link: FrameLink;
  readonly events: ChannelEvents;
  /** Told to the other side, for people. */
  readonly build: string;
}

/** What may pile up for a peer that asks and does not read the answers, before it is given up. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;
/** The same in answers: a waiting frame of 20 bytes costs a socket 40 times as many. */
const BACKLOG_ANSWERS_MAX = 16 * 1024;

/**
 * Streams over one pair of byte pipes: a pure state machine between bytes and services.
 * The first breach of the protocol fails the channel, and with it every stream.
 */
export class Channel implements FrameSink, StreamOwner {
  readonly #role: 'host' | 'guest';
  readonly #link: FrameLink;
  readonly #events: ChannelEvents;
  readonly #build: string;
  readonly #decoder: FrameDecoder;
  readonly #streams = new Map<number, PortalStream>();
  /** Streams with something to send, in the order of their turns. */
  readonly #turns = new Set<PortalStream>();
  #peer: Hello | null = null;
  /** Whether the other side's HELLO is to be answered. */
  readonly #awaitsTurn: boolean;
  #nextId: number;
  #highestPeerId = 0;
  /** Ids above this may be attached to the request that is being looked at: they are new with it. */
  #attachableAbove = 0;
  #failure: BoxliteError | null = null;
  /** Answers given since everything had left. */
  #answers = 0;

  constructor(options: ChannelOptions) {
    const { turn = options.role === 'guest' ? 'first' : 'second' } = options;
    this.#role = options.role;
    this.#link = options.link;
    this.#events = options.events;
    this.#build = options.build;
    this.#nextId = options.role === 'host' ? 1 : 2;
    this.#decoder = new FrameDecoder(controlBytesMax(options.role === 'host' ? 'guest' : 'host'));
    this.#awaitsTurn = turn === 'second';
    if (turn === 'first') this.#sendHello();
  }

  /** Why the channel is of no use any more, or null. */
  get failure(): BoxliteError | null {
    return this.#failure;
  }

  /** Bytes handed to the link that have not left. Until they have, what was written may not be changed. */
  get backlog(): number {
    return this.#link.backlog;
  }

  /** Feeds what arrived. A breach of the protocol fails the channel. */
  receive(chunk: Uint8Array): void {
    if (this.#failure !== null) return;
    try {
      this.#decoder.push(chunk, this);
    } catch (error) {
      this.fail(BoxliteError.is(error) ? error : handlerFailure(error));
    }
  }

  /**
   * Opens a stream and asks for a service on it. Bytes may be written at once.
   * @throws BoxliteError the channel's failure, `InvalidState` before HELLO or when too many streams
   * are open, or `InvalidArgument` if the request is too large.
   */
  open(request: JsonObject, handlers: StreamHandlers): PortalStream {
    const payload = this.#encodeMessage(request);
    const stream = this.#makeOwnStream(handlers, true);
    this.#sendMessage('OPEN', stream.id, payload, 0);
    return stream;
  }

  /**
   * Makes a stream that is not asked for on its own: its id is named in another one's request.
   * @throws BoxliteError as {@link open} does.
   */
  attach(handlers: StreamHandlers): PortalStream {
    return this.#makeOwnStream(handlers, false);
  }

  #makeOwnStream(handlers: StreamHandlers, asked: boolean): PortalStream {
    if (this.#failure !== null) throw this.#failure;
    if (this.#peer === null) {
      throw new BoxliteError(
        'InvalidState',
        'Cannot open a stream before the other side said HELLO',
      );
    }
    if (this.#streams.size >= STREAMS_MAX) {
      throw new BoxliteError(
        'InvalidState',
        `Cannot open another stream: ${STREAMS_MAX} are open, wait for one to end`,
      );
    }
    const stream = this.#makeStream(this.#nextId, handlers, this.#peer, asked);
    this.#nextId += 2;
    return stream;
  }

  /** Ends everything, with a reason each waiter is told. */
  fail(reason: BoxliteError): void {
    if (this.#failure !== null) return;
    this.#failure = reason;
    for (const stream of [...this.#streams.values()]) stream.close(reason);
    this.#events.failed?.(reason);
  }

  /** Sends what waits, while the link takes it: one frame a stream and turn. */
  flush(): void {
    while (this.#link.writable) {
      const [stream] = this.#turns;
      if (stream === undefined) return;
      this.#turns.delete(stream);
      const piece = stream.takeForSending(FRAME_BYTES_MAX);
      if (piece !== null) this.#link.send('DATA', stream.id, 0, piece);
      if (stream.sendable) this.#turns.add(stream);
      else stream.finishSending();
    }
  }

  // What streams ask of their channel.

  wantsToSend(stream: PortalStream): void {
    this.#turns.add(stream);
    this.flush();
  }

  sendWindow(stream: number, bytes: number): void {
    this.#send('WINDOW', stream, u32(bytes));
  }

  sendControl(stream: number, message: JsonObject, flags: number): void {
    this.#sendMessage('CONTROL', stream, this.#encodeMessage(message), flags);
  }

  sendReset(stream: number, refusal: Refusal): void {
    this.#send('RESET', stream, encodeRefusal(refusal));
  }

  sendEnd(stream: number, flags: number): void {
    this.#send('END', stream, new Uint8Array(0), flags);
  }

  /**
   * Makes a stream that the other side has attached to a request of its own, by the id it gave there.
   * @throws BoxliteError `Portal` if the id is not the other side's to give.
   */
  adoptAttached(id: number, handlers: StreamHandlers): PortalStream {
    if (this.#peer === null) throw violation('a stream before HELLO');
    if (id % 2 === this.#nextId % 2 || id <= this.#attachableAbove || this.#streams.has(id)) {
      throw violation(`attaching stream ${id}, which is not the sender's to attach`);
    }
    if (this.#streams.size >= STREAMS_MAX) throw violation(`more than ${STREAMS_MAX} streams`);
    this.#highestPeerId = Math.max(this.#highestPeerId, id);
    return this.#makeStream(id, handlers, this.#peer, false);
  }

  /** Accepts a stream the other side opened. */
  accept(stream: PortalStream, answer: JsonObject): void {
    this.#send('ACCEPT', stream.id, encodeJson(answer));
  }

  /** Refuses a stream the other side opened. */
  reject(stream: PortalStream, refusal: Refusal): void {
    if (stream.closed) return;
    this.#send('REJECT', stream.id, encodeRefusal(refusal));
    stream.close(new BoxliteError('Run', refusal.message));
  }

  forget(stream: PortalStream): void {
    this.#streams.delete(stream.id);
    this.#turns.delete(stream);
  }

  // What the decoder finds.

  data(id: number, piece: Uint8Array): void {
    if (this.#failure === null) this.#find(id)?.receiveData(piece);
  }

  frame(header: FrameHeader, payload: Uint8Array): void {
    if (this.#failure !== null) return;
    switch (header.name) {
      case 'HELLO':
        return this.#receiveHello(payload);
      case 'OPEN':
        return this.#receiveOpen(header.stream, payload);
      case 'WINDOW':
        return this.#receiveWindow(header.stream, readU32(payload));
      case 'PING':
        return this.#receivePing(payload);
      case 'PONG':
        return this.#link.ponged?.();
      case 'DATA':
        return;
      case 'GOAWAY':
        return this.fail(new BoxliteError('Portal', decodeRefusal(payload).message));
      default:
        return this.#toStream(header, payload);
    }
  }

  #toStream(header: FrameHeader, payload: Uint8Array): void {
    const stream = this.#find(header.stream);
    // A stream that was closed here while this frame was under way.
    if (stream === undefined) return;
    switch (header.name) {
      case 'ACCEPT':
        stream.receiveAccept(decodeJson(payload));
        break;
      case 'REJECT':
        stream.receiveReject(decodeRefusal(payload));
        break;
      case 'RESET':
        stream.receiveReset(decodeRefusal(payload));
        break;
      case 'END':
        stream.receiveEnd();
        break;
      case 'CONTROL':
        stream.receiveControl(decodeJson(payload));
        break;
    }
    if ((header.flags & frameFlags.FINAL) !== 0) stream.close(null);
  }

  #receiveHello(payload: Uint8Array): void {
    if (this.#peer !== null) throw violation('HELLO twice');
    const peer = decodeHello(payload);
    if (peer.min > PORTAL_VERSION || peer.max < PORTAL_VERSION) {
      throw new BoxliteError(
        'Portal',
        `The agent "${peer.build}" speaks portal versions ${peer.min} to ${peer.max}, and this ` +
          `program speaks ${PORTAL_VERSION}: stop the box with the program that started it`,
      );
    }
    this.#peer = peer;
    if (this.#awaitsTurn) this.#sendHello();
    this.#events.ready?.(peer);
  }

  #receivePing(payload: Uint8Array): void {
    this.#requireReader();
    this.#send('PONG', 0, payload);
  }

  #receiveOpen(id: number, payload: Uint8Array): void {
    if (this.#peer === null) throw violation('OPEN before HELLO');
    const mine = this.#nextId % 2;
    if (id % 2 === mine) throw violation(`OPEN of stream ${id}, which is not the sender's to open`);
    if (id <= this.#highestPeerId) throw violation(`OPEN of stream ${id} twice`);
    if (this.#events.open === undefined) throw violation('OPEN where nothing is offered');
    if (this.#streams.size >= STREAMS_MAX) throw violation(`more than ${STREAMS_MAX} streams`);
    this.#requireReader();
    this.#attachableAbove = this.#highestPeerId;
    this.#highestPeerId = id;
    const request = decodeJson(payload);
    const stream = this.#makeStream(id, {}, this.#peer, false);
    stream.adopt(this.#events.open(stream, request));
  }

  /** Answers must not pile up without bound. */
  #requireReader(): void {
    const { backlog } = this.#link;
    this.#answers = backlog === 0 ? 1 : this.#answers + 1;
    if (backlog > BACKLOG_BYTES_MAX || this.#answers > BACKLOG_ANSWERS_MAX) {
      throw violation('it asks and does not read the answers');
    }
  }

  #receiveWindow(id: number, amount: number): void {
    if (id !== 0) return this.#find(id)?.receiveWindow(amount);
    if (this.#link.mailboxTaken === undefined) throw violation('WINDOW on stream 0');
    this.#link.mailboxTaken(amount);
  }

  /** The stream, undefined if it has been closed. An id never used is a breach. */
  #find(id: number): PortalStream | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const known = id % 2 === this.#nextId % 2 ? id < this.#nextId : id <= this.#highestPeerId;
    if (!known) throw violation(`a frame for stream ${id}, which was never opened`);
    return undefined;
  }

  #makeStream(id: number, handlers: StreamHandlers, peer: Hello, asked: boolean): PortalStream {
    const start = { inWindow: this.#ownWindow(), outCredit: peer.window, asked };
    const stream = new PortalStream(id, this, handlers, start);
    this.#streams.set(id, stream);
    return stream;
  }

  #ownWindow(): number {
    return this.#role === 'host' ? HOST_WINDOW_BYTES : GUEST_WINDOW_BYTES;
  }

  #sendHello(): void {
    const hello: Hello = {
      min: PORTAL_VERSION,
      max: PORTAL_VERSION,
      window: this.#ownWindow(),
      build: this.#build,
    };
    this.#send('HELLO', 0, encodeHello(hello));
  }

  #encodeMessage(message: JsonObject): Uint8Array {
    const payload = encodeJson(message);
    const limit = controlBytesMax(this.#role);
    if (payload.length > limit) {
      throw new BoxliteError(
        'InvalidArgument',
        `The request has ${payload.length} bytes, at most ${limit} can be sent`,
      );
    }
    return payload;
  }

  /** Sends a message in as many frames as it takes, all flags but MORE on the last. */
  #sendMessage(name: FrameTypeName, stream: number, payload: Uint8Array, flags: number): void {
    let rest = payload;
    while (rest.length > FRAME_BYTES_MAX) {
      this.#send(name, stream, rest.subarray(0, FRAME_BYTES_MAX), frameFlags.MORE);
      rest = rest.subarray(FRAME_BYTES_MAX);
    }
    this.#send(name, stream, rest, flags);
  }

  #send(name: FrameTypeName, stream: number, payload: Uint8Array, flags = 0): void {
    if (this.#failure !== null) return;
    this.#link.send(name, stream, flags, payload);
  }
}

/** The largest control message that `sender` may send. */
function controlBytesMax(sender: 'host' | 'guest'): number {
  return sender === 'host' ? CONTROL_BYTES_MAX : GUEST_CONTROL_BYTES_MAX;
}

function handlerFailure(cause: unknown): BoxliteError {
  const what = `Cannot handle what the other side sent: ${messageOf(cause)}`;
  return new BoxliteError('Internal', what, { cause });
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function readU32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
