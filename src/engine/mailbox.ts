import { ftruncateSync, statfsSync, writeSync } from 'node:fs';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { UnnamedFile } from '../base/unnamed-file.ts';
import type { Mailbox, MailboxUse } from '../spec/parts.ts';

/** Eight of the largest frames: enough to keep a guest reading while the next are written. */
const MAILBOX_BYTES = 2 * 1024 * 1024;
/** The guest reads whole blocks of a disk. */
const BLOCK_BYTES = 4096;
/** Largest payload of one frame. */
const PIECE_BYTES_MAX = 256 * 1024;

/** Where pieces lie in the ring: pure bookkeeping, first in, first out. */
export class RingAllocator {
  readonly #capacity: number;
  #pieces: { offset: number; length: number }[] = [];
  #head = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Offset of `length` bytes, or null while they have no room in one piece. */
  allocate(length: number): number | null {
    const offset = this.#place(length);
    if (offset === null) return null;
    this.#pieces.push({ offset, length });
    this.#head = offset + length;
    return offset;
  }

  /** Gives the oldest piece back. False if there is none. */
  release(): boolean {
    return this.#pieces.shift() !== undefined;
  }

  fits(length: number): boolean {
    return this.#place(length) !== null;
  }

  #place(length: number): number | null {
    const oldest = this.#pieces[0];
    // An empty ring starts over, so that little used memory is little.
    if (oldest === undefined) return length <= this.#capacity ? 0 : null;
    if (this.#head > oldest.offset) {
      if (this.#head + length <= this.#capacity) return this.#head;
      return length <= oldest.offset ? 0 : null;
    }
    return this.#head + length <= oldest.offset ? this.#head : null;
  }
}

/** Unnamed memory that the guest sees as a read-only disk. */
export class DiskMailbox implements Mailbox {
  readonly use: MailboxUse;
  readonly #memory: UnnamedFile;
  readonly #ring = new RingAllocator(MAILBOX_BYTES);

  private constructor(memory: UnnamedFile, use: MailboxUse) {
    this.#memory = memory;
    this.use = use;
  }

  /**
   * Makes the mailbox in the first of `directories` that can hold it; one on a tmpfs costs no disk writes.
   * @throws BoxliteError `Storage` if none can.
   */
  static create(directories: readonly string[], use: MailboxUse): DiskMailbox {
    const memory = UnnamedFile.create("the box's mailbox", directories, (descriptor, directory) => {
      requireRoom(directory);
      ftruncateSync(descriptor, MAILBOX_BYTES);
    });
    return new DiskMailbox(memory, use);
  }

  get descriptor(): number {
    return this.#memory.descriptor;
  }

  get roomy(): boolean {
    return this.#ring.fits(PIECE_BYTES_MAX);
  }

  put(payload: Uint8Array): { offset: number; length: number } | null {
    const blocks = Math.ceil(payload.length / BLOCK_BYTES);
    const offset = this.#ring.allocate(blocks * BLOCK_BYTES);
    if (offset === null) return null;
    this.#write(payload, offset);
    return { offset, length: payload.length };
  }

  taken(pieces: number): void {
    for (let i = 0; i < pieces; i++) {
      if (!this.#ring.release()) {
        throw new BoxliteError('Portal', 'The guest took more from its mailbox than was put there');
      }
    }
  }

  /** Memory is given to it as it is written. @throws BoxliteError `Storage` if there is none */
  #write(payload: Uint8Array, offset: number): void {
    try {
      // Of what has only room in part, that part is written.
      for (let at = 0; at < payload.length; ) {
        at += writeSync(this.descriptor, payload, at, payload.length - at, offset + at);
      }
    } catch (cause) {
      const why = messageOf(cause);
      throw new BoxliteError(
        'Storage',
        `Cannot pass data to the box: its mailbox cannot be written: ${why}; make room in /dev/shm`,
        { cause },
      );
    }
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** That of a container's /dev/shm may be little. */
function requireRoom(directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < MAILBOX_BYTES) throw new Error(`${directory} is full`);
}
