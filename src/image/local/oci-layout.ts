/** Images in an OCI layout (image-spec, image-layout.md), in a directory or an archive. */
import { matchesDigest, parseDigest } from '../digest.ts';
import { malformed } from '../json-document.ts';
import {
  CONFIG_BYTES_MAX,
  type Descriptor,
  type ImageIndex,
  INDEX_DEPTH_MAX,
  type IndexEntry,
  MANIFEST_BYTES_MAX,
  type Platform,
  parseManifest,
} from '../manifest.ts';
import { chooseEntry, platformError, runsOn } from '../platform.ts';
import { type FilePart, type ImageFiles, readWhole } from './files.ts';
import type { FoundImage } from './local-image.ts';

/** The file that marks a layout. */
export const LAYOUT_FILE = 'oci-layout';
const INDEX_FILE = 'index.json';

/**
 * The one image for the platform.
 * @throws BoxliteError `Image` if there is none, or several, or it is not whole
 */
export async function findInLayout(
  files: ImageFiles,
  platform: Platform,
  signal?: AbortSignal,
): Promise<FoundImage> {
  const what = `the image "${files.path}"`;
  let entry = onlyEntry(await readIndex(files, what, signal), platform, what);
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
    const bytes = await readBlob(files, entry, MANIFEST_BYTES_MAX, what, signal);
    const content = parseManifest(bytes, entry.mediaType, what);
    if (content.kind === 'index') {
      entry = chooseEntry(content, platform, what);
      continue;
    }
    return {
      manifest: content,
      manifestBytes: bytes,
      manifestDigest: entry.digest,
      config: await readBlob(files, content.config, CONFIG_BYTES_MAX, what, signal),
      parts: await findBlobs(files, content.layers, what),
    };
  }
  throw malformed(what, `its indexes are nested more than ${INDEX_DEPTH_MAX} deep`);
}

async function readIndex(
  files: ImageFiles,
  what: string,
  signal: AbortSignal | undefined,
): Promise<ImageIndex> {
  const part = await files.find(INDEX_FILE);
  if (part === null) throw malformed(what, `it has no "${INDEX_FILE}"`);
  if (part.size > MANIFEST_BYTES_MAX) throw malformed(what, `"${INDEX_FILE}" is too large`);
  const index = parseManifest(await readWhole(part, signal), null, `"${INDEX_FILE}" of ${what}`);
  if (index.kind !== 'index') throw malformed(what, `"${INDEX_FILE}" is no index`);
  return index;
}

/** A layout may hold many images; nothing says which of them a box is to have. */
function onlyEntry(index: ImageIndex, platform: Platform, what: string): IndexEntry {
  const fitting = index.entries.filter(
    (entry) => entry.platform === null || runsOn(entry.platform, platform),
  );
  const digests = new Set(fitting.map(({ digest }) => digest));
  const [entry] = fitting;
  if (entry === undefined) {
    const available = index.entries.flatMap((each) => (each.platform ? [each.platform] : []));
    throw platformError(what, platform, available);
  }
  if (digests.size === 1) return entry;
  throw malformed(
    what,
    `it holds ${digests.size} images; copy the one you want, as by skopeo copy`,
  );
}

async function findBlob(files: ImageFiles, blob: Descriptor, what: string): Promise<FilePart> {
  const { algorithm, hex } = parseDigest(blob.digest) ?? { algorithm: '', hex: '' };
  const part = await files.find(`blobs/${algorithm}/${hex}`);
  if (part === null) throw malformed(what, `it lacks ${blob.digest}`);
  if (part.size === blob.size) return part;
  throw malformed(what, `${blob.digest} has ${part.size} bytes, expected ${blob.size}`);
}

async function findBlobs(
  files: ImageFiles,
  blobs: readonly Descriptor[],
  what: string,
): Promise<FilePart[]> {
  const parts: FilePart[] = [];
  for (const blob of blobs) parts.push(await findBlob(files, blob, what));
  return parts;
}

async function readBlob(
  files: ImageFiles,
  blob: Descriptor,
  maxBytes: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  if (blob.size > maxBytes) {
    throw malformed(what, `${blob.digest} has ${blob.size} bytes, at most ${maxBytes} are allowed`);
  }
  const bytes = await readWhole(await findBlob(files, blob, what), signal);
  if (matchesDigest(bytes, blob.digest)) return bytes;
  throw malformed(what, `the content of ${blob.digest} has another digest`);
}
