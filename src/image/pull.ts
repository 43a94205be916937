/**
 * Pulls images: finds one in the registries, and brings its layers into the store.
 *
 * `pullImage` returns as soon as it is known what the image consists of. Its layers download from then
 * on, a few at a time, and can be read, to be unpacked, while they come.
 */

import type { ProxySettings } from '../base/env.ts';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { ImageRegistry } from '../spec/image-registry.ts';
import type { BlobStore } from './blobs.ts';
import type { LayerSource } from './convert.ts';
import type { DockerLogins } from './credentials.ts';
import type { Deadlines } from './http.ts';
import { LayerDownloads, type LayerProgress } from './layer-downloads.ts';
import type { ImageManifest, Platform } from './manifest.ts';
import { answerOf, isUnreachable } from './network-error.ts';
import { formatReference } from './reference.ts';
import { RegistryClient } from './registry.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';
import type { RetryPolicy } from './retry.ts';
import { type ImageCandidate, imageCandidates } from './search.ts';

export type { LayerProgress } from './layer-downloads.ts';

/** What happens during a pull, as it happens. */
export type PullProgress =
  /** Asking a registry for the image. */
  | { readonly kind: 'resolving'; readonly reference: string }
  /** Found; these are its layers, each once, the lowest first. */
  | {
      readonly kind: 'resolved';
      readonly reference: string;
      readonly digest: string;
      readonly layers: readonly { readonly digest: string; readonly size: number }[];
    }
  | LayerProgress;

export interface PullOptions {
  readonly store: BlobStore;
  /** Where to look, as the option `imageRegistries` says. */
  readonly registries: readonly ImageRegistry[];
  /** What the box runs: `boxPlatform(arch)`. */
  readonly platform: Platform;
  readonly proxy: ProxySettings;
  /** Where to find logins that are not configured; null to look nowhere. */
  readonly docker: DockerLogins | null;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Ends the pull, also after `pullImage` has returned. */
  readonly signal?: AbortSignal;
  readonly deadlines?: Deadlines;
  readonly retry?: RetryPolicy;
}

/**
 * An image whose layers are in the store, or on their way there. Keeps them from being pruned until it
 * is disposed of, which also ends what still downloads: first await `downloaded()`, and note down that
 * `digest` is needed.
 */
export class PulledImage implements AsyncDisposable {
  /** Where it was found, complete: `docker.io/library/alpine:latest`. */
  readonly reference: string;
  /** What the reference stands for: the digest of an index, or of the manifest itself. */
  readonly digest: string;
  readonly manifestDigest: string;
  readonly manifest: ImageManifest;
  readonly configDigest: string;
  /** The image's configuration, as JSON. */
  readonly config: Uint8Array;
  /** The lowest first. Reading one makes it download next. */
  readonly layers: readonly LayerSource[];
  /** Bytes of all layers as they are stored. */
  readonly layerBytes: number;
  readonly #downloads: LayerDownloads;
  readonly #resources: AsyncDisposableStack;

  constructor(
    reference: string,
    image: ResolvedImage,
    downloads: LayerDownloads,
    resources: AsyncDisposableStack,
  ) {
    this.reference = reference;
    this.digest = image.digest;
    this.manifestDigest = image.manifestDigest;
    this.manifest = image.manifest;
    this.configDigest = image.manifest.config.digest;
    this.config = image.config;
    this.layers = image.manifest.layers.map((layer, index) => ({
      mediaType: layer.mediaType,
      diffId: image.diffIds[index] ?? null,
      open: (signal?: AbortSignal) => downloads.read(layer, signal),
    }));
    this.layerBytes = downloads.layers.reduce((sum, { size }) => sum + size, 0);
    this.#downloads = downloads;
    this.#resources = resources;
  }

  /**
   * Resolves when every layer is in the store, verified.
   *
   * @throws BoxliteError `Image`, `Network`, `Storage`
   * @throws the signal's reason
   */
  downloaded(): Promise<void> {
    return this.#downloads.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/**
 * Finds an image and begins to download it.
 *
 * A name without a host is looked for in each registry marked `search`, in order. The next one is
 * asked if a registry says that it has no such image (or no such public image), or cannot be reached;
 * any other failure is final, lest a passing fault lead to another image of the same name.
 *
 * @throws BoxliteError `InvalidArgument` for a malformed reference; `Image`, `Network`, `Storage`,
 * `Config`
 * @throws the signal's reason
 */
export async function pullImage(text: string, options: PullOptions): Promise<PulledImage> {
  const candidates = imageCandidates(text, options.registries);
  const failures: unknown[] = [];
  for (const candidate of candidates) {
    try {
      return await pullFrom(candidate, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (candidates.length === 1 || !mayBeElsewhere(error)) throw error;
      failures.push(error);
    }
  }
  throw new BoxliteError(
    'Image',
    `Cannot find image "${text}" in any registry: ${failures.map(messageOf).join('; ')}`,
    { cause: new AggregateError(failures) },
  );
}

async function pullFrom(candidate: ImageCandidate, options: PullOptions): Promise<PulledImage> {
  const { onProgress, platform, signal, store } = options;
  const reference = formatReference(candidate.reference);
  await using resources = new AsyncDisposableStack();
  const lease = resources.use(await store.lease(signal));
  onProgress?.({ kind: 'resolving', reference });
  const client = resources.use(new RegistryClient(candidate, options));
  const image = await resolveImage(candidate.reference, platform, client, lease, signal);
  const { digest, manifest } = image;
  const origin = (layer: (typeof manifest.layers)[number]) =>
    client.blob(layer, `layer ${layer.digest} of "${reference}"`);
  const downloads = new LayerDownloads(manifest.layers, { lease, origin, onProgress, signal });
  resources.use(downloads);
  onProgress?.({ kind: 'resolved', reference, digest, layers: downloads.layers });
  downloads.start();
  return new PulledImage(reference, image, downloads, resources.move());
}

/** Several registries answer 401 or 403 for what does not exist, so as not to say what does. */
function mayBeElsewhere(error: unknown): boolean {
  const answer = answerOf(error);
  if (answer === null) return isUnreachable(error);
  return answer.status === 404 || ([401, 403].includes(answer.status) && !answer.loggedIn);
}
