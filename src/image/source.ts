/** What a path of the host stands for, where a box's files may come from one. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { ArchiveFiles } from './local/archive.ts';
import { findInDockerArchive, MANIFEST_FILE } from './local/docker-archive.ts';
import { DirectoryFiles, type ImageFiles } from './local/files.ts';
import { LocalImage } from './local/local-image.ts';
import { findInLayout, LAYOUT_FILE } from './local/oci-layout.ts';
import type { Platform } from './manifest.ts';

/** A root file system as it is, for `imageFromDirectory()`; or an image, for `convertLayers()`. */
export type ImageSource =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'image'; readonly image: LocalImage };

export interface SourceOptions {
  /** What the box runs: `boxPlatform(arch)`. */
  readonly platform: Platform;
  /** Where a packed archive is unpacked while it is open. Made if it is missing. */
  readonly scratchDirectory: string;
  readonly signal?: AbortSignal;
}

/**
 * Finds out what a path is: an OCI layout, an archive of `docker save` or in OCI's format (packed or
 * not), or a directory that holds a root file system. The caller disposes of the image.
 *
 * @throws BoxliteError `NotFound` if there is nothing, `Image` if it is none of these, or broken
 */
export async function openImageSource(path: string, options: SourceOptions): Promise<ImageSource> {
  const kind = await kindOf(path);
  if (kind === 'directory') return { kind, path };
  const files = kind === 'layout' ? new DirectoryFiles(path) : await openArchive(path, options);
  try {
    const found = (await files.find(LAYOUT_FILE))
      ? await findInLayout(files, options.platform, options.signal)
      : await findInDockerArchive(files, options.signal);
    return { kind: 'image', image: new LocalImage(files, found, options.platform) };
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}

async function kindOf(path: string): Promise<'directory' | 'layout' | 'archive'> {
  try {
    if (!(await stat(path)).isDirectory()) return 'archive';
  } catch (cause) {
    const kind = systemCode(cause) === 'ENOENT' ? 'NotFound' : 'Image';
    throw new BoxliteError(kind, `Cannot use the image "${path}": ${messageOf(cause)}`, { cause });
  }
  const marker = await stat(join(path, LAYOUT_FILE)).catch(() => null);
  return marker?.isFile() ? 'layout' : 'directory';
}

async function openArchive(path: string, options: SourceOptions): Promise<ImageFiles> {
  const files = await ArchiveFiles.open(path, options);
  const isKnown = (await files.find(LAYOUT_FILE)) ?? (await files.find(MANIFEST_FILE));
  if (isKnown !== null) return files;
  await files[Symbol.asyncDispose]();
  throw new BoxliteError(
    'Image',
    `Cannot use "${path}": expected an archive made by docker save or in OCI's format, with ` +
      `"${MANIFEST_FILE}" or "${LAYOUT_FILE}" in it; unpack an archive of a root file system first`,
  );
}
