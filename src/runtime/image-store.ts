import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { isThere } from '../base/is-there.ts';
import type { BlobStore } from '../image/blobs.ts';
import { type ImageConfig, parseImageDocument } from '../image/config.ts';
import { boxPlatform } from '../image/platform.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import { imageCandidates } from '../image/search.ts';
import {
  checkImportOptions,
  checkPullOptions,
  parsePruneOptions,
  parseSignalOptions,
} from '../spec/call-options.ts';
import type { ImageInfo, ImageRecord, ImageRecords } from '../spec/image-info.ts';
import type { ImageRegistry } from '../spec/image-registry.ts';
import type { RunCommand } from '../spec/parts.ts';
import { nonEmptyText } from '../spec/reader.ts';
import { guestArchitecture } from './host-checks.ts';
import type { ImagePullOptions, InstallTarget } from './image-install.ts';

/** What was removed by {@link ImageStore.prune}. */
export interface ImagePruneResult {
  /** Images that no box used. Empty unless all were asked for. */
  readonly images: readonly string[];
  readonly bytesFreed: number;
}

/** What an image store is made of. */
export interface ImageStoreOptions {
  /** Folder for blobs and disks. */
  readonly directory: string;
  readonly records: () => ImageRecords;
  readonly registries: readonly ImageRegistry[];
  readonly run: RunCommand;
}

/** An image that a box can boot from. */
export interface BootableImage {
  readonly record: ImageRecord;
  /** Path of the EROFS disk. */
  readonly disk: string;
  readonly config: ImageConfig;
}

/** Folders in which archives are unpacked while they are imported, and how long that can take. */
const IMPORT_PREFIX = 'import-';
const IMPORT_MS_MAX = 24 * 3600 * 1000;

