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
  /** A whole frame other than DATA. The payload is the receiver's to keep. */
  frame(header: FrameHeader, payload: Uint8Array): void;
  /** A piece of a DATA frame, as it arrives: frames are not collected first. */
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

/**
 * Turns bytes into frames, however they were cut. Starts out of step: everything up to the first
 * HELLO is skipped, so that a boot loader's noise, or the middle of somebody else's conversation,
 * does no harm. Memory is bounded by one frame.
 * @throws BoxliteError `Portal` from {@link push} on a breach; the decoder is of no use afterwards.
 */
export class FrameDecoder {
  #synchronised = false;
  #skipped = 0;
  /** Bytes of an incomplete header or control payload. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #header: FrameHeader | null = null;
  /** DATA bytes of the current frame still to come. */
  #dataLeft = 0;

  push(chunk: Uint8Array, sink: FrameSink): void {
    let rest = this.#synchronised ? chunk : this.#synchronise(chunk);
    while (rest.length > 0) rest = this.#step(rest, sink);
  }

  /** Takes what it can from the front of `bytes` and returns what is left. */
  #step(bytes: Uint8Array, sink: FrameSink): Uint8Array {
    if (this.#header === null) {
      const collected = this.#collect(bytes, HEADER_BYTES);
      if (collected === null) return bytes.subarray(bytes.length);
      this.#header = decodeHeader(collected.whole);
      this.#dataLeft = this.#header.name === 'DATA' ? this.#header.length : 0;
      if (this.#header.length === 0) this.#deliver(new Uint8Array(0), sink);
      return collected.rest;
    }
    if (this.#header.name === 'DATA') {
      const piece = bytes.subarray(0, this.#dataLeft);
      this.#dataLeft -= piece.length;
      const { stream } = this.#header;
      if (this.#dataLeft === 0) this.#header = null;
      sink.data(stream, piece);
      return bytes.subarray(piece.length);
    }
    const collected = this.#collect(bytes, this.#header.length);
    if (collected === null) return bytes.subarray(bytes.length);
    this.#deliver(collected.whole, sink);
    return collected.rest;
  }

  #deliver(payload: Uint8Array, sink: FrameSink): void {
    const header = this.#header;
    this.#header = null;
    if (header !== null && header.name !== 'DATA') sink.frame(header, payload);
  }

  /** The first `size` bytes of what is held and `bytes`, or null if there are fewer. */
  #collect(bytes: Uint8Array, size: number): { whole: Uint8Array; rest: Uint8Array } | null {
    const missing = size - this.#heldBytes;
    if (bytes.length < missing) {
      this.#held.push(bytes.slice());
      this.#heldBytes += bytes.length;
      return null;
    }
    const tail = bytes.subarray(0, missing);
    const whole = this.#heldBytes === 0 ? tail.slice() : join([...this.#held, tail], size);
    this.#held = [];
    this.#heldBytes = 0;
    return { whole, rest: bytes.subarray(missing) };
  }

  /** Looks for a HELLO; returns the bytes from its header on, or none if it has not come yet. */
  #synchronise(chunk: Uint8Array): Uint8Array {
    const seen = join([...this.#held, chunk], this.#heldBytes + chunk.length);
    const start = findHello(seen);
    if (start >= 0) {
      this.#synchronised = true;
      this.#held = [];
      this.#heldBytes = 0;
      return seen.subarray(start);
    }
    // What could still be the beginning of a HELLO is kept.
    const keep = Math.min(seen.length, HEADER_BYTES + HELLO_MAGIC.length - 1);
    this.#skipped += seen.length - keep;
    if (this.#skipped > SYNC_BYTES_MAX) {
      throw violation(`no HELLO within ${SYNC_BYTES_MAX} bytes`);
    }
    this.#held = [seen.slice(seen.length - keep)];
    this.#heldBytes = keep;
    return seen.subarray(seen.length);
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
    return decodeHeader(header).name === 'HELLO';
  } catch {
    return false;
  }
}

function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
