/**
 * What a box's main command prints, on the host: a JSON object a line, in a file that is put aside when it has
 * grown, over the one put aside before. So a guest that prints for ever takes twice the bound at most.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LogEntry } from '../spec/info.ts';

/** Far above the longest line a command's output comes in, escaped. */
export const LOG_FILE_BYTES_MAX = 8 * 1024 * 1024;

/** Where the log of a box with this folder is. */
export function logFiles(boxDir: string): { readonly current: string; readonly older: string } {
  const current = join(boxDir, 'main.log');
  return { current, older: `${current}.1` };
}

/** See the top of this file. Only the box's owner writes. */
export class MainLog implements AsyncDisposable {
  readonly #files: ReturnType<typeof logFiles>;
  readonly #bytesMax: number;
  #file: FileHandle;
  #size = 0;
  #closed = false;
  #written: Promise<void> = Promise.resolve();

  private constructor(files: ReturnType<typeof logFiles>, bytesMax: number, file: FileHandle) {
    this.#files = files;
    this.#bytesMax = bytesMax;
    this.#file = file;
  }

  /** Goes on with the log of the box's earlier runs. */
  static async open(boxDir: string, bytesMax = LOG_FILE_BYTES_MAX): Promise<MainLog> {
    const files = logFiles(boxDir);
    await mkdir(dirname(files.current), { recursive: true, mode: 0o700 });
    const log = new MainLog(files, bytesMax, await open(files.current, 'a', 0o600));
    log.#size = (await log.#file.stat()).size;
    // An owner that died may have left half a line; an empty one is skipped by whoever reads.
    if (log.#size > 0) await log.#write(Buffer.from('\n'));
    return log;
  }

  /** Resolves when the line is written, or has turned out not to be writable. */
  append(source: LogEntry['source'], line: string): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ time: new Date(), source, line })}\n`);
    // A full disk must not stop the program whose output this is.
    this.#written = this.#written.then(() => this.#write(bytes)).catch(() => undefined);
    return this.#written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written;
    this.#closed = true;
    await this.#file.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return;
    if (this.#size + bytes.length > this.#bytesMax && this.#size > 0) await this.#rotate();
    this.#size += bytes.length;
    await this.#file.appendFile(bytes);
  }

  async #rotate(): Promise<void> {
    await rename(this.#files.current, this.#files.older);
    const next = await open(this.#files.current, 'a', 0o600);
    await this.#file.close();
    this.#file = next;
    this.#size = 0;
  }
}
