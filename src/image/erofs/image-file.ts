/**
 * An EROFS image while it is being written: file contents first, in any number of steps, then the
 * tree. The image appears under its name only when it is complete and on the disk.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Content, Directory } from '../tree.ts';
import { BlockFile, cannotWrite } from './block-file.ts';
import { BLOCK_BYTES, encodeSuperblock } from './format.ts';
import { layOut, TAIL_BYTES_MAX } from './layout.ts';
import { metadataOf } from './metadata.ts';

/** Zeros are not written but skipped where this many follow each other, so the file is sparse. */
const HOLE_BYTES_MIN = 1 << 16;
const ZEROS = Buffer.alloc(HOLE_BYTES_MIN);
/** Tails wait in memory for their inodes. Once this much waits, files get whole blocks. */
const TAILS_BYTES_MAX = 32 << 20;

/** The room of one file's content, filled from its start on. */
export class ContentWriter {
  readonly #content: Content;
  readonly #file: BlockFile;
  /** Where the tail begins. */
  readonly #tailAt: number;
  #done = 0;

  constructor(file: BlockFile, content: Content) {
    this.#file = file;
    this.#content = content;
    this.#tailAt = content.size - (content.tail?.length ?? 0);
  }

  /** Bytes still expected. */
  get missing(): number {
    return this.#content.size - this.#done;
  }

  /** Appends to the content. The bytes are copied. */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.missing) throw new RangeError('more content than was announced');
    const body = bytes.subarray(0, Math.max(0, this.#tailAt - this.#done));
    if (body.length > 0 && !isHole(body)) {
      await this.#file.write(body, this.#content.block * BLOCK_BYTES + this.#done);
    }
    this.#done += body.length;
    if (body.length < bytes.length) this.#keepTail(bytes.subarray(body.length));
  }

  #keepTail(bytes: Uint8Array): void {
    this.#content.tail?.set(bytes, this.#done - this.#tailAt);
    this.#done += bytes.length;
  }

  /** Appends `count` zeros. */
  async writeZeros(count: number): Promise<void> {
    if (count > this.missing) throw new RangeError('more content than was announced');
    const inBody = Math.min(count, Math.max(0, this.#tailAt - this.#done));
    const skipped = inBody >= HOLE_BYTES_MIN ? inBody : 0;
    this.#done += skipped;
    for (let left = count - skipped; left > 0; left -= HOLE_BYTES_MIN) {
      await this.write(ZEROS.subarray(0, left));
    }
  }

  /** Fills the last block. What lies there is visible in a mapping of the file, so it is zeros. */
  async end(): Promise<void> {
    if (this.missing > 0) throw new RangeError(`${this.missing} bytes of content are missing`);
    const { block } = this.#content;
    const rest = (BLOCK_BYTES - (this.#tailAt % BLOCK_BYTES)) % BLOCK_BYTES;
    await this.#file.write(ZEROS.subarray(0, rest), block * BLOCK_BYTES + this.#tailAt);
  }
}

/** Whether these are zeros, and enough of them to leave them out. */
function isHole(bytes: Uint8Array): boolean {
  if (bytes.length < HOLE_BYTES_MIN) return false;
  for (let at = 0; at < bytes.length; at += HOLE_BYTES_MIN) {
    const piece = bytes.subarray(at, at + HOLE_BYTES_MIN);
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0) return false;
  }
  return true;
}

/** A half-made image. Disposing of it before {@link ImageFile.finish} removes every trace of it. */
export class ImageFile implements AsyncDisposable {
  readonly #destination: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #file: BlockFile;
  /** Blocks given out so far. The first is the superblock's. */
  #blocks = 1;
  #tailBytes = 0;
  #open = true;

  private constructor(destination: string, temporary: string, handle: FileHandle) {
    this.#destination = destination;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#file = new BlockFile(handle, destination);
  }

  /** Starts an image next to `destination`, as `destination.RANDOM.partial`. */
  static async create(destination: string): Promise<ImageFile> {
    const temporary = `${destination}.${randomBytes(6).toString('hex')}.partial`;
    try {
      return new ImageFile(destination, temporary, await open(temporary, 'wx', 0o644));
    } catch (cause) {
      throw cannotWrite(destination, cause);
    }
  }

  /** Room for a content of `size` bytes. It is all zeros until it is filled. */
  reserve(size: number): Content {
    const tailBytes = this.#reserveTail(size % BLOCK_BYTES);
    const blocks = Math.ceil((size - tailBytes) / BLOCK_BYTES);
    const block = blocks === 0 ? 0 : this.#blocks;
    this.#blocks += blocks;
    return { block, size, tail: tailBytes === 0 ? null : Buffer.allocUnsafe(tailBytes) };
  }

  #reserveTail(bytes: number): number {
    if (bytes > TAIL_BYTES_MAX || this.#tailBytes + bytes > TAILS_BYTES_MAX) return 0;
    this.#tailBytes += bytes;
    return bytes;
  }

  /** Fills room that was reserved, once. */
  fill(content: Content): ContentWriter {
    return new ContentWriter(this.#file, content);
  }

  /** Writes the tree and the superblock, and gives the image its name. */
  async finish(root: Directory): Promise<void> {
    const layout = layOut(root, this.#blocks);
    let offset = layout.firstBlock * BLOCK_BYTES;
    for (const piece of metadataOf(layout)) {
      await this.#file.write(piece, offset);
      offset += piece.length;
    }
    await this.#file.write(encodeSuperblock(layout.superblock), 0);
    await this.#file.drain();
    try {
      await this.#handle.sync();
      await this.#close();
      await rename(this.#temporary, this.#destination);
      await syncDirectory(dirname(this.#destination));
    } catch (cause) {
      throw cannotWrite(this.#destination, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    // A write under way holds the descriptor; its failure has been or will be reported by finish().
    await this.#file.drain().catch(() => {});
    await this.#handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
