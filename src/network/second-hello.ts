// pure
/**
 * A TLS server may ask for a second hello (RFC 8446, 4.1.4). It has to name the host that the first one named, but not
 * every server insists, and then it is the second one that counts. This looks for it, until the server has answered with
 * something else.
 */
import { concat } from './bytes.ts';
import {
  type ClientHello,
  MESSAGE_CLIENT_HELLO,
  RECORD_HANDSHAKE,
  RECORD_HEADER_BYTES,
  readClientHello,
} from './client-hello.ts';

const MESSAGE_SERVER_HELLO = 2;
/** Where the random bytes of a server's hello are, behind the headers of record and message and the version. */
const RANDOM = { start: 11, end: 43 } as const;
/** What they are in a request for another hello: SHA-256 of "HelloRetryRequest". */
const RETRY = Buffer.from(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
  'hex',
);
const EMPTY = new Uint8Array();

/** See the top of this file. */
export class SecondHello {
  /** Null until the server has said enough. */
  #retry: boolean | null = null;
  #answer: Uint8Array = EMPTY;
  /** What has come of a record that has to be seen whole. */
  #held: Uint8Array = EMPTY;
  /** What is still to come of a record that need not. */
  #passing = 0;
  #hellos = 0;
  readonly #mayPass: (hello: ClientHello) => boolean;

  /** `mayPass` is asked of every hello but the first, which has been judged. */
  constructor(mayPass: (hello: ClientHello) => boolean) {
    this.#mayPass = mayPass;
  }

  /** To be told all that the server says before the client hears it, as long as it is not {@link done}. */
  fromServer(chunk: Uint8Array): void {
    if (this.#retry !== null) return;
    this.#answer = concat(this.#answer, chunk);
    const begun = [RECORD_HANDSHAKE, 3].every((byte, i) => byte === (this.#answer[i] ?? byte));
    const isHello =
      (this.#answer[RECORD_HEADER_BYTES] ?? MESSAGE_SERVER_HELLO) === MESSAGE_SERVER_HELLO;
    if (!begun || !isHello) this.#retry = false;
    else if (this.#answer.length >= RANDOM.end) {
      const random = this.#answer.subarray(RANDOM.start, RANDOM.end);
      this.#retry = random.every((byte, i) => byte === RETRY[i]);
    }
  }

  /** Whether nothing that the client says needs to be seen any more. */
  get done(): boolean {
    return this.#retry === false && this.#held.length === 0;
  }

  /** What of the client's bytes may pass now; null if none may ever. */
  fromClient(chunk: Uint8Array): Uint8Array | null {
    if (this.done) return chunk;
    let rest = concat(this.#held, chunk);
    const all = rest;
    this.#held = EMPTY;
    while (rest.length > 0) {
      if (this.#passing > 0) {
        const passed = Math.min(this.#passing, rest.length);
        this.#passing -= passed;
        rest = rest.subarray(passed);
        continue;
      }
      const taken = this.#take(rest);
      if (taken === null) return null;
      if (taken === 0) {
        this.#held = rest.slice();
        break;
      }
      rest = rest.subarray(taken);
    }
    return all.subarray(0, all.length - rest.length);
  }

  /** How many bytes at a record's start may pass; 0 if more have to come first, null if they may not. */
  #take(bytes: Uint8Array): number | null {
    if (bytes.length <= RECORD_HEADER_BYTES) return 0;
    const end = RECORD_HEADER_BYTES + (((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0));
    if (bytes[0] === RECORD_HANDSHAKE && bytes[RECORD_HEADER_BYTES] === MESSAGE_CLIENT_HELLO) {
      const reading = readClientHello(bytes);
      if (reading.kind === 'more') return 0;
      if (reading.kind === 'malformed') return null;
      if (this.#hellos++ > 0 && !this.#mayPass(reading.hello)) return null;
      return reading.bytes;
    }
    this.#passing = Math.max(0, end - bytes.length);
    return Math.min(end, bytes.length);
  }
}
