/** Brings images into the store: from a registry or from a file, to layers, a disk and a record. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dockerConfigDir, proxySettings, wholeEnvironment } from '../base/env.ts';
import type { BlobStore } from '../image/blobs.ts';
import { parseImageDocument } from '../image/config.ts';
import { type ConvertProgress, convertLayers, type LayerSource } from '../image/convert.ts';
import type { LocalImage } from '../image/local/local-image.ts';
import type { ImageManifest } from '../image/manifest.ts';
import { boxPlatform } from '../image/platform.ts';
import { type PullProgress, pullImage } from '../image/pull.ts';
import type { ImageRecord } from '../spec/image-info.ts';
import type { ImageRegistry } from '../spec/image-registry.ts';
import type { RunCommand } from '../spec/parts.ts';
import { guestArchitecture } from './host-checks.ts';

/** What happens while an image comes in: it is found, its layers arrive, and are unpacked. */
export type ImageProgress = PullProgress | ({ readonly kind: 'unpacking' } & ConvertProgress);

/** Options of bringing an image in. */
export interface ImagePullOptions {
  readonly onProgress?: (progress: ImageProgress) => void;
  /** Aborting ends the work, and leaves nothing that is not whole. */
  readonly signal?: AbortSignal;
}

/** Where an image goes. */
export interface InstallTarget {
  readonly blobs: BlobStore;
  /** Folder of the disks. */
  readonly disks: string;
  /** Records the image. Called while its blobs are kept from being pruned. */
  readonly record: (record: ImageRecord) => void;
}

/** An image whose parts are here or on their way. */
interface ArrivingImage {
  readonly reference: string;
  readonly digest: string;
  readonly manifestDigest: string;
  readonly manifest: ImageManifest;
  readonly config: Uint8Array;
  readonly layers: readonly LayerSource[];
  /** Resolves when everything of it is in the store, verified. */
  downloaded(): Promise<void>;
}

/** Pulls an image; its layers are unpacked while they download. */
export async function installFromRegistry(
  reference: string,
  target: InstallTarget,
  from: { registries: readonly ImageRegistry[]; run: RunCommand },
  options: ImagePullOptions,
): Promise<ImageRecord> {
  await using image = await pullImage(reference, {
    store: target.blobs,
    registries: from.registries,
    platform: boxPlatform(guestArchitecture()),
    proxy: proxySettings(),
    docker: { configDir: dockerConfigDir(), run: from.run, helperEnv: wholeEnvironment() },
    ...options,
  });
  return await install(image, target, options);
}

/** Takes over an image from a layout or an archive, under a name. */
export async function installLocal(
  image: LocalImage,
  reference: string,
  target: InstallTarget,
  options: ImagePullOptions,
): Promise<ImageRecord> {
  const { signal } = options;
  await using lease = await target.blobs.lease(signal);
  await lease.put(image.manifestDigest, image.manifestBytes);
  await lease.put(image.manifest.config.digest, image.config);
  const arriving: ArrivingImage = {
    reference,
    digest: image.manifestDigest,
    manifestDigest: image.manifestDigest,
    manifest: image.manifest,
    config: image.config,
    layers: image.manifest.layers.map((layer, i) => ({
      mediaType: layer.mediaType,
      diffId: image.document.diffIds[i] ?? null,
      open: (ended?: AbortSignal) =>
        lease.stream(layer, (start, stop) => image.read(layer.digest, start, stop), ended),
    })),
    downloaded: async () => {
      for (const layer of image.manifest.layers) {
        await lease.fetch(layer, (start, stop) => image.read(layer.digest, start, stop), options);
      }
    },
  };
  return await install(arriving, target, options);
}

async function install(
  image: ArrivingImage,
  target: InstallTarget,
  options: ImagePullOptions,
): Promise<ImageRecord> {
  const { manifest, reference } = image;
  // What cannot be understood later must not be recorded now.
  parseImageDocument(image.config, `the configuration of "${reference}"`);
  // Its name is a digest: a disk that is there is the same.
  const disk = `${image.manifestDigest.replace(':', '-')}.erofs`;
  const diskBytes = await makeDisk(join(target.disks, disk), image.layers, options);
  await image.downloaded();
  const blobs = [manifest.config, ...manifest.layers].map((blob) => blob.digest);
  const layers = new Map(manifest.layers.map((layer) => [layer.digest, layer.size]));
  const record: ImageRecord = {
    reference,
    digest: image.digest,
    configDigest: manifest.config.digest,
    manifestDigest: image.manifestDigest,
    sizeBytes: [...layers.values()].reduce((sum, size) => sum + size, 0),
    diskBytes,
    createdAt: new Date(),
    blobs: [...new Set([image.digest, image.manifestDigest, ...blobs])],
    config: new TextDecoder().decode(image.config),
    disk,
  };
  target.record(record);
  return record;
}

async function makeDisk(
  path: string,
  layers: readonly LayerSource[],
  options: ImagePullOptions,
): Promise<number> {
  const { onProgress, signal } = options;
  const here = await stat(path).catch(() => null);
  if (here !== null) return here.size;
  await mkdir(join(path, '..'), { recursive: true });
  await convertLayers(layers, path, {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined
      ? {}
      : { onProgress: (progress) => onProgress({ kind: 'unpacking', ...progress }) }),
  });
  return (await stat(path)).size;
}
