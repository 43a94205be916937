/** An image archive: a tar file whose members are found without reading their contents. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError, messageOf } from '../../base/errors.ts';
import { decompress, isPacked, MAGIC_BYTES } from '../layers/decompress.ts';
import { cleanPath } from '../layers/paths.ts';
import { ByteQueue } from '../tar/byte-queue.ts';
import { type TarEntry, tarError } from '../tar/entry.ts';
import { readTar } from '../tar/reader.ts';
import { type ByteString, byteStringOf } from '../tree.ts';
import { type FilePart, type ImageFiles, openFile, readPart } from './files.ts';

/** An image has a few members for each layer. */
const MEMBERS_MAX = 100_000;
/** `docker save` writes a layer that two images share once, and links to it. */
const LINKS_MAX = 8;
const READ_BYTES = 1 << 16;
/** Given to the parser in place of contents, which it only counts. */
const UNREAD = Buffer.alloc(1 << 20);
/** As with layers: the most that an archive is unpacked to. */
const UNPACKED_BYTES_MAX = 20 * 1024 ** 3;

type Member = { readonly part: FilePart } | { readonly linkTo: ByteString };

export interface ArchiveOptions {
  /** Where a packed archive is unpacked, for as long as it is open. Made if it is missing. */
  readonly scratchDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

/** The members of an archive, plain or packed with gzip or zstd. */
export class ArchiveFiles implements ImageFiles {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #members: ReadonlyMap<ByteString, Member>;

  private constructor(path: string, handle: FileHandle, members: ReadonlyMap<ByteString, Member>) {
    this.path = path;
    this.#handle = handle;
    this.#members = members;
  }

  /** @throws BoxliteError `Image` if it is no tar file, `NotFound` if it is not there */
  static async open(path: string, options: ArchiveOptions): Promise<ArchiveFiles> {
    let handle = await openFile(path);
    if (handle === null) throw new BoxliteError('NotFound', `Cannot find the image "${path}"`);
    try {
      if (isPacked(await beginning(handle))) {
        const plain = await unpack(handle, options);
        await handle.close();
        handle = plain;
      }
      return new ArchiveFiles(path, handle, await indexArchive(handle, options.signal));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async find(name: string): Promise<FilePart | null> {
    let member = this.#members.get(memberName(byteStringOf(Buffer.from(name))));
    for (let links = 0; member !== undefined && 'linkTo' in member; links++) {
      if (links === LINKS_MAX) return null;
      member = this.#members.get(member.linkTo);
    }
    return member?.part ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function beginning(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

/** The same archive, not packed, in a file that nobody sees. */
async function unpack(packed: FileHandle, options: ArchiveOptions): Promise<FileHandle> {
  const path = join(options.scratchDirectory, `${randomBytes(6).toString('hex')}.partial`);
  const scratch = await storing(path, async () => {
    await mkdir(options.scratchDirectory, { recursive: true });
    return open(path, 'wx+', 0o600);
  });
  try {
    await rm(path);
    const part = { handle: packed, offset: 0, size: (await packed.stat()).size };
    await decompress(
      readPart(part, 0, options.signal),
      (chunks) => writeChunks(scratch, path, chunks),
      options.signal,
    );
    return scratch;
  } catch (error) {
    await scratch.close();
    throw error;
  }
}

async function writeChunks(
  file: FileHandle,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  let written = 0;
  for await (const chunk of chunks) {
    written += chunk.length;
    if (written > UNPACKED_BYTES_MAX) {
      throw new BoxliteError(
        'Image',
        `Cannot unpack the image archive: it has more than ${UNPACKED_BYTES_MAX} bytes; ` +
          'unpack it yourself if you trust it',
      );
    }
    await storing(path, () => file.writeFile(chunk));
  }
}

async function storing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new BoxliteError('Storage', `Cannot store "${path}": ${messageOf(cause)}`, { cause });
  }
}

/** Where each member's content is. The parser is given zeros for the contents. */
async function indexArchive(
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<Map<ByteString, Member>> {
  const { size } = await handle.stat();
  const members = new Map<ByteString, Member>();
  const queue = new ByteQueue();
  let at = 0;
  let unread = 0;
  for (const event of readTar(queue)) {
    if (event?.kind === 'data') unread -= event.bytes.length;
    if (event?.kind === 'entry') {
      unread = event.stored;
      addMember(members, handle, event.entry, event.stored, queue.position);
    }
    if (event !== null) continue;
    signal?.throwIfAborted();
    if (unread > size - at) throw tarError(size, 'it is cut off');
    const piece = unread > 0 ? UNREAD.subarray(0, unread) : await readAt(handle, at, READ_BYTES);
    at += piece.length;
    if (piece.length === 0) queue.end();
    else queue.push(piece);
  }
  return members;
}

async function readAt(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}

function addMember(
  members: Map<ByteString, Member>,
  handle: FileHandle,
  entry: TarEntry,
  stored: number,
  offset: number,
): void {
  if (members.size >= MEMBERS_MAX) throw tarError(offset, `more than ${MEMBERS_MAX} members`);
  const name = memberName(entry.name);
  if (entry.type === 'file' && stored === entry.size) {
    members.set(name, { part: { handle, offset, size: stored } });
  } else if (entry.type === 'symlink') {
    members.set(name, { linkTo: memberName(`${name}/../${entry.linkName}`) });
  } else if (entry.type === 'link') {
    members.set(name, { linkTo: memberName(entry.linkName) });
  }
}

/** Names are compared without `./` and the like. */
function memberName(name: ByteString): ByteString {
  return cleanPath(name).join('/');
}
