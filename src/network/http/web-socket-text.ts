// pure
/** A text message of a WebSocket, which nothing says the type of: one that begins as JSON does is taken for JSON. */
import type { Screen } from '../secrets/screen.ts';
import type { Substitution } from '../secrets/substitution.ts';
import type { MessageFilter } from './web-socket-messages.ts';

const SPACE = 0x20;
/** Of an object, an array, a string. */
const JSON_STARTS = [...'{["'].map((sign) => sign.charCodeAt(0));

/** See the top of this file. Both methods throw `ForbiddenContent`. */
export class TextMessage implements MessageFilter {
  readonly #substitution: Substitution;
  /** Null until there was a letter; and if there is nothing to look for. */
  #screen: Screen | null = null;

  constructor(substitution: Substitution) {
    this.#substitution = substitution;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#screen === null) {
      const first = bytes.find((byte) => byte > SPACE);
      if (first === undefined) return bytes;
      const type = JSON_STARTS.includes(first) ? 'application/json' : 'text/plain';
      this.#screen = this.#substitution.requestScreen(type);
    }
    return this.#screen?.push(bytes) ?? bytes;
  }

  end(): Uint8Array {
    return this.#screen?.end() ?? new Uint8Array();
  }
}
