/** A tar archive from a stream. */
import { ByteQueue } from './byte-queue.ts';
import type { TarEvent } from './entry.ts';
import { readTar } from './reader.ts';

/**
 * Calls `visit` for everything in the archive, one after the other, and reads the stream to its end
 * (what follows the archive included). A failing `visit` ends it. A chunk's memory is not used any
 * more when the next one is asked for.
 * @throws BoxliteError `Image` if it is not a tar archive, or is cut off
 */
export async function walkTar(
  chunks: AsyncIterable<Uint8Array>,
  visit: (event: TarEvent) => Promise<void>,
): Promise<void> {
  const queue = new ByteQueue();
  const parser = readTar(queue);
  // A stream with a single iterator: leaving the first loop must not destroy it for the second.
  const iterator = chunks[Symbol.asyncIterator]();
  for (const event of parser) {
    if (event !== null) {
      await visit(event);
      continue;
    }
    // Whoever makes the chunks may take back the memory of one when it is asked for the next.
    queue.keepLast();
    const { done, value } = await iterator.next();
    if (done) queue.end();
    else queue.push(value);
  }
  while (!(await iterator.next()).done);
}
