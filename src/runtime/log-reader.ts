/** Reads a box's log while its owner, which may be another program, writes it and puts files aside. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogEntry } from '../spec/info.ts';
import type { NetworkEvent } from '../spec/network-event.ts';
import { type LogName, logFiles } from './box-log.ts';

/** How often somebody who follows a log looks for more. */
const POLL_MS = 100;
const READ_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const SOURCES: readonly string[] = ['stdout', 'stderr', 'console', 'network'];

/** How a log is read. */
export interface ReadLogOptions {
  /** Whether more may come; null reads only what there is. */
  readonly goesOn: (() => boolean) | null;
  readonly signal?: AbortSignal | undefined;
}

/** Every line that is kept, the oldest first. @throws the signal's reason */
export async function* readLog(boxDir: string, options: ReadLogOptions): AsyncGenerator<LogEntry> {
  await using tail = new LogTail(boxDir, 'main', parseEntry);
  yield* follow(tail, options);
}

/** Everything of a box's network that was refused and is kept, the oldest first. @throws the signal's reason */
export async function* readNetworkLog(
  boxDir: string,
  options: ReadLogOptions,
): AsyncGenerator<NetworkEvent> {
  await using tail = new LogTail(boxDir, 'network', parseEvent);
  yield* follow(tail, options);
}

async function* follow<Entry>(
  tail: LogTail<Entry>,
  { goesOn, signal }: ReadLogOptions,
): AsyncGenerator<Entry> {
  for (;;) {
    signal?.throwIfAborted();
    // Asked before reading: a box has written everything when it says that it has stopped.
    const last = goesOn === null || !goesOn();
    for await (const entry of tail.entries()) {
      signal?.throwIfAborted();
      yield entry;
    }
    if (last) return;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** A place in a log. A file stays open once it is, so that putting it aside or deleting it loses nothing. */
class LogTail<Entry> implements AsyncDisposable {
  readonly #parse: (text: string) => Entry | null;
  readonly #files: ReturnType<typeof logFiles>;
  #file: FileHandle | null = null;
  #rest: Uint8Array = new Uint8Array();

  constructor(boxDir: string, name: LogName, parse: (text: string) => Entry | null) {
    this.#parse = parse;
    this.#files = logFiles(boxDir, name);
  }

  /** From this place to the present end. */
  async *entries(): AsyncGenerator<Entry> {
    this.#file ??= await this.#oldest();
    while (this.#file !== null) {
      yield* this.#toEnd(this.#file);
      const next = await this.#next(this.#file);
      if (next === null) return;
      // What was written between our last look and its being put aside.
      yield* this.#toEnd(this.#file);
      await this.#file.close();
      this.#rest = new Uint8Array();
      this.#file = next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  async #oldest(): Promise<FileHandle | null> {
    return (await openIfThere(this.#files.older)) ?? openIfThere(this.#files.current);
  }

  /** The file after this one; null if it is the newest. */
  async #next(file: FileHandle): Promise<FileHandle | null> {
    const { ino } = await file.stat();
    const [current, older] = await Promise.all([
      inodeOf(this.#files.current),
      inodeOf(this.#files.older),
    ]);
    if (current === ino) return null;
    if (older === ino) return openIfThere(this.#files.current);
    // It was put aside and then overwritten, or all is gone.
    return this.#oldest();
  }

  async *#toEnd(file: FileHandle): AsyncGenerator<Entry> {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES);
      if (bytesRead === 0) return;
      const bytes = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      this.#rest = bytes.subarray(end);
      const lines = bytes.subarray(0, end).toString('utf8').split('\n');
      yield* lines.map(this.#parse).filter((entry) => entry !== null);
    }
  }
}

/** Null for what was cut off by a crash. */
function parseEntry(text: string): LogEntry | null {
  try {
    const { time, source, line } = JSON.parse(text) as Record<string, unknown>;
    if (typeof line !== 'string' || !SOURCES.includes(String(source))) return null;
    return { time: new Date(String(time)), source: source as LogEntry['source'], line };
  } catch {
    return null;
  }
}

/** The same of what the network refused. */
function parseEvent(text: string): NetworkEvent | null {
  try {
    const { time, ...rest } = JSON.parse(text) as NetworkEvent;
    return rest.kind === 'refused' ? { ...rest, time: new Date(time) } : null;
  } catch {
    return null;
  }
}

function openIfThere(path: string): Promise<FileHandle | null> {
  return open(path, 'r').catch(() => null);
}

function inodeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ ino }) => ino,
    () => null,
  );
}
