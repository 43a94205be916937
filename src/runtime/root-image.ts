import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { isThere } from '../base/is-there.ts';
import { findProgram } from '../engine/vmm.ts';
import type { ImageConfig } from '../image/config.ts';
import { GETFATTR_COMMAND, parseGetfattr } from '../image/getfattr.ts';
import { boxPlatform } from '../image/platform.ts';
import { OUTPUT_BYTES_MAX } from '../process/run.ts';
import type { RootfsSource } from '../spec/box-spec.ts';
import type { RunCommand } from '../spec/parts.ts';
import { baseImage } from './base-image.ts';
import { guestArchitecture } from './host-checks.ts';
import type { ImageStore } from './image-store.ts';

/** What a box's files are at first. */
export interface RootImage {
  /** Path of an EROFS disk. */
  readonly disk: string;
  /** Its name among the image store's disks, which it keeps from being removed; null if it is not one. */
  readonly stored: string | null;
  /** What the image says about programs run in it; null if there is no image that could say something. */
  readonly config: ImageConfig | null;
}

/** Where root images come from. */
export interface RootImageOptions {
  readonly images: ImageStore;
  readonly cacheDir: string;
  /** The `PATH` in which busybox is looked for. */
  readonly path: string;
  readonly run: RunCommand;
}

/**
 * The disk for a box's `rootfs`: pulled, converted or made if it is not here yet.
 * @throws BoxliteError what pulling or converting throws
 */
export async function rootImage(
  rootfs: RootfsSource,
  options: RootImageOptions,
  signal?: AbortSignal,
): Promise<RootImage> {
  switch (rootfs.kind) {
    case 'image':
      return storedImage(rootfs.reference, options.images, signal);
    case 'base':
      return {
        disk: await baseImage({ ...options, ...(signal && { signal }) }),
        config: null,
        stored: null,
      };
    case 'path':
      return imageFromPath(rootfs.path, options, signal);
  }
}

async function storedImage(
  reference: string,
  images: ImageStore,
  signal?: AbortSignal,
): Promise<RootImage> {
  const { record, disk, config } = await images.bootable(
    reference,
    signal === undefined ? {} : { signal },
  );
  return { disk, config, stored: record.disk };
}

async function imageFromPath(
  path: string,
  options: RootImageOptions,
  signal?: AbortSignal,
): Promise<RootImage> {
  const folder = join(options.cacheDir, 'images');
  await mkdir(folder, { recursive: true });
  const scratchDirectory = join(folder, `new-${randomUUID()}`);
  const abort = signal === undefined ? {} : { signal };
  try {
    const { openImageSource } = await import('../image/source.ts');
    const platform = boxPlatform(guestArchitecture());
    const source = await openImageSource(path, { platform, scratchDirectory, ...abort });
    if (source.kind === 'directory') {
      // A directory has no digest that would tell whether it has changed: it is read anew every time.
      const disk = join(folder, `directory-${nameOf(path)}.erofs`);
      const { imageFromDirectory } = await import('../image/directory.ts');
      await imageFromDirectory(path, disk, { ...abort, xattrs: await xattrsOf(path, options) });
      return { disk, config: null, stored: null };
    }
    await using image = source.image;
    const disk = join(folder, `${image.manifestDigest.replace(':', '-')}.erofs`);
    if (await isThere(disk)) {
      // Its time tells the cache that it is wanted; where it cannot be set, it is made anew some day.
      await utimes(disk, new Date(), new Date()).catch(() => undefined);
    } else {
      const { convertLayers } = await import('../image/convert.ts');
      await convertLayers(image.layers, disk, abort);
    }
    return { disk, config: image.document.config, stored: null };
  } finally {
    await rm(scratchDirectory, { recursive: true, force: true });
  }
}

/**
 * The extended attributes in a directory, file capabilities among them. Node cannot read them; where
 * getfattr(1) is not installed (Debian: attr), files come without.
 */
async function xattrsOf(directory: string, { path, run }: RootImageOptions) {
  const [name = '', ...args] = GETFATTR_COMMAND;
  const program = await findProgram(name, path);
  if (program === null) return new Map();
  const dump = Buffer.from((await run(program, args, { cwd: directory })).stdout);
  if (dump.length < OUTPUT_BYTES_MAX) return parseGetfattr(dump);
  throw new BoxliteError(
    'Image',
    `Cannot read the extended attributes of "${directory}": there are ${OUTPUT_BYTES_MAX / 1024 ** 2} MiB of them or more; give it as an image (an OCI layout or archive)`,
  );
}

function nameOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 32);
}
