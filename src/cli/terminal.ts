/** Our terminal, while a command in a box has it. */
import type { WriteStream } from 'node:tty';
import { environmentVariable } from '../base/env.ts';
import type { Execution, TerminalSize } from '../index.ts';
import { showOutputRaw } from '../process/terminal.ts';

/** A terminal of ours that a box knows too: what minimal Debian and Alpine systems have descriptions of. */
const KNOWN_TERMINALS =
  /^(xterm|xterm-256color|xterm-color|linux|screen|screen-256color|tmux|tmux-256color|rxvt|vt100|vt220|ansi|dumb)$/;
/** What every other one nowadays understands. */
const ANY_TERMINAL = 'xterm-256color';

/** The size of our terminal; undefined if there is none, or it does not tell. */
export function ownTerminalSize(): TerminalSize | undefined {
  const [cols = 0, rows = 0] = ownScreen()?.getWindowSize() ?? [];
  return rows > 0 && cols > 0 ? { rows, cols } : undefined;
}

/** What a command at our terminal finds as `TERM`; null if we are at none. */
export function ownTerminalName(): string | null {
  const name = environmentVariable('TERM') ?? '';
  if (name === '' || ownScreen() === undefined) return null;
  return KNOWN_TERMINALS.test(name) ? name : ANY_TERMINAL;
}

/**
 * Passes every key on to the command as it is, Ctrl-C too, and every change of size. Disposing gives the terminal
 * back as it was; so does any end of this program but SIGKILL.
 */
export class TerminalSession implements Disposable {
  readonly #execution: Execution;
  readonly #raw: boolean;

  private constructor(execution: Execution, raw: boolean) {
    this.#execution = execution;
    this.#raw = raw;
  }

  /** `raw` if what is typed is for the command. */
  static async open(execution: Execution, raw: boolean): Promise<TerminalSession> {
    const session = new TerminalSession(execution, raw && process.stdin.isTTY);
    ownScreen()?.on('resize', session.#resized);
    process.on('SIGCONT', session.#continued);
    // It may have changed since the command was asked for.
    session.#resized();
    await session.#enterRaw();
    return session;
  }

  [Symbol.dispose](): void {
    ownScreen()?.off('resize', this.#resized);
    process.off('SIGCONT', this.#continued);
    if (this.#raw) process.stdin.setRawMode(false);
  }

  async #enterRaw(): Promise<void> {
    if (!this.#raw) return;
    process.stdin.setRawMode(true);
    await showOutputRaw();
  }

  readonly #resized = (): void => {
    const size = ownTerminalSize();
    if (size === undefined) return;
    void this.#execution.resizeTty(size.rows, size.cols).catch(() => undefined);
  };

  /** The shell that has stopped us by a signal has set the terminal as it likes it. */
  readonly #continued = (): void => {
    if (this.#raw) process.stdin.setRawMode(false);
    void this.#enterRaw();
    this.#resized();
  };
}

/** Where what a command shows is seen. */
function ownScreen(): WriteStream | undefined {
  return [process.stdout, process.stderr].find(({ isTTY }) => isTTY);
}
