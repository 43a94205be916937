/** Brings the layers of one image into the store, a few at a time. */

import type { BlobLease, BlobOrigin } from './blobs.ts';
import type { Descriptor } from './manifest.ts';

/** How far a layer is. `cached`: it was in the store already. */
export interface LayerProgress {
  readonly kind: 'layer';
  readonly digest: string;
  readonly state: 'downloading' | 'done' | 'cached';
  readonly bytes: number;
  readonly size: number;
}

export interface LayerDownloadsOptions {
  readonly lease: BlobLease;
  readonly origin: (layer: Descriptor) => BlobOrigin;
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** As many as Docker. */
const DOWNLOADS_AT_ONCE = 3;
/** Progress is told in steps of so many bytes. */
const STEP_BYTES = 256 * 1024;

export class LayerDownloads implements AsyncDisposable {
  /** The layers, each once. */
  readonly layers: readonly Descriptor[];
  readonly #options: LayerDownloadsOptions;
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  readonly #queue: Descriptor[];
  #finished: Promise<void> = Promise.resolve();

  constructor(layers: readonly Descriptor[], options: LayerDownloadsOptions) {
    this.layers = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
    this.#options = options;
    this.#queue = [...this.layers];
    const own = this.#controller.signal;
    this.#signal = options.signal === undefined ? own : AbortSignal.any([own, options.signal]);
  }

  /** Begins to download. */
  start(): void {
    const workers = Array.from({ length: DOWNLOADS_AT_ONCE }, () => this.#work());
    // One failure ends the others; all have ended before it is reported.
    this.#finished = Promise.allSettled(workers).then(() => this.#signal.throwIfAborted());
    this.#finished.catch(() => undefined);
  }

  /** When all are in the store. Rejects with the first failure. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /** The bytes of a layer, now, wherever it is in the queue. */
  read(layer: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const both = signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal]);
    return this.#options.lease.stream(layer, this.#options.origin(layer), both);
  }

  /** Ends what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new DOMException('The pull was ended', 'AbortError'));
    await this.#finished.catch(() => undefined);
  }

  async #work(): Promise<void> {
    for (let layer = this.#queue.shift(); layer !== undefined; layer = this.#queue.shift()) {
      try {
        await this.#fetch(layer);
      } catch (error) {
        this.#controller.abort(error);
        throw error;
      }
    }
  }

  async #fetch(layer: Descriptor): Promise<void> {
    const { digest, size } = layer;
    const { lease, origin } = this.#options;
    let told = -STEP_BYTES;
    const onBytes = (bytes: number) => {
      if (bytes - told < STEP_BYTES) return;
      told = bytes;
      this.#tell({ kind: 'layer', digest, state: 'downloading', bytes, size });
    };
    const signal = this.#signal;
    const outcome = await lease.fetch(layer, origin(layer), { signal, onBytes });
    const state = outcome === 'cached' ? 'cached' : 'done';
    this.#tell({ kind: 'layer', digest, state, bytes: size, size });
  }

  /** What the listener throws ends this pull, but not a download that another pull waits for, too. */
  #tell(progress: LayerProgress): void {
    try {
      this.#options.onProgress?.(progress);
    } catch (error) {
      this.#controller.abort(error);
    }
  }
}
