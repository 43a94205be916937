/** A sparse file by what is in it: pure data, read from GNU tar's sparse format. */

/** A file's size and the pieces of it that are not holes. */
export interface SparseImage {
  readonly size: number;
  readonly pieces: readonly { readonly offset: number; readonly data: Uint8Array }[];
}

const BLOCK = 512;
const SIZE_OFFSET = 124;
const SIZE_LENGTH = 12;
const TYPE_OFFSET = 156;

/**
 * Reads an archive of one file made by `tar --format=pax --sparse --sparse-version=1.0`. Its data starts
 * with the map: decimal numbers a line each, the count, then offset and length of every piece (GNU tar
 * manual, "Storing Sparse Files"). An empty last piece marks the file's size.
 * @throws RangeError if it is something else.
 */
export function parseSparseTar(archive: Uint8Array): SparseImage {
  const data = archive.subarray(findFile(archive) + BLOCK);
  const map = readMap(data);
  let at = map.bytes;
  const pieces: { offset: number; data: Uint8Array }[] = [];
  let size = 0;
  for (const { offset, length } of map.entries) {
    if (at + length > data.length) throw new RangeError('the archive is shorter than its map says');
    if (length > 0) pieces.push({ offset, data: data.subarray(at, at + length) });
    at += length;
    size = Math.max(size, offset + length);
  }
  return { size, pieces };
}

/** The offset of the file's own header, behind those that describe it. */
function findFile(archive: Uint8Array): number {
  for (let at = 0; at + BLOCK <= archive.length; ) {
    if (archive[at + TYPE_OFFSET] === 0x30) return at;
    const field = archive.subarray(at + SIZE_OFFSET, at + SIZE_OFFSET + SIZE_LENGTH);
    const length = Number.parseInt(ascii(field), 8);
    if (!Number.isSafeInteger(length)) break;
    at += BLOCK + Math.ceil(length / BLOCK) * BLOCK;
  }
  throw new RangeError('the archive holds no file');
}

function readMap(data: Uint8Array) {
  let at = 0;
  const next = (): number => {
    const end = data.indexOf(0x0a, at);
    const value = end < 0 ? Number.NaN : Number(ascii(data.subarray(at, end)));
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('the map is not numbers');
    at = end + 1;
    return value;
  };
  const count = next();
  if (count > data.length / 4) throw new RangeError('the map is longer than the archive');
  const entries = Array.from({ length: count }, () => ({ offset: next(), length: next() }));
  return { entries, bytes: Math.ceil(at / BLOCK) * BLOCK };
}

function ascii(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
