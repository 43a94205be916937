/**
 * What a box's main command prints, or what its network refuses, on the host: a JSON object a line, in a file that is
 * put aside when it has grown, over the one put aside before. So a guest that goes on for ever takes twice the bound
 * at most.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LogEntry } from '../spec/info.ts';

/** Far above the longest line a command's output comes in, escaped. */
const LOG_FILE_BYTES_MAX = 8 * 1024 * 1024;

/** A line more than this must wait until those before it are written. */
const PENDING_BYTES_MAX = 64 * 1024;

/** The logs that a box has. */
export type LogName = 'main' | 'network';

/** Where a log of a box with this folder is. */
export function logFiles(
  boxDir: string,
  name: LogName,
): { readonly current: string; readonly older: string } {
  const current = join(boxDir, `${name}.log`);
  return { current, older: `${current}.1` };
}

/** See the top of this file. Only the box's owner writes. */
export class BoxLog implements AsyncDisposable {
  readonly #files: ReturnType<typeof logFiles>;
  readonly #bytesMax: number;
  #file: FileHandle;
  #size = 0;
  #closed = false;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Until nothing is pending. */
  #writing: Promise<void> | null = null;

  private constructor(files: ReturnType<typeof logFiles>, bytesMax: number, file: FileHandle) {
    this.#files = files;
    this.#bytesMax = bytesMax;
    this.#file = file;
  }

  /** Goes on with the log of the box's earlier runs. */
  static async open(boxDir: string, name: LogName, bytesMax = LOG_FILE_BYTES_MAX): Promise<BoxLog> {
    const files = logFiles(boxDir, name);
    await mkdir(dirname(files.current), { recursive: true, mode: 0o700 });
    const log = new BoxLog(files, bytesMax, await open(files.current, 'a', 0o600));
    log.#size = (await log.#file.stat()).size;
    // An owner that died may have left half a line; an empty one is skipped by whoever reads.
    if (log.#size > 0) await log.#write(Buffer.from('\n'));
    return log;
  }

  /** Resolves when there is room for another line. A line that cannot be written is lost. */
  append(source: LogEntry['source'], line: string): Promise<void> {
    return this.add({ time: new Date(), source, line });
  }

  /** The same for a line of any content. */
  async add(entry: object): Promise<void> {
    if (this.#closed) return;
    const bytes = Buffer.from(`${JSON.stringify(entry)}\n`);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    // A full disk must not stop the program whose output this is.
    this.#writing ??= this.#writePending().catch(() => undefined);
    if (this.#pendingBytes > PENDING_BYTES_MAX) await this.#writing;
  }

  /** Resolves when everything that was added so far can be read. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#closed = true;
    // A write that somebody who is still printing has begun meanwhile.
    await this.#writing;
    await this.#file.close();
  }

  async #writePending(): Promise<void> {
    try {
      while (this.#pending.length > 0 && !this.#closed) await this.#write(this.#takePending());
    } finally {
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#writing = null;
    }
  }

  /** As many lines as go into the file, and one at least. */
  #takePending(): Uint8Array {
    let size = this.#size;
    const over = this.#pending.findIndex((line) => {
      size += line.length;
      return size > this.#bytesMax;
    });
    const bytes = Buffer.concat(
      this.#pending.splice(0, over < 0 ? this.#pending.length : Math.max(over, 1)),
    );
    this.#pendingBytes -= bytes.length;
    return bytes;
  }

  async #write(bytes: Uint8Array): Promise<void> {
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
