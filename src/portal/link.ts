import type { Duplex } from 'node:stream';
import type { Mailbox } from '../spec/parts.ts';
import type { FrameLink } from './channel.ts';
import { encodeFrame, encodeHeader } from './frame.ts';
import { FRAME_BYTES_MAX, type FrameTypeName, frameFlags, frameRules } from './messages.ts';

/** Payloads up to this size are copied behind their header; larger ones are written on their own. */
const COPY_BYTES_MAX = 4096;
/** From this size on the mailbox is faster than a UML serial line, which takes a microsecond a byte. */
const MAILBOX_BYTES_MIN = 512;
/** Bytes that may wait in the socket before DATA holds back: the next frame is ready when one leaves. */
const BACKLOG_BYTES = 2 * FRAME_BYTES_MAX;

/** Frames over a socket, large payloads beside it through the mailbox where there is one. */
export class SocketLink implements FrameLink {
  readonly #socket: Duplex;
  readonly #mailbox: Mailbox | null;
  readonly #onWritable: () => void;

  /** `onWritable` is called whenever {@link writable} may have become true. */
  constructor(socket: Duplex, mailbox: Mailbox | null, onWritable: () => void) {
    this.#socket = socket;
    this.#mailbox = mailbox;
    this.#onWritable = onWritable;
    socket.on('drain', onWritable);
  }

  get writable(): boolean {
    return this.#socket.writableLength < BACKLOG_BYTES && (this.#mailbox?.roomy ?? true);
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  send(name: FrameTypeName, stream: number, flags: number, payload: Uint8Array): void {
    if (!this.#socket.writable) return;
    const place = this.#toMailbox(name, payload);
    if (place !== null) {
      this.#socket.write(encodeFrame(name, stream, place, flags | frameFlags.MAILBOX));
    } else if (payload.length <= COPY_BYTES_MAX) {
      this.#socket.write(encodeFrame(name, stream, payload, flags));
    } else {
      this.#socket.cork();
      this.#socket.write(encodeHeader(name, stream, payload.length, flags));
      this.#socket.write(payload);
      this.#socket.uncork();
    }
  }

  mailboxTaken(pieces: number): void {
    this.#mailbox?.taken(pieces);
    this.#onWritable();
  }

  #toMailbox(name: FrameTypeName, payload: Uint8Array): Uint8Array | null {
    if (payload.length < MAILBOX_BYTES_MIN) return null;
    if ((frameRules[name].flags & frameFlags.MAILBOX) === 0) return null;
    const place = this.#mailbox?.put(payload);
    if (place === undefined || place === null) return null;
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, place.offset, true);
    view.setUint32(4, place.length, true);
    return bytes;
  }
}
