// pure
/**
 * Cuts a zstd stream at the ends of its frames (RFC 8878). Node's decompressor ends, silently, when
 * a frame ends in the middle of what it was given, and takes a stream that is cut off for a whole
 * one. Layers do come in many frames: so that single files can be fetched, or to pack in parallel.
 */
import { BoxliteError } from '../../base/errors.ts';

const MAGIC = 0xfd2fb528;
/** 0x184D2A50 to 0x184D2A5F: a frame of somebody else's data. */
const SKIPPABLE_MAGIC = 0x184d2a5;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

type Part = 'magic' | 'descriptor' | 'skippable' | 'block';
const PART_BYTES: Readonly<Record<Part, number>> = {
  magic: 4,
  descriptor: 1,
  skippable: 4,
  block: 3,
};

export class ZstdFrames {
  #part: Part = 'magic';
  /** The bytes of the part seen so far, as a little-endian number. */
  #value = 0;
  #seen = 0;
  /** Bytes to let through before the next part. */
  #pass = 0;
  #hasChecksum = false;
  /** Whether the frame ends when those bytes have passed. */
  #isLast = false;

  /** The chunk, in pieces of which none reaches beyond the end of a frame. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#pass > 0) {
        const passed = Math.min(this.#pass, chunk.length - at);
        this.#pass -= passed;
        at += passed;
      } else {
        this.#read(chunk[at] ?? 0);
        at += 1;
      }
      if (this.#isLast && this.#pass === 0) {
        yield chunk.subarray(start, at);
        start = at;
        this.#isLast = false;
        this.#part = 'magic';
      }
    }
    if (start < chunk.length) yield chunk.subarray(start);
  }

  /** @throws BoxliteError `Image` if the stream ends within a frame */
  end(): void {
    if (this.#part !== 'magic' || this.#seen > 0) throw broken('it is cut off');
  }

  #read(byte: number): void {
    this.#value += byte * 2 ** (8 * this.#seen);
    this.#seen += 1;
    if (this.#seen < PART_BYTES[this.#part]) return;
    const value = this.#value;
    this.#value = 0;
    this.#seen = 0;
    this.#interpret(value);
  }

  #interpret(value: number): void {
    switch (this.#part) {
      case 'magic':
        if (value !== MAGIC && Math.floor(value / 16) !== SKIPPABLE_MAGIC) {
          throw broken('something else follows a frame');
        }
        this.#part = value === MAGIC ? 'descriptor' : 'skippable';
        return;
      case 'descriptor':
        this.#readDescriptor(value);
        return;
      case 'skippable':
        this.#pass = value;
        this.#isLast = true;
        return;
      case 'block':
        this.#readBlockHeader(value);
    }
  }

  /** Frame_Header_Descriptor: says how long the rest of the header is. */
  #readDescriptor(value: number): void {
    const isSingleSegment = (value & 0x20) !== 0;
    this.#hasChecksum = (value & 0x04) !== 0;
    const sizeFlag = value >> 6;
    const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag];
    this.#pass =
      (isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[value & 3] ?? 0) + (contentSize ?? 0);
    this.#part = 'block';
  }

  #readBlockHeader(value: number): void {
    const type = (value >> 1) & 3;
    if (type === BLOCK_RESERVED) throw broken('a block has an unknown type');
    this.#isLast = (value & 1) !== 0;
    const checksum = this.#isLast && this.#hasChecksum ? 4 : 0;
    this.#pass = (type === BLOCK_RLE ? 1 : value >> 3) + checksum;
  }
}

function broken(problem: string): BoxliteError {
  return new BoxliteError('Image', `Cannot unpack a zstd layer: ${problem}; pull it again`);
}
