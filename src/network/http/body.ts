/** Bodies with something replaced in them, and the codings they may come in. */
import { type Readable, Transform } from 'node:stream';
// By name it would fail to link on an old Node, before that can be told what it needs.
import * as zlib from 'node:zlib';
import { type Replacement, Replacer } from '../secrets/replace.ts';

/** A body whose length is known and not more than this is gathered, and sent with its new length. */
const GATHER_BYTES_MAX = 1024 * 1024;
/** All those of a box at once. It could begin thousands, and end none. */
const GATHERED_BYTES_MAX = 32 * 1024 * 1024;

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

/** What must not be in a body. */
export interface Forbidden {
  readonly needle: Uint8Array;
  readonly name: string;
}

/** A body that had in it what must not be there. */
export class ForbiddenContent extends Error {
  /** Whose placeholder it is. */
  readonly secret: string;

  constructor(secret: string) {
    super(`the placeholder of "${secret}" is in the body`);
    this.secret = secret;
  }
}

/** A stream that replaces, and breaks with {@link ForbiddenContent}. */
export function replacing(
  replacements: readonly Replacement[],
  forbidden: readonly Forbidden[] = [],
): Transform {
  const replacer = new Replacer(replacements);
  // What is forbidden is "replaced" by itself, which tells when it was there.
  const watchers = forbidden.map(({ needle, name }) => ({
    name,
    watch: new Replacer([{ needle, by: needle }]),
  }));
  const look = (chunk: Uint8Array | null) => {
    for (const { name, watch } of watchers) {
      if (chunk === null) watch.end();
      else watch.push(chunk);
      if (watch.count > 0) return new ForbiddenContent(name);
    }
    return null;
  };
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      const error = look(chunk);
      if (error !== null) return done(error);
      const out = replacer.push(chunk);
      done(null, out.length === 0 ? undefined : out);
    },
    flush(done) {
      const error = look(null);
      if (error !== null) return done(error);
      const out = replacer.end();
      done(null, out.length === 0 ? undefined : out);
    },
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
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
