import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFromDirectory } from '../image/directory.ts';

/**
 * The disk of a directory that is a root file system. It is made anew every time, because a directory has
 * no digest that would tell whether it has changed; boxes that run keep the one they opened.
 */
export async function directoryImage(
  directory: string,
  options: { cacheDir: string; signal?: AbortSignal },
): Promise<string> {
  const { cacheDir, signal } = options;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 32);
  const images = join(cacheDir, 'images');
  await mkdir(images, { recursive: true });
  const image = join(images, `directory-${name}.erofs`);
  await imageFromDirectory(directory, image, signal === undefined ? {} : { signal });
  return image;
}
