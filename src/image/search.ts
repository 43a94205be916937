// pure
/**
 * Which registry an image name means.
 *
 * A name with a host means that registry. A name without one is looked up in each registry marked
 * `search`, in the order given; without any it means Docker Hub. Below a registry's namespace the name
 * is taken as it is; in a registry without one, a name of a single component is under `library/`, as
 * on Docker Hub. So with `ghcr.io/myorg`, `docker.io` and `registry.local:5000`, "alpine" is tried as
 * `ghcr.io/myorg/alpine`, `docker.io/library/alpine`, `registry.local:5000/library/alpine`.
 */

import { DOCKER_HUB } from '../spec/image-name.ts';
import { ImageRegistry } from '../spec/image-registry.ts';
import {
  completeReference,
  formatReference,
  type ImageReference,
  qualify,
  readReference,
  type WrittenReference,
} from './reference.ts';

/** One place to look for an image, and how to talk to it. */
export interface ImageCandidate {
  readonly reference: ImageReference;
  readonly registry: ImageRegistry;
  /** Whether the registry was configured rather than made up from the host in the name. */
  readonly configured: boolean;
}

/**
 * The places to look for an image, in order; at least one.
 *
 * @throws BoxliteError `InvalidArgument` if `text` is not an image reference.
 */
export function imageCandidates(
  text: string,
  registries: readonly ImageRegistry[],
): ImageCandidate[] {
  const written = readReference(text);
  if (written.domain !== null) return [candidate(qualify(written, written.domain), registries)];
  const searched = registries.filter((registry) => registry.search);
  if (searched.length === 0) return [candidate(qualify(written, DOCKER_HUB), registries)];
  const found = new Map<string, ImageCandidate>();
  for (const registry of searched) {
    const reference = placeIn(registry, written);
    const name = formatReference(reference);
    if (!found.has(name)) found.set(name, { reference, registry, configured: true });
  }
  return [...found.values()];
}

function placeIn(registry: ImageRegistry, written: WrittenReference): ImageReference {
  const prefix = registry.namespace ?? (written.path.includes('/') ? null : 'library');
  const path = prefix === null ? written.path : `${prefix}/${written.path}`;
  return completeReference(written, registry.domain, path);
}

function candidate(
  reference: ImageReference,
  registries: readonly ImageRegistry[],
): ImageCandidate {
  const match = registryOf(reference, registries);
  if (match !== null) return { reference, registry: match, configured: true };
  return { reference, registry: ImageRegistry.https(reference.domain), configured: false };
}

/** The configured registry that a reference lies in: the one with the longest matching namespace. */
function registryOf(
  reference: ImageReference,
  registries: readonly ImageRegistry[],
): ImageRegistry | null {
  const domain = reference.domain.toLowerCase();
  const depth = (registry: ImageRegistry) => registry.namespace?.length ?? 0;
  const matching = registries.filter(
    ({ domain: own, namespace }) =>
      own.toLowerCase() === domain &&
      (namespace === null || reference.path.startsWith(`${namespace}/`)),
  );
  return matching.toSorted((a, b) => depth(b) - depth(a))[0] ?? null;
}
