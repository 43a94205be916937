/**
 * A content-addressed store in a folder: what is in it has been verified, and any number of processes
 * may use it at once.
 *
 * Content is brought in under a lease, which keeps `prune` in every process from taking away what the
 * holder has brought or found, until it has noted down elsewhere that it needs it.
 */

import { BoxliteError } from '../base/errors.ts';
import { BlobDownload, type BlobOrigin, type BlobOutcome, type OnBytes } from './blob-download.ts';
import { type Blob, BlobFolder, storing } from './blob-folder.ts';
import { DigestVerifier, matchesDigest } from './digest.ts';
import { FileLock, isLockOf } from './file-lock.ts';
import { malformed } from './json-document.ts';

export type { BlobOrigin, BlobOutcome } from './blob-download.ts';
export type { Blob } from './blob-folder.ts';

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: OnBytes;
}

/** What `prune` took away. */
export interface PruneResult {
  readonly digests: readonly string[];
  readonly bytes: number;
}

const STORE_LOCK = 'store';
const READ_BYTES = 256 * 1024;

export class BlobStore {
  readonly #folder: BlobFolder;
  readonly #downloads = new Map<string, BlobDownload>();

  private constructor(folder: BlobFolder) {
    this.#folder = folder;
  }

  /** The store in a folder, which is made if it is missing. @throws BoxliteError `Storage` */
  static async open(directory: string): Promise<BlobStore> {
    return new BlobStore(await BlobFolder.create(directory));
  }

  /** Whether the blob is here, and as long as it should be. */
  async has(blob: Blob): Promise<boolean> {
    const handle = await this.#folder.open(blob);
    await handle?.close();
    return handle !== null;
  }

  /** The blob with that digest, if it is here. */
  find(digest: string): Promise<Blob | null> {
    return this.#folder.find(digest);
  }

  /**
   * The content of a blob, verified as it is read.
   *
   * @throws BoxliteError `Storage` if it is not here, or damaged; damaged content is removed.
   */
  async *read(blob: Blob, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const handle = await this.#folder.open(blob);
    if (handle === null) throw notHere(blob, 'is not in the store');
    try {
      const verifier = new DigestVerifier(blob.digest);
      for (let position = 0; position < blob.size; ) {
        signal?.throwIfAborted();
        const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, blob.size - position));
        const { bytesRead } = await storing(this.#folder.path(blob.digest), () =>
          handle.read(chunk, 0, chunk.length, position),
        );
        if (bytesRead === 0) break;
        position += bytesRead;
        verifier.update(chunk.subarray(0, bytesRead));
        yield chunk.subarray(0, bytesRead);
      }
      if (verifier.actual() !== blob.digest) {
        await this.#folder.remove(blob.digest);
        throw notHere(blob, 'was damaged on the disk, and has been removed');
      }
    } finally {
      await handle.close();
    }
  }

  /** The whole content of a blob that fits in memory. @throws as `read` does */
  async readAll(blob: Blob, signal?: AbortSignal): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(blob, signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /**
   * The right to bring in content. Waits while the store is being pruned.
   *
   * @throws the signal's reason
   */
  async lease(signal?: AbortSignal): Promise<BlobLease> {
    const lock = await this.#lock('shared', signal);
    return new BlobLease({
      store: this,
      lock,
      folder: this.#folder,
      download: (blob, origin) => this.#download(blob, origin),
    });
  }

  /**
   * Removes every blob that is not needed, and everything unfinished. Waits until no lease is held.
   * `needed` is asked only then, so that it knows of what the last holders have brought.
   *
   * @throws the signal's reason
   */
  async prune(
    needed: () => ReadonlySet<string> | Promise<ReadonlySet<string>>,
    signal?: AbortSignal,
  ): Promise<PruneResult> {
    await using _lock = await this.#lock('exclusive', signal);
    const keep = await needed();
    const removed = (await this.#folder.list()).filter(({ digest }) => !keep.has(digest));
    for (const { digest } of removed) {
      signal?.throwIfAborted();
      await this.#folder.remove(digest);
    }
    const unfinished = await this.#folder.clearPartial((file) => isLockOf(file, STORE_LOCK));
    const bytes = removed.reduce((sum, { size }) => sum + size, unfinished);
    return { digests: removed.map(({ digest }) => digest), bytes };
  }

  #lock(mode: 'shared' | 'exclusive', signal: AbortSignal | undefined): Promise<FileLock> {
    const folder = this.#folder.partialFolder;
    return storing(folder, () => FileLock.acquire(folder, STORE_LOCK, { mode, signal }));
  }

  /** The download of a blob that is under way, or a new one. */
  #download(blob: Blob, origin: BlobOrigin): BlobDownload {
    // By size too: one of two that differ in it is a lie, and must not pass as the other.
    const key = `${blob.digest} ${blob.size}`;
    const running = this.#downloads.get(key);
    if (running !== undefined) return running;
    const download: BlobDownload = new BlobDownload(blob, this.#folder, origin, () => {
      if (this.#downloads.get(key) === download) this.#downloads.delete(key);
    });
    this.#downloads.set(key, download);
    return download;
  }
}

interface LeaseParts {
  readonly store: BlobStore;
  readonly lock: FileLock;
  readonly folder: BlobFolder;
  readonly download: (blob: Blob, origin: BlobOrigin) => BlobDownload;
}

/** The right to bring in content, until it is disposed of. */
export class BlobLease implements AsyncDisposable {
  readonly #parts: LeaseParts;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  get store(): BlobStore {
    return this.#parts.store;
  }

  /** Stores small content. @throws BoxliteError `Image` if it does not have the digest */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    if (!matchesDigest(bytes, digest)) {
      throw malformed(`blob ${digest}`, 'its content has another digest');
    }
    if (await this.store.has({ digest, size: bytes.length })) return;
    await this.#parts.folder.write(digest, bytes);
  }

  /** Sees to it that a blob is here, from `origin` if need be. One download serves all who want it. */
  async fetch(blob: Blob, origin: BlobOrigin, options: FetchOptions = {}): Promise<BlobOutcome> {
    options.signal?.throwIfAborted();
    if (await this.store.has(blob)) return 'cached';
    return this.#parts.download(blob, origin).wait(options.signal, options.onBytes);
  }

  /** The content of a blob, while it comes if it is not here yet. The end is reached only if it verifies. */
  async *stream(blob: Blob, origin: BlobOrigin, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    if (await this.store.has(blob)) yield* this.store.read(blob, signal);
    else yield* this.#parts.download(blob, origin).follow(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.lock[Symbol.asyncDispose]();
  }
}

function notHere({ digest }: Blob, why: string): BoxliteError {
  return new BoxliteError('Storage', `Cannot read blob ${digest}: it ${why}; pull the image again`);
}
