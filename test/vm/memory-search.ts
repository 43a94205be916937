/** What another process has in its memory, all of it that it may read itself (proc(5), `maps` and `mem`). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { systemCode } from '../../src/base/errors.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

/** Which of the texts are somewhere in it. A process that has ended has none. */
export function textsInMemory(pid: number, texts: readonly string[]): Set<string> {
  const found = new Set<string>();
  const longest = Math.max(...texts.map((text) => text.length));
  const piece = Buffer.alloc(PIECE_BYTES);
  const memory = memoryOf(pid);
  if (memory === null) return found;
  try {
    for (const [from, to] of readableParts(pid)) {
      // Each piece begins before the end of the last one, so that nothing is cut.
      for (let at = from; at < to; at += PIECE_BYTES - longest) {
        const bytes = read(memory, piece, at, Math.min(PIECE_BYTES, to - at));
        for (const text of texts) if (bytes.includes(text)) found.add(text);
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

function memoryOf(pid: number): number | null {
  try {
    return openSync(`/proc/${pid}/mem`, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function readableParts(pid: number): [number, number][] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
    // The kernel's own part lies where numbers are no longer whole.
    const range: [number, number] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
    return range.every(Number.isSafeInteger) ? [range] : [];
  });
}

/** What there is: a part may have gone, or be of a device. */
function read(memory: number, into: Buffer, at: number, length: number): Buffer {
  try {
    return into.subarray(0, readSync(memory, into, 0, length, at));
  } catch {
    return into.subarray(0, 0);
  }
}
