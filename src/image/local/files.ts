/** Files of an image on the host's disk, by name: in a directory, or members of an archive. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../../base/errors.ts';

/** A part of an open file. */
export interface FilePart {
  readonly handle: FileHandle;
  readonly offset: number;
  readonly size: number;
}

/** Where an image's files are. */
export interface ImageFiles extends AsyncDisposable {
  /** The host path, for messages. */
  readonly path: string;
  /** A file by its name within, or null if there is none. Names have no `..` and do not begin with `/`. */
  find(name: string): Promise<FilePart | null>;
}

/** An OCI image layout as a directory. */
export class DirectoryFiles implements ImageFiles {
  readonly path: string;
  readonly #open = new Map<string, FilePart>();

  constructor(path: string) {
    this.path = path;
  }

  async find(name: string): Promise<FilePart | null> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const handle = await openFile(join(this.path, name));
    if (handle === null) return null;
    const part = { handle, offset: 0, size: (await handle.stat()).size };
    this.#open.set(name, part);
    return part;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { handle } of this.#open.values()) await handle.close();
    this.#open.clear();
  }
}

/** Opens a regular file for reading, or null if there is none. @throws BoxliteError `Image` */
export async function openFile(path: string): Promise<FileHandle | null> {
  let handle: FileHandle;
  try {
    // Opening a fifo must not wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return null;
    throw new BoxliteError('Image', `Cannot read "${path}": ${messageOf(cause)}`, { cause });
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new BoxliteError('Image', `Cannot read "${path}": expected a regular file`);
}

const READ_BYTES = 1 << 18;

/** The bytes of a part, from `start` on. @throws BoxliteError `Image` if they cannot be read */
export async function* readPart(
  part: FilePart,
  start = 0,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let at = start; at < part.size; ) {
    signal?.throwIfAborted();
    const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, part.size - at));
    const { bytesRead } = await part.handle.read(chunk, 0, chunk.length, part.offset + at);
    if (bytesRead === 0) throw new BoxliteError('Image', 'Cannot read an image: it became shorter');
    at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

/** A whole part that fits in memory. */
export async function readWhole(part: FilePart, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readPart(part, 0, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
