/** Bodies with something replaced in them, and the codings they may come in. */
import { type Readable, Transform, type TransformCallback } from 'node:stream';
// By name it would fail to link on an old Node, before that can be told what it needs.
import * as zlib from 'node:zlib';
import type { Screen } from '../secrets/screen.ts';

/** A body whose length is known and not more than this is gathered, and sent with its new length. */
const GATHER_BYTES_MAX = 1024 * 1024;
/** All those of a box at once. It could begin thousands, and end none. */
const GATHERED_BYTES_MAX = 32 * 1024 * 1024;

const GATHERED_CHUNKS_MAX = 512;

/** Shares the room for bodies that are gathered. */
export class GatherBudget {
  #left = GATHERED_BYTES_MAX;

  /** Room for a body of so many bytes until it is disposed of; null if it has to be streamed. */
  take(bytes: number | null): Disposable | null {
    if (bytes === null || bytes > GATHER_BYTES_MAX || bytes > this.#left) return null;
    this.#left -= bytes;
    return {
      [Symbol.dispose]: () => {
        this.#left += bytes;
      },
    };
  }
}

/** A stream that passes through a screen, and breaks with what that throws. */
export function screened(screen: Screen): Transform {
  const pass = (next: () => Buffer, done: TransformCallback) => {
    let out: Buffer;
    try {
      out = next();
    } catch (error) {
      return done(error as Error);
    }
    done(null, out.length === 0 ? undefined : out);
  };
  return new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => pass(() => screen.push(chunk), done),
    flush: (done) => pass(() => screen.end(), done),
  });
}

/** What undoes a content coding; null for none, undefined for one that we cannot undo. */
export function decoderFor(coding: string | undefined): Transform | null | undefined {
  switch ((coding ?? 'identity').trim().toLowerCase()) {
    case 'identity':
    case '':
      return null;
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip();
    case 'deflate':
      return zlib.createInflate();
    case 'br':
      return zlib.createBrotliDecompress();
    case 'zstd':
      return zlib.createZstdDecompress();
    default:
      return undefined;
  }
}

/** All of a body that is known to be short. */
export async function gathered(body: Readable): Promise<Buffer> {
  let chunks: Buffer[] = [];
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    // Of few bytes each they would take many times as much.
    if (chunks.length >= GATHERED_CHUNKS_MAX) chunks = [Buffer.concat(chunks)];
  }
  return Buffer.concat(chunks);
}
