/** Images as `docker save` writes them: `manifest.json`, a configuration, and layers. */
import { parseImageDocument } from '../config.ts';
import { DigestVerifier, isDigest, sha256Digest } from '../digest.ts';
import { arrayMember, isObject, malformed, member, printable } from '../json-document.ts';
import { isPacked, MAGIC_BYTES } from '../layers/decompress.ts';
import {
  CONFIG_BYTES_MAX,
  type Descriptor,
  type ImageManifest,
  LAYERS_MAX,
  MANIFEST_BYTES_MAX,
} from '../manifest.ts';
import { OCI_CONFIG, OCI_MANIFEST } from '../media-types.ts';
import { type FilePart, type ImageFiles, readPart, readWhole } from './files.ts';
import type { FoundImage } from './local-image.ts';

/** The file that marks such an archive. */
export const MANIFEST_FILE = 'manifest.json';

const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/**
 * The one image of the archive, with the manifest that a registry would have for it.
 * @throws BoxliteError `Image` if there is none, or several, or it is not whole
 */
export async function findInDockerArchive(
  files: ImageFiles,
  signal?: AbortSignal,
): Promise<FoundImage> {
  const what = `the image "${files.path}"`;
  const names = await readManifestFile(files, what, signal);
  const configPart = await required(files, names.config, what);
  if (configPart.size > CONFIG_BYTES_MAX) throw malformed(what, 'its configuration is too large');
  const config = await readWhole(configPart, signal);
  const { diffIds } = parseImageDocument(config, `the configuration of ${what}`);
  const parts: FilePart[] = [];
  const layers: Descriptor[] = [];
  for (const [i, name] of names.layers.entries()) {
    const part = await required(files, name, what);
    parts.push(part);
    layers.push(await describeLayer(part, diffIds[i] ?? '', signal));
  }
  const manifest: ImageManifest = {
    kind: 'manifest',
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: sha256Digest(config), size: config.length },
    layers,
  };
  const manifestBytes = encodeManifest(manifest);
  return { manifest, manifestBytes, manifestDigest: sha256Digest(manifestBytes), config, parts };
}

function encodeManifest({ mediaType, config, layers }: ImageManifest): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
}

/** A layer is usually not packed, and its digest then known. */
async function describeLayer(
  part: FilePart,
  diffId: string,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const head = await readWhole({ ...part, size: Math.min(part.size, MAGIC_BYTES) }, signal);
  if (!isPacked(head) && isDigest(diffId)) {
    return { mediaType: LAYER, digest: diffId, size: part.size };
  }
  const verifier = new DigestVerifier(sha256Digest(Buffer.alloc(0)));
  for await (const chunk of readPart(part, 0, signal)) verifier.update(chunk);
  const suffix = head[0] === 0x1f ? '+gzip' : isPacked(head) ? '+zstd' : '';
  return { mediaType: `${LAYER}${suffix}`, digest: verifier.actual(), size: part.size };
}

interface ManifestNames {
  readonly config: string;
  readonly layers: readonly string[];
}

async function readManifestFile(
  files: ImageFiles,
  what: string,
  signal: AbortSignal | undefined,
): Promise<ManifestNames> {
  const part = await required(files, MANIFEST_FILE, what);
  if (part.size > MANIFEST_BYTES_MAX) throw malformed(what, `"${MANIFEST_FILE}" is too large`);
  const images = parseImages(await readWhole(part, signal), what);
  const [first] = images;
  if (first === undefined) throw malformed(what, `"${MANIFEST_FILE}" lists no image`);
  if (images.some(({ config }) => config !== first.config)) {
    throw malformed(what, `it holds ${images.length} images; save the one you want by itself`);
  }
  return first;
}

function parseImages(bytes: Uint8Array, what: string): ManifestNames[] {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(what, `"${MANIFEST_FILE}" is not JSON`, error);
  }
  if (!Array.isArray(list)) throw malformed(what, `"${MANIFEST_FILE}" is not a list`);
  return list.map((item) => parseImage(item, what));
}

function parseImage(image: unknown, what: string): ManifestNames {
  const config = isObject(image) ? member(image, 'Config') : null;
  if (!isObject(image) || typeof config !== 'string') {
    throw malformed(what, `"${MANIFEST_FILE}" names no configuration`);
  }
  const layers = arrayMember(image, 'Layers', what, LAYERS_MAX);
  if (layers.every((layer): layer is string => typeof layer === 'string'))
    return { config, layers };
  throw malformed(what, `"${MANIFEST_FILE}" has layers that are no names`);
}

async function required(files: ImageFiles, name: string, what: string): Promise<FilePart> {
  const part = await files.find(name);
  if (part !== null) return part;
  throw malformed(what, `it lacks "${printable(name)}"`);
}
