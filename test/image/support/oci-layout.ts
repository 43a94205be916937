/** Writes an OCI image layout (image-spec, image-layout.md) with given layers, for tests. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface LayoutBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Layout {
  readonly directory: string;
  readonly layers: readonly (LayoutBlob & { diffId: string; packed: Buffer })[];
  readonly config: LayoutBlob;
  readonly manifest: LayoutBlob;
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** The image is called `test`. */
export function writeLayout(
  directory: string,
  layers: readonly Buffer[],
  config: Readonly<Record<string, unknown>> = {},
  level = 1,
): Layout {
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true });
  const put = (bytes: Buffer, mediaType: string): LayoutBlob => {
    const digest = sha256(bytes);
    writeFileSync(join(directory, 'blobs', digest.replace(':', '/')), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const packed = layers.map((layer) => {
    const bytes = gzipSync(layer, { level });
    return { ...put(bytes, LAYER), diffId: sha256(layer), packed: bytes };
  });
  const descriptors = packed.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
  const imageConfig = put(
    json({
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: packed.map(({ diffId }) => diffId) },
    }),
    CONFIG,
  );
  const manifest = put(
    json({ schemaVersion: 2, mediaType: MANIFEST, config: imageConfig, layers: descriptors }),
    MANIFEST,
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'test' };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(directory, 'index.json'), json(index));
  writeFileSync(join(directory, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  return { directory, layers: packed, config: imageConfig, manifest };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
