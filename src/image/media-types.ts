// pure
/** The media types of images, as OCI's image-spec (media-types.md) and Docker's manifest v2.2 list them. */

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

const INDEXES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_LIST]);
const MANIFESTS: ReadonlySet<string> = new Set([OCI_MANIFEST, DOCKER_MANIFEST]);
const CONFIGS: ReadonlySet<string> = new Set([OCI_CONFIG, DOCKER_CONFIG]);

/** What a client accepts as a manifest, for the `Accept` header. */
export const ACCEPTED_MANIFESTS = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/** Docker's schema 1, which registries have stopped serving and nobody should trust. */
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/;

const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[.+](gzip|zstd))?$/;

/** What a document of that type is, or null if it is none of an image's. */
export function documentKind(mediaType: string): 'index' | 'manifest' | 'schema1' | null {
  if (INDEXES.has(mediaType)) return 'index';
  if (MANIFESTS.has(mediaType)) return 'manifest';
  return SCHEMA_1.test(mediaType) ? 'schema1' : null;
}

/** Whether it is the configuration of a container image, and not of a chart or some other artifact. */
export function isImageConfig(mediaType: string): boolean {
  return CONFIGS.has(mediaType);
}

/** Whether it is a layer: a tar, plain or packed with gzip or zstd. */
export function isLayer(mediaType: string): boolean {
  return LAYER.test(mediaType);
}
