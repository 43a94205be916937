// pure
/** Frames of the WebSocket protocol (RFC 6455, 5.2). No extension is known here, so what extensions use is a breach. */
import { concat, numberOf } from '../bytes.ts';

export const opcodes = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;
/** What a control frame may carry. */
export const CONTROL_FRAME_BYTES_MAX = 125;

/** Why a connection is closed (RFC 6455, 7.4.1). */
export const closeReasons = { protocol: 1002, policy: 1008 } as const;

const KNOWN: readonly number[] = Object.values(opcodes);
const FINAL = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
/** In the place of a length: it follows in 2 bytes, or in 8. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const KEY_BYTES = 4;
const EMPTY = new Uint8Array();

/** What stands in front of a frame's payload. */
export interface FrameHead {
  /** Whether the message ends with it. */
  readonly final: boolean;
  readonly opcode: number;
  /** What the payload is masked with; null if it is not. */
  readonly key: Uint8Array | null;
}

/** A piece of a frame as it comes. One without payload has one piece, without bytes; a control frame has one. */
export interface FramePart {
  readonly head: FrameHead;
  /** Of the whole frame's payload. */
  readonly length: number;
  /** Where the piece is in it. */
  readonly offset: number;
  /** Without the mask. */
  readonly payload: Uint8Array;
}

/** Bytes that are no frames, or frames in an order that makes no messages. */
export class FrameBreach extends Error {}

/** Takes a stream of frames apart, wherever it is cut. */
export class FrameReader {
  readonly #masked: boolean;
  /** The beginning of a head. */
  #held: Uint8Array = EMPTY;
  #frame: { readonly head: FrameHead; readonly length: number } | null = null;
  #offset = 0;
  #inMessage = false;

  /** Those of a client are masked, those of a server are not. */
  constructor(masked: boolean) {
    this.#masked = masked;
  }

  /** @throws FrameBreach */
  *read(chunk: Uint8Array): Generator<FramePart> {
    let rest = this.#held.length === 0 ? chunk : concat(this.#held, chunk);
    this.#held = EMPTY;
    for (;;) {
      if (this.#frame === null) {
        const parsed = parseHead(rest);
        if (parsed === null) {
          this.#held = rest.slice();
          return;
        }
        this.#check(parsed.head, parsed.length);
        if (isControl(parsed.head) && rest.length < parsed.bytes + parsed.length) {
          this.#held = rest.slice();
          return;
        }
        this.#frame = parsed;
        this.#offset = 0;
        rest = rest.subarray(parsed.bytes);
      }
      const { head, length } = this.#frame;
      const offset = this.#offset;
      if (rest.length === 0 && offset < length) return;
      const piece = rest.subarray(0, Math.min(rest.length, length - offset));
      this.#offset += piece.length;
      rest = rest.subarray(piece.length);
      if (this.#offset === length) this.#frame = null;
      yield { head, length, offset, payload: masked(piece, head.key, offset) };
    }
  }

  #check(head: FrameHead, length: number): void {
    const { final, opcode, key } = head;
    if ((key !== null) !== this.#masked) {
      throw new FrameBreach(`it is ${key === null ? 'not ' : ''}masked`);
    }
    if (!KNOWN.includes(opcode)) throw new FrameBreach(`it has the unknown opcode ${opcode}`);
    if (isControl(head)) {
      if (final && length <= CONTROL_FRAME_BYTES_MAX) return;
      throw new FrameBreach('it is a control frame in parts, or too long for one');
    }
    if ((opcode === opcodes.continuation) !== this.#inMessage) {
      throw new FrameBreach('it begins a message in another one, or continues none');
    }
    this.#inMessage = !final;
  }
}

/** Whether it is about the connection and stands between, or in, messages. */
export function isControl({ opcode }: FrameHead): boolean {
  return opcode >= opcodes.close;
}

/** The bytes of a frame, masked with its key. */
export function encodeFrame(head: FrameHead, payload: Uint8Array): Uint8Array {
  return concat(encodeHead(head, payload.length), masked(payload, head.key, 0));
}

/** The bytes in front of a payload. */
export function encodeHead({ final, opcode, key }: FrameHead, length: number): Uint8Array {
  const form = length < LENGTH_16 ? length : length < 0x1_0000 ? LENGTH_16 : LENGTH_64;
  const wide = { [LENGTH_16]: 2, [LENGTH_64]: 8 }[form] ?? 0;
  const head = new Uint8Array(2 + wide);
  head[0] = (final ? FINAL : 0) | opcode;
  head[1] = (key === null ? 0 : MASKED) | form;
  const view = new DataView(head.buffer);
  if (wide === 2) view.setUint16(2, length);
  if (wide === 8) view.setBigUint64(2, BigInt(length));
  return key === null ? head : concat(head, key);
}

/** A server's frame that closes the connection, with as much of the message as it can carry. */
export function closeFrame(reason: number, message: string): Uint8Array {
  const text = cutText(Buffer.from(message), CONTROL_FRAME_BYTES_MAX - 2);
  const payload = concat(Uint8Array.of(reason >> 8, reason & 0xff), text);
  return encodeFrame({ final: true, opcode: opcodes.close, key: null }, payload);
}

/** As much of a text as fits, without half a character at its end. */
export function cutText(text: Uint8Array, bytesMax: number): Uint8Array {
  if (text.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

/** A payload with the mask put on, or taken off: a copy. It stands at `offset` in its frame. */
export function masked(payload: Uint8Array, key: Uint8Array | null, offset: number): Uint8Array {
  const copy = Uint8Array.from(payload);
  if (key === null) return copy;
  for (let i = 0; i < copy.length; i++) {
    copy[i] = (copy[i] as number) ^ (key[(offset + i) % KEY_BYTES] as number);
  }
  return copy;
}

/** The head at the beginning of some bytes, and how many it takes; null if there are too few. */
function parseHead(
  bytes: Uint8Array,
): { readonly head: FrameHead; readonly length: number; readonly bytes: number } | null {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return null;
  if ((first & RESERVED) !== 0) throw new FrameBreach('it is in an extension that was not agreed');
  const form = second & ~MASKED;
  const wide = { [LENGTH_16]: 2, [LENGTH_64]: 8 }[form] ?? 0;
  const keyAt = 2 + wide;
  const end = keyAt + ((second & MASKED) === 0 ? 0 : KEY_BYTES);
  if (bytes.length < end) return null;
  const length = numberOf(bytes.subarray(2, keyAt));
  if (wide > 0 && length < (wide === 2 ? LENGTH_16 : 0x1_0000)) {
    throw new FrameBreach('its length is written longer than it need be');
  }
  if (length > Number.MAX_SAFE_INTEGER) throw new FrameBreach('it is longer than anything is');
  const key = end === keyAt ? null : Uint8Array.from(bytes.subarray(keyAt, end));
  const head = { final: (first & FINAL) !== 0, opcode: first & OPCODE, key };
  return { head, length: wide === 0 ? form : length, bytes: end };
}
