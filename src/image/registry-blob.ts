/** The bytes of one blob from a registry: resumed where they broke off, and never more than agreed. */

import type { BoxliteError } from '../base/errors.ts';
import type { HttpAnswer } from './http.ts';
import { malformed } from './json-document.ts';
import type { Descriptor } from './manifest.ts';
import { CutShort, networkError } from './network-error.ts';
import { htmlAnswer } from './registry-answer.ts';
import { Retries, type RetryPolicy } from './retry.ts';

export interface RegistryBlob {
  readonly blob: Descriptor;
  /** For messages. */
  readonly what: string;
  readonly policy: RetryPolicy;
  /** Requests the blob with additional headers. */
  readonly ask: (headers: Record<string, string>, signal: AbortSignal) => Promise<HttpAnswer>;
  /** The error for an answer that is not the blob. */
  readonly refuse: (answer: HttpAnswer) => Promise<BoxliteError>;
}

/** A connection that brought so much did work; the next one's failures count from one again. */
const PROGRESS_BYTES = 64 * 1024;

/**
 * The blob's bytes from `offset` to its end.
 *
 * @throws BoxliteError `Image` if the registry sends something else, `Network` if it stops sending.
 */
export async function* registryBlob(
  source: RegistryBlob,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { blob, policy, what } = source;
  const retries = new Retries(policy, signal);
  let position = offset;
  while (position < blob.size) {
    const start = position;
    try {
      for await (const chunk of bytesFrom(source, start, signal)) {
        position += chunk.length;
        if (position > blob.size) {
          throw malformed(what, `it is longer than the ${blob.size} bytes that its manifest says`);
        }
        yield chunk;
      }
    } catch (error) {
      if (position - start >= PROGRESS_BYTES) retries.progress();
      await retries.pause(error);
    }
  }
}

async function* bytesFrom(
  source: RegistryBlob,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // Compressed once more on the way, it would have another length and another digest.
  const plain = { 'accept-encoding': 'identity' };
  let answer = await source.ask(start > 0 ? { ...plain, range: `bytes=${start}-` } : plain, signal);
  if (answer.status === 416) {
    await answer.discard();
    answer = await source.ask(plain, signal);
  }
  if (answer.status !== 200 && answer.status !== 206) throw await source.refuse(answer);
  try {
    checkHead(source, answer, start);
  } catch (error) {
    await answer.discard();
    throw error;
  }
  const skipped = answer.status === 206 ? 0 : start;
  const end = source.blob.size - start;
  let seen = 0;
  for await (const chunk of skip(answer.chunks(), skipped)) {
    seen += chunk.length;
    yield chunk;
  }
  if (seen < end) {
    const short = new CutShort(`it ended after ${start + seen} of ${source.blob.size} bytes`);
    throw networkError(source.what, answer.url, short);
  }
}

/** Compares what the answer says of itself with what was asked for. */
function checkHead({ blob, what }: RegistryBlob, answer: HttpAnswer, start: number): void {
  const encoding = answer.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') throw malformed(what, `it was sent with encoding "${encoding}"`);
  if (answer.status === 206) {
    const range = /^bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)$/.exec(answer.header('content-range') ?? '');
    const total = range?.[2] ?? '*';
    if (Number(range?.[1]) !== start || (total !== '*' && Number(total) !== blob.size)) {
      throw malformed(what, `"${answer.url.host}" sent another part of it than was asked for`);
    }
    return;
  }
  const length = answer.header('content-length');
  if (length === undefined || Number(length) === blob.size) return;
  if (answer.isHtml) throw htmlAnswer(answer, what);
  throw malformed(what, `it has ${length} bytes, its manifest says ${blob.size}`);
}

/** What follows the first `count` bytes. */
async function* skip(chunks: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of chunks) {
    if (chunk.length > left) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}
