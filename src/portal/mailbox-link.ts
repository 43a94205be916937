import type { Duplex } from 'node:stream';
import type { Mailbox } from '../spec/parts.ts';
import type { FrameLink } from './channel.ts';
import { encodeFrame } from './frame.ts';
import { type FrameTypeName, frameFlags, frameRules } from './messages.ts';

/** From this size on the mailbox is faster than a UML serial line, which takes a microsecond a byte. */
const MAILBOX_BYTES_MIN = 128;

/**
 * Bytes on the line that the agent has not been heard to have read. A guest's terminal holds 4 KiB; when it
 * is full UML stops listening, and can miss the moment to go on. Half of that never fills it.
 */
const LINE_BYTES_MAX = 2048;
/** So much on its way is worth asking whether it has arrived. */
const ASK_BYTES = LINE_BYTES_MAX / 2;

/** A header and the place of a payload in the mailbox. */
const PLACED_FRAME_BYTES = 20;

interface Held {
  readonly name: FrameTypeName;
  readonly stream: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/**
 * Frames over a line that takes few bytes at a time, with a mailbox for all that is larger than small. What
 * is on the line is counted, and a PING now and then asks the agent how far it has read; frames that have
 * no room yet wait here, in their order.
 */
export class MailboxLink implements FrameLink {
  readonly #line: Duplex;
  readonly #mailbox: Mailbox;
  readonly #onWritable: () => void;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  /** Bytes on the line, as far as we know. */
  #onLine = 0;
  /** How many of them the PING under way will show to have arrived; 0 if none is. */
  #asked = 0;

  /** `onWritable` is called whenever {@link writable} may have become true. */
  constructor(line: Duplex, mailbox: Mailbox, onWritable: () => void) {
    this.#line = line;
    this.#mailbox = mailbox;
    this.#onWritable = onWritable;
  }

  get writable(): boolean {
    return this.#held.length === 0 && this.#mailbox.roomy && this.#onLine < ASK_BYTES;
  }

  get backlog(): number {
    return this.#heldBytes + this.#line.writableLength;
  }

  send(name: FrameTypeName, stream: number, flags: number, payload: Uint8Array): void {
    if (!this.#line.writable) return;
    const frame = { name, stream, flags, payload };
    if (this.#held.length === 0 && this.#trySend(frame)) return;
    this.#held.push(frame);
    this.#heldBytes += payload.length;
  }

  mailboxTaken(pieces: number): void {
    this.#mailbox.taken(pieces);
    this.#goOn();
  }

  /** The agent has read everything up to the last PING. One that was not asked for says nothing. */
  ponged(): void {
    this.#onLine -= this.#asked;
    this.#asked = 0;
    this.#goOn();
  }

  #goOn(): void {
    for (;;) {
      const [next] = this.#held;
      if (next === undefined || !this.#trySend(next)) break;
      this.#held.shift();
      this.#heldBytes -= next.payload.length;
    }
    this.#askIfMuch();
    if (this.writable) this.#onWritable();
  }

  /** False if it has no room now. */
  #trySend(frame: Held): boolean {
    const small = this.#small(frame);
    if (small === null || this.#onLine + small.length > LINE_BYTES_MAX) return false;
    this.#write(small);
    this.#askIfMuch();
    return true;
  }

  /** What of a frame goes over the line; null if its payload has no room in the mailbox. */
  #small({ name, stream, flags, payload }: Held): Uint8Array | null {
    const mayBePut = (frameRules[name].flags & frameFlags.MAILBOX) !== 0;
    if (!mayBePut || payload.length < MAILBOX_BYTES_MIN) {
      return encodeFrame(name, stream, payload, flags);
    }
    if (this.#onLine + PLACED_FRAME_BYTES > LINE_BYTES_MAX) return null;
    const place = this.#mailbox.put(payload);
    if (place === null) return null;
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, place.offset, true);
    view.setUint32(4, place.length, true);
    return encodeFrame(name, stream, bytes, flags | frameFlags.MAILBOX);
  }

  #askIfMuch(): void {
    if (this.#asked > 0 || this.#onLine < ASK_BYTES) return;
    this.#write(encodeFrame('PING', 0, new Uint8Array(8)));
    this.#asked = this.#onLine;
  }

  #write(frame: Uint8Array): void {
    this.#line.write(frame);
    this.#onLine += frame.length;
  }
}
