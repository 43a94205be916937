/**
 * The files of a blob store.
 *
 *     blobs/sha256/<hex>   complete, verified, never changed; as in an OCI image layout
 *     partial/             what is on its way there, and the locks
 *
 * A file comes to its place under `blobs` by a rename, after its content has reached the disk.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { isDigest, parseDigest } from './digest.ts';

/** Content, by what it is and how long it is. */
export interface Blob {
  readonly digest: string;
  readonly size: number;
}

export class BlobFolder {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws BoxliteError `Storage` */
  static async create(directory: string): Promise<BlobFolder> {
    const folder = new BlobFolder(directory);
    await storing(directory, async () => {
      for (const path of [folder.partialFolder, dirname(folder.path(`sha256:${'0'.repeat(64)}`))]) {
        // An image may hold what is nobody else's business on this host.
        await mkdir(path, { recursive: true, mode: 0o700 });
      }
    });
    return folder;
  }

  get partialFolder(): string {
    return join(this.#directory, 'partial');
  }

  /** Where a blob is once it is complete. */
  path(digest: string): string {
    const { algorithm, hex } = parts(digest);
    return join(this.#directory, 'blobs', algorithm, hex);
  }

  /** Where a blob is until then. */
  partialPath(digest: string): string {
    return join(this.partialFolder, this.lockName(digest));
  }

  /** What to lock to be alone in making this blob. */
  lockName(digest: string): string {
    return digest.replace(':', '-');
  }

  /** Opens a complete blob, or null if it is not here, or not as long as it should be. */
  async open(blob: Blob): Promise<FileHandle | null> {
    const path = this.path(blob.digest);
    return storing(path, async () => {
      const handle = await open(path, 'r').catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null;
        throw error;
      });
      if (handle === null || (await handle.stat()).size === blob.size) return handle;
      await handle.close();
      return null;
    });
  }

  /** The complete blob with that digest, or null. */
  async find(digest: string): Promise<Blob | null> {
    const path = this.path(digest);
    return storing(path, async () => {
      const found = await stat(path).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null;
        throw error;
      });
      return found === null ? null : { digest, size: found.size };
    });
  }

  /** Puts small content in its place at once. The caller has verified it. */
  async write(digest: string, bytes: Uint8Array): Promise<void> {
    const name = `${this.lockName(digest)}.${randomBytes(8).toString('hex')}`;
    const path = join(this.partialFolder, name);
    await storing(path, async () => {
      const handle = await open(path, 'wx', 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.datasync();
      } finally {
        await handle.close();
      }
    });
    await this.publish(path, digest);
  }

  /** Moves a complete file, which has reached the disk, to its place. */
  async publish(from: string, digest: string): Promise<void> {
    const path = this.path(digest);
    await storing(path, async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(from, path);
      await syncFolder(dirname(path));
    });
  }

  async remove(digest: string): Promise<void> {
    await storing(this.path(digest), () => removeFile(this.path(digest)));
  }

  /** Every complete blob. */
  async list(): Promise<Blob[]> {
    const root = join(this.#directory, 'blobs');
    return storing(root, async () => {
      const blobs: Blob[] = [];
      for (const algorithm of await readdir(root)) {
        for (const hex of await readdir(join(root, algorithm))) {
          const digest = `${algorithm}:${hex}`;
          if (isDigest(digest)) blobs.push({ digest, size: await sizeOf(this.path(digest)) });
        }
      }
      return blobs;
    });
  }

  /** Removes unfinished content, but not what `keep` names, and says how many bytes it had. */
  async clearPartial(keep: (file: string) => boolean): Promise<number> {
    const folder = this.partialFolder;
    return storing(folder, async () => {
      let bytes = 0;
      for (const file of (await readdir(folder)).filter((name) => !keep(name))) {
        bytes += await sizeOf(join(folder, file));
        await removeFile(join(folder, file));
      }
      return bytes;
    });
  }
}

/** Runs file operations and says which of ours failed. @throws BoxliteError `Storage` */
export async function storing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Others, an abort's reason say, may have a code, too.
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const remedy =
      systemCode(error) === 'ENOSPC' ? '; free some space, for example with image prune' : '';
    throw new BoxliteError('Storage', `Cannot store "${path}": ${messageOf(error)}${remedy}`, {
      cause: error,
    });
  }
}

/** 0 for a file that has gone. */
async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

/** A rename is on the disk once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parts(digest: string): { algorithm: string; hex: string } {
  const found = parseDigest(digest);
  if (found === null) throw new RangeError(`not a digest: ${digest}`);
  return found;
}
