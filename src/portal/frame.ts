// pure
import { BoxliteError } from '../base/errors.ts';
import {
  FRAME_BYTES_MAX,
  type FrameRule,
  type FrameTypeName,
  frameFlags,
  frameRules,
  HEADER_BYTES,
  HELLO_MAGIC,
  SYNC_BYTES_MAX,
} from './messages.ts';

/** A frame's header, checked against the table. */
export interface FrameHeader {
  readonly stream: number;
  readonly length: number;
  readonly name: FrameTypeName;
  readonly flags: number;
}

/** Receives what a {@link FrameDecoder} finds. */
export interface FrameSink {
  /**
   * A whole frame other than DATA, its MORE parts joined; the header is the last part's. The payload
   * is the receiver's to keep.
   */
  frame(header: FrameHeader, payload: Uint8Array): void;
  /** A piece of a DATA frame, as it arrives: frames are not collected first. A view of the input. */
  data(stream: number, piece: Uint8Array): void;
}

const namesByType = new Map<number, FrameTypeName>(
  Object.entries(frameRules).map(([name, rule]) => [rule.type, name as FrameTypeName]),
);

/** A breach of the protocol by the other side. */
export function violation(what: string): BoxliteError {
  return new BoxliteError('Portal', `The other side broke the portal protocol: ${what}`);
}

/** The 12 bytes in front of a payload of `length` bytes. */
export function encodeHeader(
  name: FrameTypeName,
  stream: number,
  length: number,
  flags = 0,
): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, stream, true);
  view.setUint32(4, length, true);
  view.setUint8(8, frameRules[name].type);
  view.setUint8(9, flags);
  return header;
}

/** Header and payload in one piece. */
export function encodeFrame(
  name: FrameTypeName,
  stream: number,
  payload: Uint8Array,
  flags = 0,
): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  frame.set(encodeHeader(name, stream, payload.length, flags));
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** A buffer for control messages that has grown beyond this is not kept for the next one. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Collects one message after another, each of `bytesMax` at most. */
class MessageBuffer {
  readonly #bytesMax: number;
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#bytes.length;
  }

  /** For `length` bytes more. @throws BoxliteError `Portal` if the message would be too long. */
  makeRoom(length: number): void {
    const wanted = this.#length + length;
    if (wanted > this.#bytesMax) {
      throw violation(`a control message of more than ${this.#bytesMax} bytes`);
    }
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#bytesMax, Math.max(wanted, 2 * this.#length)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  append(piece: Uint8Array): void {
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }

  /** The message, which is over. */
  take(): Uint8Array {
    const message = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(0);
    return message;
  }
}

/** Whether `header` is of the message that `joining` is a part of. */
function continues(joining: FrameHeader, header: FrameHeader): boolean {
  return joining.stream === header.stream && joining.name === header.name;
}

/** Whether it is a question of the wire or its answer: they belong to no message, so they may come in the middle of one. */
function comesBetween({ name }: FrameHeader): boolean {
  return name === 'PING' || name === 'PONG';
}

/**
 * Turns bytes into frames, however they were cut. Starts out of step: everything up to the first
 * HELLO is skipped, so that a boot loader's noise, or the middle of somebody else's conversation,
 * does no harm. Memory is bounded by the largest control message.
 * @throws BoxliteError `Portal` from {@link push} on a breach; the decoder is of no use afterwards.
 */
export class FrameDecoder {
  #synchronised = false;
  #skipped = 0;
  /** The end of the noise so far: it may be the beginning of a HELLO. */
  #tail = new Uint8Array(0);
  /** An incomplete header. */
  readonly #head = new Uint8Array(HEADER_BYTES);
  #headBytes = 0;
  #header: FrameHeader | null = null;
  /** Payload bytes of the current frame still to come. */
  #left = 0;
  /** The control message being collected, its earlier MORE frames first. */
  readonly #message: MessageBuffer;
  /** A PING or PONG, which may come in the middle of it. */
  readonly #between = new MessageBuffer(8);
  /** The MORE frame that the next frame has to continue. */
  #joining: FrameHeader | null = null;

  /** `controlBytesMax` bounds a control message, joined from its frames. */
  constructor(controlBytesMax: number) {
    this.#message = new MessageBuffer(controlBytesMax);
  }

  /** Bytes of memory held between two calls of {@link push}. */
  get heldBytes(): number {
    return this.#tail.length + this.#head.length + this.#message.heldBytes;
  }

  push(chunk: Uint8Array, sink: FrameSink): void {
    let rest = this.#synchronised ? chunk : this.#synchronise(chunk);
    while (rest.length > 0) {
      rest =
        this.#header === null
          ? this.#takeHeader(rest, sink)
          : this.#takePayload(this.#header, rest, sink);
    }
  }

