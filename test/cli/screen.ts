/** A real terminal to run the command line at: tmux draws what programs print, and tells what is to be seen. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../vm/polling.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/boxlite.ts', import.meta.url));
const PROMPT = 'host> ';

export interface ScreenOptions {
  readonly home: string;
  readonly rows?: number;
  readonly cols?: number;
}

/** A terminal with a shell at it, in which `boxlite` is the program under test and `clear` the first command. */
export class Screen implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'boxlite-screen-'));

  static async open(options: ScreenOptions): Promise<Screen> {
    const screen = new Screen(options);
    await screen.shows(/^host>$/);
    return screen;
  }

  private constructor({ home, rows = 24, cols = 80 }: ScreenOptions) {
    const size = ['-x', String(cols), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'exec sh');
    const command = `'${process.execPath}' '${MAIN}' "$@"`;
    this.type(`export BOXLITE_HOME='${home}'; boxlite() { ${command}; }; PS1='${PROMPT}'; clear\n`);
  }

  /** Types text; a newline is the Enter key. */
  type(text: string): void {
    for (const [i, line] of text.split('\n').entries()) {
      if (i > 0) this.press('Enter');
      if (line !== '') this.#tmux('send-keys', '-l', line);
    }
  }

  /** Presses keys by tmux's names: `Enter`, `Tab`, `C-c`, `Escape`. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  /** What is to be seen, without what is empty at the end. */
  text(): string {
    return this.#tmux('capture-pane', '-p').trimEnd();
  }

  /** The same, with the sequences that set colours. */
  colours(): string {
    return this.#tmux('capture-pane', '-p', '-e').trimEnd();
  }

  /** A fact of tmux's about the terminal, such as `alternate_on`. */
  fact(name: string): string {
    return this.#tmux('display-message', '-p', `#{${name}}`).trim();
  }

  resize(rows: number, cols: number): void {
    this.#tmux('resize-window', '-x', String(cols), '-y', String(rows));
  }

  /** Waits until it shows this; returns all that it shows. */
  shows(wanted: RegExp): Promise<string> {
    let last = '';
    return eventually('', () => {
      last = this.text();
      return wanted.test(last) ? last : null;
    }).catch(() => {
      throw new Error(`${wanted} is not to be seen, but:\n${last}`);
    });
  }

  [Symbol.dispose](): void {
    try {
      this.#tmux('kill-server');
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #tmux(...args: string[]): string {
    const socket = join(this.#folder, 'tmux');
    return execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8', env: environment });
  }
}

const environment = { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm-256color' };
