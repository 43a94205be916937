import type { Duplex } from 'node:stream';
import type { Mailbox } from '../spec/parts.ts';
import type { FrameLink } from './channel.ts';
import { encodeFrame } from './frame.ts';
import { FRAME_BYTES_MAX, type FrameTypeName, frameFlags, frameRules } from './messages.ts';
import { Reminder } from './reminder.ts';

/** Bytes that may wait in the line's socket before DATA holds back. */
const BACKLOG_BYTES = 2 * FRAME_BYTES_MAX;

/** A header and the place of a payload in the mailbox. */
const PLACED_FRAME_BYTES = 20;

interface Held {
  readonly name: FrameTypeName;
  readonly stream: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/**
 * Frames over a line, with a mailbox for all that is larger than small; those that have no room yet wait here, in their
 * order. What is on a line that takes few bytes at a time is counted, and a PING now and then asks the agent how
 * far it has read.
 */
export class MailboxLink implements FrameLink {
  readonly #line: Duplex;
  readonly #mailbox: Mailbox;
  readonly #lineBytesMax: number;
  readonly #onWritable: () => void;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  /** Bytes on the line, as far as we know. */
  #onLine = 0;
  /** How many of them the PING under way will show to have arrived; 0 if none is. */
  #asked = 0;
  /** Null on a line whose bytes are noticed. */
  readonly #reminder: Reminder | null;

  /** `onWritable` is called whenever {@link writable} may have become true. */
  constructor(line: Duplex, mailbox: Mailbox, onWritable: () => void) {
    this.#line = line;
    this.#mailbox = mailbox;
    this.#lineBytesMax = mailbox.use.lineBytesMax ?? Number.POSITIVE_INFINITY;
    line.on('drain', () => this.#goOn());
    this.#onWritable = onWritable;
    this.#reminder = mailbox.use.lineBytesMax === null ? null : this.#reminderOf(line);
  }

  #reminderOf(line: Duplex): Reminder {
    const reminder = new Reminder(() => this.#remind());
    line.on('data', () => reminder.heard());
    line.on('close', () => reminder[Symbol.dispose]());
    return reminder;
  }

  get writable(): boolean {
    if (this.#held.length > 0 || this.#line.writableLength >= BACKLOG_BYTES) return false;
    return this.#mailbox.roomy && !this.#worthAsking;
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

  /** False if it has no room now. A mailbox that cannot be written ends the line. */
  #trySend(frame: Held): boolean {
    if (this.#line.destroyed) return true;
    let small: Uint8Array | null;
    try {
      small = this.#small(frame);
    } catch (error) {
      this.#line.destroy(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
    if (small === null || !this.#fits(small.length)) return false;
    this.#write(small);
    this.#askIfMuch();
    return true;
  }

  /** What of a frame goes over the line; null if its payload has no room in the mailbox. */
  #small({ name, stream, flags, payload }: Held): Uint8Array | null {
    const mayBePut = (frameRules[name].flags & frameFlags.MAILBOX) !== 0;
    if (!mayBePut || payload.length < this.#mailbox.use.payloadBytesMin) {
      return encodeFrame(name, stream, payload, flags);
    }
    if (!this.#fits(PLACED_FRAME_BYTES)) return null;
    const place = this.#mailbox.put(payload);
    if (place === null) return null;
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, place.offset, true);
    view.setUint32(4, place.length, true);
    return encodeFrame(name, stream, bytes, flags | frameFlags.MAILBOX);
  }

  #fits(bytes: number): boolean {
    return this.#onLine + bytes <= this.#lineBytesMax;
  }

  /** Whether so much is on its way that it is worth asking whether it has arrived. */
  get #worthAsking(): boolean {
    return this.#onLine >= this.#lineBytesMax / 2;
  }

  #askIfMuch(): void {
    if (this.#asked === 0 && this.#worthAsking) this.#ask();
  }

  #ask(): void {
    this.#write(encodeFrame('PING', 0, new Uint8Array(8)));
    this.#asked = this.#onLine;
  }

  /** A PONG that nobody has asked for says nothing, and can be noticed in place of a PING that was not. */
  #remind(): void {
    if (this.#asked === 0) this.#ask();
    else this.#line.write(encodeFrame('PONG', 0, new Uint8Array(8)));
  }

  #write(frame: Uint8Array): void {
    this.#line.write(frame);
    this.#reminder?.said();
    if (this.#lineBytesMax !== Number.POSITIVE_INFINITY) this.#onLine += frame.length;
  }
}
