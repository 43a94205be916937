/** From a reference to one image: through the index, to the manifest and the configuration. */

import type { BlobLease } from './blobs.ts';
import { type ImageDocument, parseImageDocument } from './config.ts';
import { malformed } from './json-document.ts';
import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  INDEX_DEPTH_MAX,
  MANIFEST_BYTES_MAX,
  type Platform,
  parseManifest,
} from './manifest.ts';
import { chooseEntry, platformError, runsOn } from './platform.ts';
import { formatReference, type ImageReference } from './reference.ts';
import type { RegistryClient } from './registry.ts';

/** An image found and understood; its layers are still to come. */
export interface ResolvedImage {
  /** What the reference stands for: the digest of an index, or of the manifest itself. */
  readonly digest: string;
  readonly manifestDigest: string;
  readonly manifest: ImageManifest;
  readonly config: Uint8Array;
  /** Digests of the uncompressed layers, one for each layer. */
  readonly diffIds: readonly string[];
}

interface Document {
  readonly digest: string;
  readonly content: ImageManifest | ImageIndex;
}

/**
 * Finds the image that a reference means on a platform. What it reads is in the store afterwards, and
 * what is there already is not fetched.
 *
 * @throws BoxliteError `Image`, `Network`, `Storage`
 */
export async function resolveImage(
  reference: ImageReference,
  platform: Platform,
  client: RegistryClient,
  lease: BlobLease,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  const name = `"${formatReference(reference)}"`;
  const top = await topDocument(reference, client, lease, name);
  let document = top;
  for (let depth = 0; document.content.kind === 'index'; depth++) {
    if (depth === INDEX_DEPTH_MAX) {
      throw malformed(name, `its indexes are nested more than ${INDEX_DEPTH_MAX} deep`);
    }
    const entry = chooseEntry(document.content, platform, name);
    document = await listedDocument(entry, client, lease, name);
  }
  const manifest: ImageManifest = document.content;
  const what = `the configuration of ${name}`;
  await lease.fetch(manifest.config, client.blob(manifest.config, what), { signal });
  const config = await lease.store.readAll(manifest.config, signal);
  const about = parseImageDocument(config, what);
  checkConfig(about, manifest, platform, name);
  const { diffIds } = about;
  return { digest: top.digest, manifestDigest: document.digest, manifest, config, diffIds };
}

async function topDocument(
  reference: ImageReference,
  client: RegistryClient,
  lease: BlobLease,
  name: string,
): Promise<Document> {
  const { digest, tag } = reference;
  const known = digest === null ? null : await lease.store.find(digest);
  if (known !== null && known.size <= MANIFEST_BYTES_MAX) {
    return read(known.digest, await lease.store.readAll(known), null, name);
  }
  const answer = await client.manifest(digest ?? tag ?? 'latest', `the manifest of ${name}`);
  const document = read(answer.digest, answer.bytes, answer.contentType, name);
  await lease.put(answer.digest, answer.bytes);
  return document;
}

async function listedDocument(
  entry: Descriptor,
  client: RegistryClient,
  lease: BlobLease,
  name: string,
): Promise<Document> {
  const { digest, mediaType, size } = entry;
  if (size > MANIFEST_BYTES_MAX) {
    throw malformed(name, `its index lists a manifest of ${size} bytes`);
  }
  if (await lease.store.has(entry)) {
    return read(digest, await lease.store.readAll(entry), mediaType, name);
  }
  const { bytes } = await client.manifest(digest, `manifest ${digest} of ${name}`);
  if (bytes.length !== size) {
    throw malformed(name, `manifest ${digest} has ${bytes.length} bytes, its index says ${size}`);
  }
  const document = read(digest, bytes, mediaType, name);
  await lease.put(digest, bytes);
  return document;
}

function read(digest: string, bytes: Uint8Array, mediaType: string | null, name: string): Document {
  return { digest, content: parseManifest(bytes, mediaType, name) };
}

/** What of the configuration must fit the manifest and the box. */
function checkConfig(
  { diffIds, platform: own }: ImageDocument,
  manifest: ImageManifest,
  platform: Platform,
  name: string,
): void {
  if (own !== null && !runsOn(own, platform)) throw platformError(name, platform, [own]);
  const [layers, ids] = [manifest.layers.length, diffIds.length];
  if (layers !== ids) {
    throw malformed(name, `its configuration names ${ids} layers, its manifest ${layers}`);
  }
}
