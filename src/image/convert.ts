/**
 * The layers of an image as one read-only disk. Each layer streams through: its bytes are unpacked,
 * their digest taken, the archive read, file contents written to the disk as they come and the tree
 * in memory changed. The tree is written last, so memory grows with the number of files alone.
 */
import { BoxliteError } from '../base/errors.ts';
import { DigestVerifier, isDigest } from './digest.ts';
import { type ContentWriter, ImageFile } from './erofs/image-file.ts';
import { printable } from './json-document.ts';
import { defaultUnpackLimits, UnpackBudget, type UnpackLimits } from './layers/budget.ts';
import { decompress } from './layers/decompress.ts';
import { LayerMerge } from './layers/merge.ts';
import { isLayer } from './media-types.ts';
import type { TarEvent } from './tar/entry.ts';
import { walkTar } from './tar/stream.ts';

/** Where a layer comes from. */
export interface LayerSource {
  readonly mediaType: string;
  /** Digest of the uncompressed layer, or null if nobody says. */
  readonly diffId: string | null;
  /** The layer's bytes as they are stored. Called once. Verifying them is the opener's work. */
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** How far the conversion is. */
export interface ConvertProgress {
  /** Which layer, from 0. */
  readonly layer: number;
  /** Bytes of it read, as they are stored. */
  readonly packedBytes: number;
  /** Bytes of it unpacked. */
  readonly unpackedBytes: number;
  readonly done: boolean;
}

export interface ConvertOptions {
  readonly limits?: Partial<UnpackLimits>;
  readonly onProgress?: (progress: ConvertProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Merges layers, the lowest first, and writes them to `destination` as an EROFS image, which
 * appears complete or not at all. The same layers give the same bytes.
 *
 * @throws BoxliteError `Image` if a layer is broken, is not what its `diffId` says, or goes beyond
 * the limits; `Storage` if the disk cannot be written. The signal's reason if it is aborted
 */
export async function convertLayers(
  layers: readonly LayerSource[],
  destination: string,
  options: ConvertOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  await using image = await ImageFile.create(destination);
  const budget = new UnpackBudget({ ...defaultUnpackLimits, ...options.limits });
  const merge = new LayerMerge(budget, (size) => image.reserve(size));
  for (const [index, layer] of layers.entries()) {
    try {
      await new LayerConversion(layer, index, { image, merge, budget }, options).run();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw inLayer(error, index, layers.length);
    }
  }
  await image.finish(merge.root);
}

interface Target {
  readonly image: ImageFile;
  readonly merge: LayerMerge;
  readonly budget: UnpackBudget;
}

/** One layer on its way into the image. */
class LayerConversion {
  readonly #layer: LayerSource;
  readonly #index: number;
  readonly #target: Target;
  readonly #options: ConvertOptions;
  /** The content being filled. What belongs to no file, a whiteout's say, is let go. */
  #content: ContentWriter | null = null;
  #packedBytes = 0;
  #unpackedBytes = 0;

  constructor(layer: LayerSource, index: number, target: Target, options: ConvertOptions) {
    this.#layer = layer;
    this.#index = index;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { mediaType, diffId } = this.#layer;
    if (!isLayer(mediaType)) {
      throw new BoxliteError(
        'Image',
        `Cannot unpack a layer of the type "${printable(mediaType)}"`,
      );
    }
    if (diffId !== null && !isDigest(diffId)) {
      throw new BoxliteError('Image', `Cannot verify a layer: "${printable(diffId)}" is no digest`);
    }
    const verifier = diffId === null ? null : new DigestVerifier(diffId);
    this.#target.merge.beginLayer();
    await decompress(
      this.#packed(),
      (chunks) => walkTar(this.#unpacked(chunks, verifier), (event) => this.#visit(event)),
      this.#options.signal,
    );
    await this.#endContent();
    const actual = verifier?.actual() ?? diffId;
    if (actual !== diffId) {
      throw new BoxliteError(
        'Image',
        `Cannot use a layer: unpacked its digest is ${actual}, expected ${diffId}; pull it again`,
      );
    }
    this.#report(true);
  }

  async *#packed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#layer.open(this.#options.signal)) {
      this.#packedBytes += chunk.length;
      yield chunk;
    }
  }

  async *#unpacked(
    chunks: AsyncIterable<Uint8Array>,
    verifier: DigestVerifier | null,
  ): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#target.budget.spendStream(chunk.length);
      verifier?.update(chunk);
      this.#unpackedBytes += chunk.length;
      this.#report(false);
      yield chunk;
    }
  }

  async #visit(event: TarEvent): Promise<void> {
    if (event.kind === 'data') return await this.#content?.write(event.bytes);
    if (event.kind === 'hole') return await this.#content?.writeZeros(event.length);
    await this.#endContent();
    const file = this.#target.merge.apply(event.entry);
    this.#content = file === null ? null : this.#target.image.fill(file.content);
  }

  async #endContent(): Promise<void> {
    await this.#content?.end();
    this.#content = null;
  }

  #report(done: boolean): void {
    this.#options.onProgress?.({
      layer: this.#index,
      packedBytes: this.#packedBytes,
      unpackedBytes: this.#unpackedBytes,
      done,
    });
  }
}

/** The same error, saying which layer it is about. */
function inLayer(error: unknown, index: number, count: number): unknown {
  if (!(error instanceof BoxliteError)) return error;
  return new BoxliteError(error.kind, `${error.message} (layer ${index + 1} of ${count})`, {
    cause: error,
  });
}
