// pure
import { BoxliteError } from '../base/errors.ts';
import { IN_HEADER_BYTES, MESSAGE_BYTES_MAX } from './fuse-protocol.ts';
import { MessageBuffers } from './message-buffers.ts';

/** The error of a volume whose guest has broken the FUSE protocol. */
export function breach(what: string): BoxliteError {
  return new BoxliteError('Portal', `The guest broke the FUSE protocol: ${what}`);
}

/** Cuts a stream into FUSE requests, each of which begins with its length. */
export class MessageSplitter {
  readonly #buffers: MessageBuffers;
  /** The first bytes of a message whose length is not known yet. */
  #head = new Uint8Array(0);
  /** The message that is being put together, and how much of it is there. */
  #message: Uint8Array | null = null;
  #filled = 0;

  constructor(buffers = new MessageBuffers()) {
    this.#buffers = buffers;
  }

  /**
   * Feeds bytes, however they were cut; calls back for each whole message. It shares memory with `chunk`, or is in one of the
   * buffers.
   * @throws BoxliteError `Portal` at a length that no request has.
   */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    let rest = chunk;
    if (this.#message !== null) rest = this.#fill(this.#message, rest, onMessage);
    if (this.#head.length > 0 && rest.length > 0) {
      rest = joined(this.#head, rest);
      this.#head = new Uint8Array(0);
    }
    while (rest.length >= 4) {
      const length = messageLength(rest);
      if (length > rest.length) {
        this.#filled = 0;
        this.#message = this.#buffers.take(length);
        rest = this.#fill(this.#message, rest, onMessage);
      } else {
        onMessage(rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    }
    if (rest.length > 0) this.#head = rest.slice();
  }

  #fill(
    message: Uint8Array,
    bytes: Uint8Array,
    onMessage: (message: Uint8Array) => void,
  ): Uint8Array {
    const taken = Math.min(bytes.length, message.length - this.#filled);
    message.set(bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === message.length) {
      this.#message = null;
      onMessage(message);
    }
    return bytes.subarray(taken);
  }
}

function messageLength(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (length < IN_HEADER_BYTES || length > MESSAGE_BYTES_MAX) {
    throw breach(`a request of ${length} bytes`);
  }
  return length;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
