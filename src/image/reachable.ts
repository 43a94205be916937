/** Which blobs of a store the images in use need. */

import type { BlobStore } from './blobs.ts';
import { INDEX_DEPTH_MAX, MANIFEST_BYTES_MAX, parseManifest } from './manifest.ts';

/**
 * The digests of everything that the given manifests and indexes consist of, themselves included. Of
 * an index those images count that are in the store.
 *
 * @throws BoxliteError `Storage` if a manifest is damaged.
 */
export async function reachableBlobs(
  store: BlobStore,
  roots: Iterable<string>,
): Promise<Set<string>> {
  const reached = new Set<string>();
  let level = [...roots];
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
    const next: string[] = [];
    for (const digest of level) {
      if (!reached.has(digest)) next.push(...(await reachedFrom(store, digest, reached)));
    }
    level = next;
  }
  return reached;
}

/** Notes what a document consists of, and returns the documents that it lists. */
async function reachedFrom(
  store: BlobStore,
  digest: string,
  reached: Set<string>,
): Promise<string[]> {
  const blob = await store.find(digest);
  if (blob === null || blob.size > MANIFEST_BYTES_MAX) return [];
  reached.add(digest);
  const document = parseManifest(await store.readAll(blob), null, `manifest ${digest}`);
  if (document.kind === 'index') return document.entries.map((entry) => entry.digest);
  for (const part of [document.config, ...document.layers]) reached.add(part.digest);
  return [];
}
