/** An image that is complete on the host's disk, as a directory or an archive. */
import { BoxliteError } from '../../base/errors.ts';
import { type ImageDocument, parseImageDocument } from '../config.ts';
import type { LayerSource } from '../convert.ts';
import { DigestVerifier } from '../digest.ts';
import { malformed } from '../json-document.ts';
import type { Descriptor, ImageManifest, Platform } from '../manifest.ts';
import { platformError, runsOn } from '../platform.ts';
import { type FilePart, type ImageFiles, readPart } from './files.ts';

/** What a reader of some format has found. */
export interface FoundImage {
  readonly manifest: ImageManifest;
  /** The manifest as it is, or, if the format has none, as it would be. */
  readonly manifestBytes: Uint8Array;
  readonly manifestDigest: string;
  readonly config: Uint8Array;
  /** Where each layer is, in the manifest's order. */
  readonly parts: readonly FilePart[];
}

/** Keeps its files open until it is disposed of. */
export class LocalImage implements AsyncDisposable {
  readonly manifest: ImageManifest;
  readonly manifestBytes: Uint8Array;
  readonly manifestDigest: string;
  /** The configuration as JSON. */
  readonly config: Uint8Array;
  /** And what it says. */
  readonly document: ImageDocument;
  /** The lowest first; verified as they are read. */
  readonly layers: readonly LayerSource[];
  readonly #files: ImageFiles;
  readonly #parts: ReadonlyMap<string, FilePart>;

  /** @throws BoxliteError `Image` if the configuration does not fit the manifest or the platform */
  constructor(files: ImageFiles, found: FoundImage, platform: Platform) {
    const { manifest, parts } = found;
    const what = `the image "${files.path}"`;
    this.manifest = manifest;
    this.manifestBytes = found.manifestBytes;
    this.manifestDigest = found.manifestDigest;
    this.config = found.config;
    this.document = parseImageDocument(found.config, `the configuration of ${what}`);
    checkDocument(this.document, manifest, platform, what);
    this.#files = files;
    this.#parts = new Map(manifest.layers.map(({ digest }, i) => [digest, partAt(parts, i)]));
    this.layers = manifest.layers.map((layer, i) => ({
      mediaType: layer.mediaType,
      diffId: this.document.diffIds[i] ?? null,
      open: (signal?: AbortSignal) => verified(layer, this.read(layer.digest, 0, signal)),
    }));
  }

  /** A layer's bytes as they are stored, from `start` on, not verified. */
  read(digest: string, start = 0, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const part = this.#parts.get(digest);
    if (part === undefined) throw new RangeError(`no layer ${digest}`);
    return readPart(part, start, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}

function partAt(parts: readonly FilePart[], index: number): FilePart {
  const part = parts[index];
  if (part === undefined) throw new RangeError('fewer parts than layers');
  return part;
}

function checkDocument(
  document: ImageDocument,
  manifest: ImageManifest,
  platform: Platform,
  what: string,
): void {
  const { diffIds, platform: own } = document;
  if (own !== null && !runsOn(own, platform)) throw platformError(what, platform, [own]);
  if (diffIds.length === manifest.layers.length) return;
  throw malformed(
    what,
    `its configuration names ${diffIds.length} layers, its manifest ${manifest.layers.length}`,
  );
}

/** The end is reached only if the bytes have the digest. */
async function* verified(
  layer: Descriptor,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const verifier = new DigestVerifier(layer.digest);
  for await (const chunk of chunks) {
    verifier.update(chunk);
    yield chunk;
  }
  const actual = verifier.actual();
  if (actual === layer.digest) return;
  throw new BoxliteError(
    'Image',
    `Cannot use layer ${layer.digest}: its content is ${actual}; make the image anew`,
  );
}
