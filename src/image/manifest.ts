// pure
/**
 * Image manifests and indexes, of OCI and of Docker's schema 2, checked and reduced to what is used.
 *
 * What they say comes from strangers: counts and sizes are bounded here, digests are checked for their
 * form, and a document that could be read as both kinds is refused (CVE-2021-41190).
 */

import { isDigest } from './digest.ts';
import {
  arrayMember,
  isObject,
  type JsonObject,
  malformed,
  member,
  optionalText,
  parseJsonObject,
  printable,
} from './json-document.ts';
import { documentKind, isImageConfig, isLayer, OCI_INDEX, OCI_MANIFEST } from './media-types.ts';

/** A reference to content: what it is, its digest and its size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A kind of machine, in the words of Go: `linux`, `amd64`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
}

export interface IndexEntry extends Descriptor {
  /** Null where the index leaves it open; the image's configuration then says. */
  readonly platform: Platform | null;
}

/** One image. */
export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
}

/** A choice of images, by platform. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly entries: readonly IndexEntry[];
}

/** distribution-spec: registries should allow manifests of at least this size; none allows much more. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** Ample: the largest configurations known, with long histories, have some hundred KiB. */
export const CONFIG_BYTES_MAX = 8 * 1024 * 1024;
/** Docker stacks at most 127 layers; other builders make a few hundred. */
export const LAYERS_MAX = 1000;
const INDEX_ENTRIES_MAX = 1000;
/** An index may list indexes; each level is a download. */
export const INDEX_DEPTH_MAX = 4;
/** All layers as they are stored. A layer that unpacks to no more than it may is not larger than this. */
export const LAYERS_BYTES_MAX = 20 * 1024 ** 3;

/**
 * The manifest or index that the bytes spell. `contentType` is what the registry called it, if anything.
 *
 * @throws BoxliteError `Image`
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | null,
  what = 'the manifest',
): ImageManifest | ImageIndex {
  const object = parseJsonObject(bytes, what, MANIFEST_BYTES_MAX);
  const mediaType = mediaTypeOf(object, contentType, what);
  const kind = documentKind(mediaType);
  if (kind === 'schema1' || member(object, 'schemaVersion') === 1) {
    throw malformed(what, "it has Docker's obsolete schema 1; have the image pushed again");
  }
  if (member(object, 'schemaVersion') !== 2) throw malformed(what, '"schemaVersion" is not 2');
  if (kind === null) {
    throw malformed(what, `"${printable(mediaType)}" is neither an image manifest nor an index`);
  }
  return kind === 'index'
    ? readIndex(object, mediaType, what)
    : readManifest(object, mediaType, what);
}

/** What the document is, in its own words; the registry's word must not contradict it. */
function mediaTypeOf(object: JsonObject, contentType: string | null, what: string): string {
  const own = optionalText(object, 'mediaType', what);
  const given = contentType?.split(';')[0]?.trim().toLowerCase() ?? null;
  const known = given !== null && documentKind(given) !== null ? given : null;
  if (own !== null && known !== null && own !== known) {
    throw malformed(what, `it says it is "${printable(own)}", the registry "${known}"`);
  }
  // OCI manifests may leave the type out.
  return own ?? known ?? guessMediaType(object);
}

function guessMediaType(object: JsonObject): string {
  return Object.hasOwn(object, 'manifests') ? OCI_INDEX : OCI_MANIFEST;
}

function readIndex(object: JsonObject, mediaType: string, what: string): ImageIndex {
  refuse(object, ['layers', 'config', 'fsLayers'], what);
  const list = arrayMember(object, 'manifests', what, INDEX_ENTRIES_MAX);
  const entries = list.map((entry, i) => readEntry(entry, `manifests[${i}]`, what));
  return { kind: 'index', mediaType, entries };
}

function readManifest(object: JsonObject, mediaType: string, what: string): ImageManifest {
  refuse(object, ['manifests', 'fsLayers'], what);
  const config = readDescriptor(member(object, 'config'), 'config', what);
  if (!isImageConfig(config.mediaType)) {
    const type = printable(config.mediaType);
    throw malformed(what, `it is not a container image: its configuration is "${type}"`);
  }
  if (config.size > CONFIG_BYTES_MAX) {
    throw malformed(
      what,
      `"config.size" is ${config.size}, at most ${CONFIG_BYTES_MAX} is allowed`,
    );
  }
  const list = arrayMember(object, 'layers', what, LAYERS_MAX);
  const layers = list.map((layer, i) => readLayer(layer, `layers[${i}]`, what));
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  if (total > LAYERS_BYTES_MAX) {
    throw malformed(
      what,
      `its layers have ${total} bytes, at most ${LAYERS_BYTES_MAX} are allowed`,
    );
  }
  return { kind: 'manifest', mediaType, config, layers };
}

function refuse(object: JsonObject, names: readonly string[], what: string): void {
  const found = names.find((name) => Object.hasOwn(object, name));
  if (found !== undefined) throw malformed(what, `"${found}" does not belong in it`);
}

function readLayer(value: unknown, path: string, what: string): Descriptor {
  const layer = readDescriptor(value, path, what);
  if (!isLayer(layer.mediaType)) {
    const type = printable(layer.mediaType);
    throw malformed(what, `"${path}.mediaType" is "${type}", expected a tar, plain, gzip or zstd`);
  }
  return layer;
}

function readEntry(value: unknown, path: string, what: string): IndexEntry {
  const descriptor = readDescriptor(value, path, what);
  const platform = isObject(value) ? (member(value, 'platform') ?? null) : null;
  if (platform === null) return { ...descriptor, platform: null };
  if (!isObject(platform)) throw malformed(what, `"${path}.platform" is not an object`);
  const text = (name: string) => optionalText(platform, name, what, `${path}.platform.${name}`);
  return {
    ...descriptor,
    platform: {
      os: text('os') ?? '',
      architecture: text('architecture') ?? '',
      variant: text('variant') || null,
    },
  };
}

function readDescriptor(value: unknown, path: string, what: string): Descriptor {
  if (!isObject(value)) throw malformed(what, `"${path}" is not an object`);
  const mediaType = optionalText(value, 'mediaType', what, `${path}.mediaType`);
  const digest = optionalText(value, 'digest', what, `${path}.digest`);
  const size = member(value, 'size');
  if (mediaType === null) throw malformed(what, `"${path}.mediaType" is missing`);
  if (digest === null || !isDigest(digest)) {
    throw malformed(what, `"${path}.digest" is not a sha256, sha384 or sha512 digest`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(what, `"${path}.size" is not a number of bytes`);
  }
  return { mediaType, digest, size };
}