/** The images on this host. */
export class ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #pulls = new Map<string, Promise<ImageRecord>>();
  #blobs: Promise<BlobStore> | null = null;

  /** @internal */
  constructor(options: ImageStoreOptions) {
    this.#options = options;
  }

  /**
   * Brings an image here, or its newer version, and makes a disk of it.
   * @throws BoxliteError `InvalidArgument` if the name is malformed; `Image` if there is no such image, none
   * for this architecture, or it is broken; `Network` if a registry cannot be reached; `Storage`.
   */
  async pull(reference: string, options: ImagePullOptions = {}): Promise<ImageInfo> {
    checkPullOptions(options);
    return infoOf(await this.#pull(reference, options));
  }

  /**
   * Takes over an image from an OCI layout folder or from an archive in OCI's format or docker save's.
   * `reference` names it; without one it is called after the file.
   * @throws BoxliteError `NotFound` or `Image` if there is none; `InvalidArgument` for a directory that is a
   * root file system (give it to a box as `rootfsPath`) and for a malformed name.
   */
  async import(
    path: string,
    options: ImagePullOptions & { readonly reference?: string } = {},
  ): Promise<ImageInfo> {
    checkImportOptions(options);
    nonEmptyText(path, 'path');
    const reference = formatReference(parseReference(options.reference ?? nameFromPath(path)));
    const scratchDirectory = join(this.#options.directory, `${IMPORT_PREFIX}${randomUUID()}`);
    const { openImageSource } = await import('../image/source.ts');
    const { installLocal } = await import('./image-install.ts');
    const { signal } = options;
    try {
      const source = await openImageSource(path, {
        platform: boxPlatform(guestArchitecture()),
        scratchDirectory,
        ...(signal === undefined ? {} : { signal }),
      });
      if (source.kind === 'directory') {
        throw new BoxliteError(
          'InvalidArgument',
          `Cannot import "${path}": it is a directory, not an image; use it as rootfsPath`,
        );
      }
      await using image = source.image;
      return infoOf(await installLocal(image, reference, await this.#target(), options));
    } finally {
      await rm(scratchDirectory, { recursive: true, force: true });
    }
  }

  /** Writes an image as an OCI archive, which other container tools load. @throws BoxliteError `NotFound` */
  async export(
    reference: string,
    path: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    parseSignalOptions(options);
    nonEmptyText(path, 'path');
    const record = this.#require(reference);
    const blobs = await this.#openBlobs();
    const manifest = await blobs.find(record.manifestDigest);
    if (manifest === null) {
      throw new BoxliteError(
        'Storage',
        `The manifest of "${record.reference}" is lost: pull it again`,
      );
    }
    const image = {
      reference: record.reference,
      manifest: await blobs.readAll(manifest, options.signal),
      read: (blob: { digest: string; size: number }, signal?: AbortSignal) =>
        blobs.read(blob, signal),
    };
    const { exportOciArchive } = await import('../image/export.ts');
    await exportOciArchive(image, path, options);
  }

  /** Every image, the newest first. */
  async list(): Promise<ImageInfo[]> {
    return this.#records.list().map(infoOf);
  }

  /** An image that is here, by any name that would pull it; null if it is not. */
  async get(reference: string): Promise<ImageInfo | null> {
    const record = this.#find(reference);
    return record === null ? null : infoOf(record);
  }

  /** What an image says about the programs run in it. @throws BoxliteError `NotFound` */
  async inspect(reference: string): Promise<ImageInfo & { readonly config: ImageConfig }> {
    const record = this.#require(reference);
    return { ...infoOf(record), config: configOf(record) };
  }

  /**
   * Forgets an image and deletes its disk. What it shares with others stays.
   * @throws BoxliteError `NotFound`; `InvalidState` if a box uses it.
   */
  async remove(reference: string): Promise<void> {
    const record = this.#require(reference);
    const users = this.#usersOf(record);
    if (users.length > 0) {
      throw new BoxliteError(
        'InvalidState',
        `Cannot remove the image "${record.reference}": in use by ${users.join(', ')}; remove them first`,
      );
    }
    this.#records.remove(record.reference);
    await this.prune();
  }

  /** Deletes what no image needs any more; with `all`, also the images that no box uses. */
  async prune(options: { all?: boolean; signal?: AbortSignal } = {}): Promise<ImagePruneResult> {
    const { all, signal } = parsePruneOptions(options);
    const records = this.#records;
    const unused = all ? records.list().filter((r) => this.#usersOf(r).length === 0) : [];
    for (const record of unused) records.remove(record.reference);
    const blobs = await this.#openBlobs();
    let freed = 0;
    const needed = async () => {
      freed += await this.#pruneDisks();
      await this.#pruneImports();
      return new Set(records.list().flatMap((record) => record.blobs));
    };
    freed += (await blobs.prune(needed, signal ?? undefined)).bytes;
    return { images: unused.map((record) => record.reference), bytesFreed: freed };
  }

  /** The image to boot from: the one here if there is one, otherwise pulled. @internal */
  async bootable(reference: string, options: ImagePullOptions = {}): Promise<BootableImage> {
    const found = this.#find(reference);
    const here = found !== null && (await isThere(this.#diskPath(found.disk)));
    const record = here ? found : await this.#pull(reference, options);
    return { record, disk: this.#diskPath(record.disk), config: configOf(record) };
  }

  get #records(): ImageRecords {
    return this.#options.records();
  }

  #openBlobs(): Promise<BlobStore> {
    this.#blobs ??= openBlobs(join(this.#options.directory, 'blobs'));
    this.#blobs.catch(() => {
      this.#blobs = null;
    });
    return this.#blobs;
  }

  /** Two pulls of the same name in this process are one. An abort ends only the pull it was given to. */
  async #pull(reference: string, options: ImagePullOptions): Promise<ImageRecord> {
    const running = options.signal === undefined ? this.#pulls.get(reference) : undefined;
    if (running !== undefined) return running;
    const pull = this.#pullNow(reference, options);
    if (options.signal !== undefined) return pull;
    this.#pulls.set(reference, pull);
    return pull.finally(() => this.#pulls.delete(reference));
  }

  async #pullNow(reference: string, options: ImagePullOptions): Promise<ImageRecord> {
    const { installFromRegistry } = await import('./image-install.ts');
    return installFromRegistry(reference, await this.#target(), this.#options, options);
  }

  async #target(): Promise<InstallTarget> {
    return {
      blobs: await this.#openBlobs(),
      disks: this.#disksDir,
      record: (record) => this.#records.put(record),
    };
  }

  /** Deletes what imports that were killed have left. One that is under way is younger. */
  async #pruneImports(): Promise<void> {
    const folder = this.#options.directory;
    for (const name of await readdir(folder).catch((): string[] => [])) {
      const path = join(folder, name);
      const found = name.startsWith(IMPORT_PREFIX) ? await stat(path).catch(() => null) : null;
      if (found !== null && Date.now() - found.mtimeMs > IMPORT_MS_MAX) {
        await rm(path, { recursive: true, force: true });
      }
    }
  }

  /** Deletes disks that no record names; their bytes. */
  async #pruneDisks(): Promise<number> {
    const needed = new Set(this.#records.list().map((record) => record.disk));
    const folder = this.#disksDir;
    let freed = 0;
    for (const name of await readdir(folder).catch((): string[] => [])) {
      if (needed.has(name) || this.#records.usersOf(name).length > 0) continue;
      const path = join(folder, name);
      freed += (await stat(path).catch(() => null))?.size ?? 0;
      await rm(path, { recursive: true, force: true });
    }
    return freed;
  }

  #find(reference: string): ImageRecord | null {
    const candidates = imageCandidates(reference, this.#options.registries);
    // What was imported under a short name is docker.io's, wherever else a pull would look first.
    for (const each of [...candidates.map((c) => c.reference), parseReference(reference)]) {
      const record = this.#records.get(formatReference(each));
      if (record !== null) return record;
    }
    return null;
  }

  #require(reference: string): ImageRecord {
    const record = this.#find(reference);
    if (record !== null) return record;
    throw new BoxliteError('NotFound', `There is no image "${reference}" here: pull it first`);
  }

  #usersOf(record: ImageRecord): string[] {
    return this.#records.usersOf(record.disk);
  }

  get #disksDir(): string {
    return join(this.#options.directory, 'disks');
  }

  #diskPath(disk: string): string {
    return join(this.#disksDir, disk);
  }
}

/** Images are booted far more often than they are brought here: what does that is loaded when it is needed. */
async function openBlobs(folder: string): Promise<BlobStore> {
  const { BlobStore } = await import('../image/blobs.ts');
  return await BlobStore.open(folder);
}

/** `alpine.tar.gz` is called `alpine`. */
function nameFromPath(path: string): string {
  return basename(path)
    .toLowerCase()
    .replace(/\.(oci|docker|tar|tgz|gz|zst)\b/g, '');
}

function infoOf(record: ImageRecord): ImageInfo {
  const { reference, digest, configDigest, sizeBytes, diskBytes, createdAt } = record;
  return { reference, digest, configDigest, sizeBytes, diskBytes, createdAt };
}

function configOf(record: ImageRecord): ImageConfig {
  const bytes = new TextEncoder().encode(record.config);
  return parseImageDocument(bytes, `the configuration of "${record.reference}"`).config;
}
