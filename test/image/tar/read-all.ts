/** Reads a whole archive in memory. */
import { ByteQueue } from '../../../src/image/tar/byte-queue.ts';
import type { TarEntry } from '../../../src/image/tar/entry.ts';
import { readTar } from '../../../src/image/tar/reader.ts';
import { sealed } from '../support/tar-maker.ts';

export interface WholeEntry extends TarEntry {
  readonly content: Buffer;
}

/** All entries with their contents, the bytes given in pieces; contents are kept up to a limit. */
export function readAll(archive: Buffer, piece = archive.length, keep = 1 << 20): WholeEntry[] {
  const queue = new ByteQueue();
  const entries: { entry: TarEntry; parts: Buffer[]; kept: number }[] = [];
  let given = 0;
  for (const event of readTar(queue)) {
    if (event === null) {
      if (given >= archive.length) queue.end();
      else queue.push(archive.subarray(given, given + piece));
      given += piece;
      continue;
    }
    const last = entries.at(-1);
    if (event.kind === 'entry') entries.push({ entry: event.entry, parts: [], kept: 0 });
    else if (last !== undefined) {
      const length = event.kind === 'data' ? event.bytes.length : event.length;
      const room = Math.min(length, keep - last.kept);
      last.kept += room;
      last.parts.push(
        event.kind === 'data' ? Buffer.from(event.bytes.subarray(0, room)) : Buffer.alloc(room),
      );
    }
  }
  return entries.map(({ entry, parts }) => ({ ...entry, content: Buffer.concat(parts) }));
}

/** Makes the checksum right if the block looks like a header. */
export function reseal(block: Buffer): void {
  if (block.toString('latin1', 257, 262) === 'ustar') sealed(block);
}
