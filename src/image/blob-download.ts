/**
 * One blob on its way into the store, for however many want it.
 *
 * The bytes go to a file as they come; who wants to read them meanwhile reads that file, up to where
 * it has got. So a slow reader does not slow the download, nor fill memory, and the second reader costs
 * nothing. Readers get to the end only when the whole has the right digest.
 *
 * An unfinished file stays behind and is continued by the next download of the blob, also of another
 * process: a lock sees to it that there is only one at a time.
 *
 * The download lives as long as somebody waits for it or reads it.
 */

import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { systemCode } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import { type Blob, type BlobFolder, storing } from './blob-folder.ts';
import { DigestVerifier } from './digest.ts';
import { FileLock } from './file-lock.ts';
import { malformed } from './json-document.ts';

/** Where a blob's bytes come from: those from `offset` to the end. */
export type BlobOrigin = (offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** How a blob came to be here: it was, or another process brought it; or it was downloaded. */
export type BlobOutcome = 'cached' | 'downloaded';

/** How many of the blob's bytes are here. */
export type OnBytes = (bytes: number) => void;

const READ_BYTES = 256 * 1024;

export class BlobDownload {
  readonly #blob: Blob;
  readonly #folder: BlobFolder;
  readonly #controller = new AbortController();
  readonly #listeners = new Set<OnBytes>();
  readonly #outcome: Promise<BlobOutcome>;
  #users = 0;
  #state: 'running' | 'done' | 'failed' = 'running';
  #written = 0;
  #advanced = Promise.withResolvers<void>();

  /** `onEnd` is called when nobody can join any more. */
  constructor(blob: Blob, folder: BlobFolder, origin: BlobOrigin, onEnd: () => void) {
    this.#blob = blob;
    this.#folder = folder;
    this.#controller.signal.addEventListener('abort', onEnd);
    this.#outcome = this.#run(origin).then(
      (outcome) => this.#settle('done', onEnd, outcome),
      (error: unknown) => {
        this.#settle('failed', onEnd, null);
        throw error;
      },
    );
    // Whoever waits hears of it; if nobody does, nobody is to be disturbed.
    this.#outcome.catch(() => undefined);
  }

  /** Waits for the end. Leaving early, by the signal, ends a download that nobody else wants. */
  async wait(signal?: AbortSignal, onBytes?: OnBytes): Promise<BlobOutcome> {
    this.#users += 1;
    if (onBytes !== undefined) this.#listeners.add(onBytes);
    try {
      return await orAborted(this.#outcome, signal);
    } finally {
      if (onBytes !== undefined) this.#listeners.delete(onBytes);
      await this.#leave();
    }
  }

  /** The bytes as they come. @throws BoxliteError if they turn out not to be the blob. */
  async *follow(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#users += 1;
    let handle: FileHandle | null = null;
    let position = 0;
    try {
      while (this.#state !== 'failed' && position < this.#blob.size) {
        const available = this.#written - position;
        if (available === 0) {
          await orAborted(this.#advanced.promise, signal);
          continue;
        }
        handle ??= await this.#openReader();
        const chunk = Buffer.allocUnsafeSlow(Math.min(available, READ_BYTES));
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield chunk.subarray(0, bytesRead);
        signal?.throwIfAborted();
      }
      await orAborted(this.#outcome, signal);
    } finally {
      await handle?.close();
      await this.#leave();
    }
  }

  async #leave(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0 || this.#state !== 'running') return;
    this.#controller.abort();
    await this.#outcome.catch(() => undefined);
  }

  #settle<T>(state: 'done' | 'failed', onEnd: () => void, outcome: T): T {
    this.#state = state;
    onEnd();
    this.#advance(state === 'done' ? this.#blob.size : this.#written);
    return outcome;
  }

  async #run(origin: BlobOrigin): Promise<BlobOutcome> {
    const { signal } = this.#controller;
    await using _lock = await this.#lock(signal);
    // Another process may have brought it while we waited.
    const complete = await this.#folder.open(this.#blob);
    await complete?.close();
    if (complete !== null) return 'cached';
    const path = this.#folder.partialPath(this.#blob.digest);
    await this.#receive(path, origin);
    await this.#folder.publish(path, this.#blob.digest);
    return 'downloaded';
  }

  #lock(signal: AbortSignal): Promise<FileLock> {
    const folder = this.#folder.partialFolder;
    const onWait = () => this.#watchOther();
    const name = this.#folder.lockName(this.#blob.digest);
    return storing(folder, () =>
      FileLock.acquire(folder, name, { mode: 'exclusive', signal, onWait }),
    );
  }

  async #receive(path: string, origin: BlobOrigin): Promise<void> {
    const { digest, size } = this.#blob;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const handle = await storing(path, () => open(path, flags, 0o600));
    try {
      const verifier = new DigestVerifier(digest);
      const start = await storing(path, () => this.#resume(handle, verifier));
      this.#advance(start);
      if (start < size) await this.#append(handle, path, verifier, origin);
      const actual = verifier.actual();
      if (actual !== digest) {
        await handle.truncate(0);
        throw malformed(`blob ${digest}`, `what came has the digest ${actual}; pull it again`);
      }
      await storing(path, () => handle.datasync());
    } finally {
      await handle.close();
    }
  }

  /** Takes up what an earlier download left; says how much that is. */
  async #resume(handle: FileHandle, verifier: DigestVerifier): Promise<number> {
    const { size } = await handle.stat();
    if (size > this.#blob.size) await handle.truncate(0);
    let position = 0;
    const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) return position;
      verifier.update(chunk.subarray(0, bytesRead));
      position += bytesRead;
      this.#controller.signal.throwIfAborted();
    }
  }

  async #append(
    handle: FileHandle,
    path: string,
    verifier: DigestVerifier,
    origin: BlobOrigin,
  ): Promise<void> {
    const { digest, size } = this.#blob;
    let position = this.#written;
    for await (const chunk of origin(position, this.#controller.signal)) {
      this.#controller.signal.throwIfAborted();
      if (position + chunk.length > size) {
        throw malformed(`blob ${digest}`, `it is longer than ${size} bytes`);
      }
      // The disk and the digest at the same time.
      const writing = storing(path, () => writeAll(handle, chunk, position));
      verifier.update(chunk);
      await writing;
      position += chunk.length;
      this.#advance(position);
    }
    if (position < size) {
      throw malformed(`blob ${digest}`, `it ended after ${position} of ${size} bytes`);
    }
  }

  async #openReader(): Promise<FileHandle> {
    const { digest } = this.#blob;
    const partial = this.#folder.partialPath(digest);
    return storing(partial, async () => {
      try {
        return await open(partial, 'r');
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error;
        return await open(this.#folder.path(digest), 'r');
      }
    });
  }

  /** While another process downloads, its file shows how far it is. */
  #watchOther(): void {
    stat(this.#folder.partialPath(this.#blob.digest)).then(
      ({ size }) => this.#tell(Math.min(size, this.#blob.size)),
      () => undefined,
    );
  }

  #advance(written: number): void {
    this.#written = written;
    this.#advanced.resolve();
    this.#advanced = Promise.withResolvers();
    this.#tell(written);
  }

  #tell(bytes: number): void {
    for (const listener of this.#listeners) listener(bytes);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
