/** An image as one file that other container tools take: `docker load`, `skopeo`, `podman load`. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { DigestVerifier, parseDigest, sha256Digest } from './digest.ts';
import { LAYOUT_FILE } from './local/oci-layout.ts';
import { type Descriptor, type ImageManifest, parseManifest } from './manifest.ts';
import { encodeHeader, paddingAfter, TAR_END } from './tar/writer.ts';

/** An image whose parts can be read. */
export interface ExportableImage {
  /** What it is to be called, `docker.io/library/alpine:latest`; null for no name. */
  readonly reference: string | null;
  readonly manifest: Uint8Array;
  /** The bytes of its configuration or of a layer, as stored. */
  read(blob: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** How far an export is. */
export interface ExportProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface ExportOptions {
  readonly onProgress?: (progress: ExportProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes an image as an OCI archive, with the `manifest.json` that older versions of Docker look
 * for. The file appears complete or not at all; the same image gives the same bytes.
 *
 * @throws BoxliteError `Image` if a part is not what the manifest says; `Storage` if the file cannot
 * be written. The signal's reason if it is aborted
 */
export async function exportOciArchive(
  image: ExportableImage,
  destination: string,
  options: ExportOptions = {},
): Promise<void> {
  const content = parseManifest(image.manifest, null, 'the image to export');
  if (content.kind !== 'manifest') {
    throw new BoxliteError('Image', 'Cannot export an index of images: choose one of them');
  }
  await using archive = await Archive.create(destination, options);
  const digest = sha256Digest(image.manifest);
  const entry = { mediaType: content.mediaType, digest, size: image.manifest.length };
  await archive.addBytes(LAYOUT_FILE, json({ imageLayoutVersion: '1.0.0' }));
  await archive.addBytes('index.json', encodeIndex(entry, image.reference));
  await archive.addBytes('manifest.json', encodeDockerManifest(content, image.reference));
  await archive.addDirectory('blobs/');
  await archive.addDirectory('blobs/sha256/');
  await archive.addBytes(blobName(digest), image.manifest);
  const blobs = new Map([content.config, ...content.layers].map((blob) => [blob.digest, blob]));
  archive.expect([...blobs.values()]);
  for (const blob of blobs.values()) await archive.addBlob(blob, image.read(blob, options.signal));
  await archive.finish();
}

function encodeIndex(manifest: Descriptor, reference: string | null): Buffer {
  const names = {
    'io.containerd.image.name': reference,
    'org.opencontainers.image.ref.name': tagOf(reference),
  };
  const annotations = reference === null ? {} : { annotations: names };
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return json({ schemaVersion: 2, mediaType, manifests: [{ ...manifest, ...annotations }] });
}

function encodeDockerManifest(manifest: ImageManifest, reference: string | null): Buffer {
  const Config = blobName(manifest.config.digest);
  const RepoTags = reference === null || reference.includes('@') ? [] : [reference];
  return json([
    { Config, RepoTags, Layers: manifest.layers.map(({ digest }) => blobName(digest)) },
  ]);
}

/** What follows the last colon that is not the port's. */
function tagOf(reference: string | null): string {
  return /:([^:/@]+)$/.exec(reference ?? '')?.[1] ?? 'latest';
}

function blobName(digest: string): string {
  const { algorithm, hex } = parseDigest(digest) ?? { algorithm: '', hex: '' };
  return `blobs/${algorithm}/${hex}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A tar archive while it is written, next to where it is to be. */
class Archive implements AsyncDisposable {
  readonly #destination: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #options: ExportOptions;
  #bytes = 0;
  #totalBytes = 0;
  #open = true;

  private constructor(
    destination: string,
    temporary: string,
    handle: FileHandle,
    options: ExportOptions,
  ) {
    this.#destination = destination;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#options = options;
  }

  static async create(destination: string, options: ExportOptions): Promise<Archive> {
    const temporary = `${destination}.${randomBytes(6).toString('hex')}.partial`;
    const handle = await writing(destination, () => open(temporary, 'wx', 0o644));
    return new Archive(destination, temporary, handle, options);
  }

  /** Announces what the progress is measured by. */
  expect(blobs: readonly Descriptor[]): void {
    this.#totalBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  }

  async addDirectory(name: string): Promise<void> {
    await this.#write(encodeHeader({ name, type: 'directory', size: 0 }));
  }

  async addBytes(name: string, bytes: Uint8Array): Promise<void> {
    await this.#write(encodeHeader({ name, type: 'file', size: bytes.length }));
    await this.#write(bytes);
    await this.#write(paddingAfter(bytes.length));
  }

  /** Adds a blob, which must be what its descriptor says. */
  async addBlob(blob: Descriptor, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const verifier = new DigestVerifier(blob.digest);
    await this.#write(encodeHeader({ name: blobName(blob.digest), type: 'file', size: blob.size }));
    let left = blob.size;
    for await (const chunk of chunks) {
      this.#options.signal?.throwIfAborted();
      left -= chunk.length;
      if (left < 0) break;
      verifier.update(chunk);
      await this.#write(chunk);
      this.#bytes += chunk.length;
      this.#options.onProgress?.({ bytes: this.#bytes, totalBytes: this.#totalBytes });
    }
    if (left !== 0 || verifier.actual() !== blob.digest) {
      throw new BoxliteError('Image', `Cannot export ${blob.digest}: its content is damaged`);
    }
    await this.#write(paddingAfter(blob.size));
  }

  async finish(): Promise<void> {
    await this.#write(TAR_END);
    await writing(this.#destination, async () => {
      await this.#handle.sync();
      await this.#close();
      await rename(this.#temporary, this.#destination);
      const directory = await open(dirname(this.#destination));
      await directory.sync().finally(() => directory.close());
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await writing(this.#destination, () => this.#handle.writeFile(bytes));
  }

  async #close(): Promise<void> {
    if (this.#open) await this.#handle.close();
    this.#open = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
  }
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = `Cannot write the image archive "${path}": ${messageOf(cause)}`;
    throw new BoxliteError('Storage', `${message}; make room or choose another place`, { cause });
  }
}
