/** A directory of the host as an image disk. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import { DirectoryWalk } from './directory-walk.ts';
import { ImageFile } from './erofs/image-file.ts';
import type { ByteString, Xattr } from './tree.ts';

export interface DirectoryOptions {
  /**
   * Extended attributes by path relative to the directory (`''` is the directory itself). Node has
   * no call that reads them, so whoever can (see `parseGetfattr()`) passes them in.
   */
  readonly xattrs?: ReadonlyMap<ByteString, readonly Xattr[]>;
  readonly signal?: AbortSignal;
}

/**
 * Writes a read-only EROFS image of `directory` to `destination`, which appears complete or not at
 * all. The same directory gives the same bytes. Owners, modes and times are those that lstat(2)
 * shows; hard links within the directory are kept.
 *
 * @throws BoxliteError `InvalidArgument` if there is no such directory or the destination lies in
 * it; `Image` if something in it cannot be read
 */
export async function imageFromDirectory(
  directory: string,
  destination: string,
  options: DirectoryOptions = {},
): Promise<void> {
  await checkPlaces(directory, destination);
  await using image = await ImageFile.create(destination);
  const root = await new DirectoryWalk(directory, image, options).run();
  await image.finish(root);
}

async function checkPlaces(directory: string, destination: string): Promise<void> {
  const found = await stat(directory).catch(() => null);
  if (!found?.isDirectory()) {
    throw new BoxliteError(
      'InvalidArgument',
      `Cannot make an image of "${directory}": expected a directory that exists`,
    );
  }
  const inner = join(await realpath(dirname(destination)), basename(destination));
  if (inner.startsWith((await realpath(directory)).replace(/\/*$/, sep))) {
    throw new BoxliteError(
      'InvalidArgument',
      `Cannot make an image of "${directory}" inside itself, at "${destination}"`,
    );
  }
}
