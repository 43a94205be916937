// pure
/** How the parser's generators ask for bytes: they yield null until the queue has them. */
import type { ByteQueue } from './byte-queue.ts';
import { type TarEvent, tarError } from './entry.ts';

/** Headers and contents are padded to this. */
export const BLOCK_BYTES = 512;

/** A part of the parser: yields what it finds, or null for "more bytes, please". */
export type Reading<T> = Generator<TarEvent | null, T>;

/** Whether nothing more comes. */
export function* isAtEnd(queue: ByteQueue): Reading<boolean> {
  while (queue.length === 0) {
    if (queue.ended) return true;
    yield null;
  }
  return false;
}

/** Exactly `count` bytes, which the caller has bounded. Only good until more is asked for. */
export function* take(queue: ByteQueue, count: number): Reading<Buffer> {
  while (queue.length < count) {
    if (queue.ended) throw tarError(queue.position + queue.length, 'it is cut off');
    yield null;
  }
  return queue.take(count);
}

/** Steps over what fills the last block of a content. The archive may end without it. */
export function* skipPadding(queue: ByteQueue, size: number): Reading<void> {
  let left = -size & (BLOCK_BYTES - 1);
  while (left > 0 && !(yield* isAtEnd(queue))) left -= queue.takeSome(left).length;
}
