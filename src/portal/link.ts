import type { Duplex } from 'node:stream';
import type { FrameLink } from './channel.ts';
import { encodeFrame, encodeHeader } from './frame.ts';
import { FRAME_BYTES_MAX, type FrameTypeName } from './messages.ts';

/** Payloads up to this size are copied behind their header; larger ones are written on their own. */
const COPY_BYTES_MAX = 4096;
/** Bytes that may wait in the socket before DATA holds back: the next frame is ready when one leaves. */
const BACKLOG_BYTES = 2 * FRAME_BYTES_MAX;

/** Frames over a socket that takes any number of bytes. */
export class SocketLink implements FrameLink {
  readonly #socket: Duplex;

  /** `onWritable` is called whenever {@link writable} may have become true. */
  constructor(socket: Duplex, onWritable: () => void) {
    this.#socket = socket;
    socket.on('drain', onWritable);
  }

  get writable(): boolean {
    return this.#socket.writableLength < BACKLOG_BYTES;
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  send(name: FrameTypeName, stream: number, flags: number, payload: Uint8Array): void {
    if (!this.#socket.writable) return;
    if (payload.length <= COPY_BYTES_MAX) {
      this.#socket.write(encodeFrame(name, stream, payload, flags));
    } else {
      this.#socket.cork();
      this.#socket.write(encodeHeader(name, stream, payload.length, flags));
      this.#socket.write(payload);
      this.#socket.uncork();
    }
  }
}
