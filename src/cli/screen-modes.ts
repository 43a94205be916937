// pure
/**
 * What a program has done to a terminal's screen, such as hiding the cursor, and how to undo it. A program undoes it
 * itself, unless it is killed, or its box is.
 *
 * The modes are set by `ESC [ ? number ; ... h` and reset by the same with `l` (DEC private modes, as in xterm's
 * control sequences).
 */

/** Modes that are on before any program comes: wrapping lines, and the cursor. */
const ON_AT_FIRST = [7, 25];
/** Modes that are off: cursor keys and screen of programs, mouse reports, other screens, marked pastes. */
const OFF_AT_FIRST = [1, 5, 9, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1049, 2004];
/** A mode's number is this long at most; a longer sequence is none of these. */
const PARAMETERS_MAX = 64;

const ESC = 0x1b;
const BRACKET = 0x5b;
const QUESTION = 0x3f;
const DIGIT_0 = 0x30;
const SEMICOLON = 0x3b;
const SET = 0x68;
const RESET = 0x6c;

/** Watches what a terminal is sent. */
export class ScreenModes {
  /** Which are not as they were at first. */
  readonly #changed = new Set<number>();
  /** How far into `ESC [ ?` we are; 3 is within the numbers. */
  #state = 0;
  #parameters = '';

  /** Looks at bytes on their way to the terminal. */
  watch(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      // Most output has no escape in it.
      if (this.#state === 0) {
        i = bytes.indexOf(ESC, i);
        if (i < 0) return;
      }
      this.#step(bytes[i] ?? 0);
    }
  }

  /** What to send the terminal to have it as it was. Empty if it is; colours are reset only along with modes. */
  restoring(): string {
    const changed = [...this.#changed].reverse();
    if (changed.length === 0) return '';
    const modes = changed.map((mode) => `\x1b[?${mode}${ON_AT_FIRST.includes(mode) ? 'h' : 'l'}`);
    return `\x1b[0m${modes.join('')}`;
  }

  #step(byte: number): void {
    if (byte === ESC) {
      this.#state = 1;
    } else if (this.#state === 1 && byte === BRACKET) {
      this.#state = 2;
    } else if (this.#state === 2 && byte === QUESTION) {
      this.#state = 3;
      this.#parameters = '';
    } else if (this.#state === 3 && isParameter(byte)) {
      this.#parameters += String.fromCharCode(byte);
      if (this.#parameters.length > PARAMETERS_MAX) this.#state = 0;
    } else {
      if (this.#state === 3 && (byte === SET || byte === RESET)) this.#note(byte === SET);
      this.#state = 0;
    }
  }

  #note(on: boolean): void {
    for (const mode of this.#parameters.split(';').map(Number)) {
      const first = ON_AT_FIRST.includes(mode) ? true : OFF_AT_FIRST.includes(mode) ? false : on;
      this.#changed.delete(mode);
      if (first !== on) this.#changed.add(mode);
    }
  }
}

function isParameter(byte: number): boolean {
  return (byte >= DIGIT_0 && byte < DIGIT_0 + 10) || byte === SEMICOLON;
}