  /** Takes what it can of a header from the front of `bytes` and returns what is left. */
  #takeHeader(bytes: Uint8Array, sink: FrameSink): Uint8Array {
    const piece = bytes.subarray(0, HEADER_BYTES - this.#headBytes);
    this.#head.set(piece, this.#headBytes);
    this.#headBytes += piece.length;
    if (this.#headBytes === HEADER_BYTES) {
      this.#headBytes = 0;
      this.#startFrame(decodeHeader(this.#head), sink);
    }
    return bytes.subarray(piece.length);
  }

  #startFrame(header: FrameHeader, sink: FrameSink): void {
    const joining = this.#joining;
    if (joining !== null && !continues(joining, header) && !comesBetween(header)) {
      throw violation(`${header.name} in the middle of a longer ${joining.name}`);
    }
    if ((header.flags & frameFlags.MAILBOX) !== 0) {
      throw violation('the mailbox goes from the host to the guest only');
    }
    if (header.name !== 'DATA') this.#bufferOf(header).makeRoom(header.length);
    this.#header = header;
    this.#left = header.length;
    if (this.#left === 0) this.#finishFrame(header, sink);
  }

  #takePayload(header: FrameHeader, bytes: Uint8Array, sink: FrameSink): Uint8Array {
    const piece = bytes.subarray(0, this.#left);
    this.#left -= piece.length;
    if (header.name !== 'DATA') this.#bufferOf(header).append(piece);
    if (this.#left === 0) this.#finishFrame(header, sink);
    if (header.name === 'DATA') sink.data(header.stream, piece);
    return bytes.subarray(piece.length);
  }

  #finishFrame(header: FrameHeader, sink: FrameSink): void {
    this.#header = null;
    if (header.name === 'DATA') return;
    const more = (header.flags & frameFlags.MORE) !== 0;
    if (!comesBetween(header)) this.#joining = more ? header : null;
    if (!more) sink.frame(header, this.#bufferOf(header).take());
  }

  #bufferOf(header: FrameHeader): MessageBuffer {
    return comesBetween(header) ? this.#between : this.#message;
  }

  /** Looks for a HELLO; returns the bytes from its header on, or none if it has not come yet. */
  #synchronise(chunk: Uint8Array): Uint8Array {
    const seen = new Uint8Array(this.#tail.length + chunk.length);
    seen.set(this.#tail);
    seen.set(chunk, this.#tail.length);
    const start = findHello(seen);
    const noise =
      start >= 0 ? start : Math.max(0, seen.length - (HEADER_BYTES + HELLO_MAGIC.length - 1));
    this.#skipped += noise;
    // Wherever the bytes were cut, a HELLO that comes later than this is too late.
    if (this.#skipped > SYNC_BYTES_MAX) {
      throw violation(`no HELLO within ${SYNC_BYTES_MAX} bytes`);
    }
    this.#synchronised = start >= 0;
    this.#tail = this.#synchronised ? new Uint8Array(0) : seen.slice(noise);
    return this.#synchronised ? seen.subarray(noise) : new Uint8Array(0);
  }
}

/** Reads and checks a header. @throws BoxliteError `Portal` if the table does not allow it. */
export function decodeHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const stream = view.getUint32(0, true);
  const length = view.getUint32(4, true);
  const type = view.getUint8(8);
  const flags = view.getUint8(9);
  const name = namesByType.get(type);
  if (name === undefined) throw violation(`unknown frame type ${type}`);
  const rule = frameRules[name];
  if (view.getUint16(10, true) !== 0) throw violation('reserved bytes are not zero');
  if ((flags & ~rule.flags) !== 0) throw violation(`${name} with flags ${flags}`);
  if (rule.on === 'zero' && stream !== 0) throw violation(`${name} on stream ${stream}`);
  if (rule.on === 'stream' && stream === 0) throw violation(`${name} on stream 0`);
  checkLength(name, rule, length, flags);
  return { stream, length, name, flags };
}

function checkLength(name: FrameTypeName, rule: FrameRule, length: number, flags: number): void {
  if (length > FRAME_BYTES_MAX) throw violation(`${name} of ${length} bytes`);
  // Nothing but a flood is made of empty parts.
  if ((flags & frameFlags.MORE) !== 0 && length === 0) throw violation(`${name} of 0 bytes`);
  const exact = { u32: 4, u64: 8, none: 0 }[rule.payload as string];
  const wanted = (flags & frameFlags.MAILBOX) !== 0 ? 8 : exact;
  if (wanted !== undefined && length !== wanted) throw violation(`${name} of ${length} bytes`);
}

function findHello(bytes: Uint8Array): number {
  const last = bytes.length - HELLO_MAGIC.length;
  for (let i = HEADER_BYTES; i <= last; i++) {
    if (!HELLO_MAGIC.every((byte, k) => bytes[i + k] === byte)) continue;
    const start = i - HEADER_BYTES;
    if (isHello(bytes.subarray(start, i))) return start;
  }
  return -1;
}

function isHello(header: Uint8Array): boolean {
  try {
    const { name, length } = decodeHeader(header);
    return name === 'HELLO' && length >= HELLO_MAGIC.length;
  } catch {
    return false;
  }
}
