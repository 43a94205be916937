/** A layer's bytes as a tar archive, whatever they are packed with. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
// As a whole: an old Node, which has no zstd, must get as far as being told that it is too old.
import * as zlib from 'node:zlib';
import { BoxliteError, messageOf, systemCode } from '../../base/errors.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** Large pieces mean few turns of the event loop. */
const CHUNK_BYTES = 1 << 17;
/** How much is unpacked ahead of whoever reads. */
const AHEAD_BYTES = 1 << 20;
/** The most memory a zstd frame may ask for is 2^27 bytes: zstd's own limit unless told otherwise. */
const ZSTD_WINDOW_LOG_MAX = 27;

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** What a zstd stream that begins with a skippable frame begins with, but for the first four bits. */
const ZSTD_SKIPPABLE_MAGIC = Buffer.from([0x2a, 0x4d, 0x18]);
/** How many bytes tell. */
export const MAGIC_BYTES = 4;

type Chunks = AsyncIterable<Uint8Array>;

/**
 * Hands the unpacked bytes to `consume`, while more are being unpacked. What they are packed with
 * is told by their first bytes, as media types are often wrong about it. The memory of a chunk is
 * gone once the next one is asked for.
 * @throws BoxliteError `Image` if they cannot be unpacked
 */
export async function decompress(
  packed: Chunks,
  consume: (chunks: Chunks) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const { head, all } = await peek(packed, MAGIC_BYTES, signal);
  const options = signal === undefined ? {} : { signal };
  const zlibOptions = { chunkSize: CHUNK_BYTES, readableHighWaterMark: AHEAD_BYTES };
  try {
    if (isGzip(head)) {
      await pipeline(
        all,
        zlib.createGunzip(zlibOptions),
        (chunks) => consume(released(chunks)),
        options,
      );
    } else if (isZstd(head)) {
      const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
      const unpacker = zlib.createZstdDecompress({ ...zlibOptions, params });
      await pipeline(byFrames(all), unpacker, (chunks) => consume(released(chunks)), options);
    } else {
      await pipeline(Readable.from(all, { objectMode: false }), consume, options);
    }
  } catch (error) {
    throw asImageError(error);
  }
}

/** Whether a file that begins so is packed. */
export function isPacked(head: Buffer): boolean {
  return isGzip(head) || isZstd(head);
}

function isGzip(head: Buffer): boolean {
  return head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
}

function isZstd(head: Buffer): boolean {
  if (head.equals(ZSTD_MAGIC)) return true;
  const isSkippable = head.length === MAGIC_BYTES && ((head[0] ?? 0) & 0xf0) === 0x50;
  return isSkippable && head.subarray(1).equals(ZSTD_SKIPPABLE_MAGIC);
}

/** The first bytes of a stream, fewer if it has fewer, and the stream with them. */
async function peek(
  chunks: Chunks,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<{ head: Buffer; all: Chunks }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let head = Buffer.alloc(0);
  while (head.length < bytes) {
    const { done, value } = await iterator.next();
    if (done) break;
    first.push(value);
    head = Buffer.concat([head, value.subarray(0, bytes - head.length)]);
  }
  if (signal?.aborted) {
    // A pipeline would not begin to read it, and so not close it either.
    await iterator.return?.();
    throw signal.reason;
  }
  return { head, all: continued(first, iterator) };
}

async function* continued(
  first: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/**
 * Gives the memory of each chunk back when the next one is asked for. Otherwise it waits for the
 * garbage collector, which lets tens of megabytes gather.
 */
async function* released(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    yield chunk;
    if (isLastOfAllocation(chunk)) chunk.buffer.transfer(0);
  }
}

/**
 * zlib fills one allocation of CHUNK_BYTES after the other, in one or more chunks, and is done with
 * it when the last of them comes. Node's pool of small buffers, which others use, has another size.
 */
function isLastOfAllocation(chunk: Buffer): chunk is Buffer<ArrayBuffer> {
  const { buffer, byteOffset, length } = chunk;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== CHUNK_BYTES) return false;
  return byteOffset + length === CHUNK_BYTES && Buffer.poolSize !== CHUNK_BYTES;
}

async function* byFrames(chunks: Chunks): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of chunks) yield* frames.push(chunk);
  frames.end();
}

/** zlib's and zstd's own errors, as a user should read them. */
function asImageError(error: unknown): unknown {
  const code = systemCode(error) ?? '';
  if (error instanceof BoxliteError || !/^(Z_|ZSTD_|ERR_ZSTD)/.test(code)) return error;
  return new BoxliteError('Image', `Cannot unpack a layer: ${messageOf(error)}; pull it again`, {
    cause: error,
  });
}
