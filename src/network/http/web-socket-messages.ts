// pure
/**
 * Rewrites the messages of one direction of a WebSocket. A frame that there is room for is gathered and goes on as one.
 * A longer one goes on as it comes, as several: who stands between may cut messages otherwise (RFC 6455, 5.4).
 */
import { concat } from '../bytes.ts';
import {
  CONTROL_FRAME_BYTES_MAX,
  cutText,
  encodeFrame,
  encodeHead,
  type FramePart,
  FrameReader,
  isControl,
  masked,
  opcodes,
} from './web-socket-frames.ts';

/** What a message's payload passes through. */
export interface MessageFilter {
  push(bytes: Uint8Array): Uint8Array;
  /** What was held back. */
  end(): Uint8Array;
}

/** What happens to which messages. */
export interface MessageRules {
  /** Whether they come from a client, and go on as a client's. */
  readonly masked: boolean;
  /** A filter for a message or control frame of this kind; null to let it pass as it is. */
  readonly filterFor: (opcode: number) => MessageFilter | null;
  /** Room for so many bytes until it is disposed of; null if there is none. */
  readonly room: (bytes: number) => Disposable | null;
}

/** A frame that is gathered. */
interface Gathered {
  readonly bytes: Uint8Array;
  readonly room: Disposable;
}

const EMPTY = new Uint8Array();

/** See the top of this file. With a filter for everything, what it returns are whole frames. */
export class MessageRewriter implements Disposable {
  readonly #rules: MessageRules;
  readonly #reader: FrameReader;
  /** Of the message that has begun. */
  #filter: MessageFilter | null = null;
  /** What its next frame is called. */
  #opcode: number = opcodes.continuation;
  #gathered: Gathered | null = null;

  constructor(rules: MessageRules) {
    this.#rules = rules;
    this.#reader = new FrameReader(rules.masked);
  }

  /** What goes on. @throws FrameBreach, or what a filter throws */
  push(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    for (const part of this.#reader.read(chunk)) out.push(...this.#part(part));
    return concat(...out);
  }

  [Symbol.dispose](): void {
    this.#gathered?.room[Symbol.dispose]();
    this.#gathered = null;
  }

  #part(part: FramePart): readonly Uint8Array[] {
    const { head, length, offset, payload } = part;
    if (isControl(head)) return [this.#control(part)];
    if (offset === 0 && head.opcode !== opcodes.continuation) {
      this.#filter = this.#rules.filterFor(head.opcode);
      this.#opcode = head.opcode;
    }
    if (this.#filter !== null) return this.#data(part, this.#filter);
    const front = offset === 0 ? encodeHead(head, length) : EMPTY;
    return [front, masked(payload, head.key, offset)];
  }

  #data({ head, length, offset, payload }: FramePart, filter: MessageFilter): Uint8Array[] {
    const whole = offset + payload.length === length;
    if (offset === 0 && !whole) this.#gather(length);
    let bytes = payload;
    if (this.#gathered !== null) {
      bytes = this.#gathered.bytes;
      bytes.set(payload, offset);
      if (!whole) return [];
      this[Symbol.dispose]();
    }
    const final = head.final && whole;
    const passed = concat(filter.push(bytes), final ? filter.end() : EMPTY);
    if (passed.length === 0 && !final) return [];
    const frame = encodeFrame({ final, opcode: this.#opcode, key: head.key }, passed);
    this.#opcode = opcodes.continuation;
    return [frame];
  }

  #gather(length: number): void {
    const room = this.#rules.room(length);
    if (room !== null) this.#gathered = { bytes: new Uint8Array(length), room };
  }

  /** It comes whole. What it has become may be too long for it. */
  #control({ head, payload }: FramePart): Uint8Array {
    const filter = this.#rules.filterFor(head.opcode);
    const passed = filter === null ? payload : concat(filter.push(payload), filter.end());
    return encodeFrame(head, cutText(passed, CONTROL_FRAME_BYTES_MAX));
  }
}
