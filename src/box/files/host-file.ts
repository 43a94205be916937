import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import type { ArchiveEntry } from './archive.ts';
import type { HostDirectory } from './host-directory.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** What no archive of a box can give a file of the host: set-id and sticky bits. */
export const PERMISSIONS = 0o777;
const TIME_SECONDS_MAX = 8.64e12;
/** Buffers that one system call writes; the kernel takes 1024. */
const VECTOR_MAX = 512;
/** What a piece costs besides its bytes. */
const PIECE_BYTES = 64;

/** What a file is waiting for to be written: bytes, or the length of a hole. */
type Piece = Uint8Array | number;

/**
 * A file of the host in the making, under a name it does not keep until it is whole. Its steps are done in order and
 * behind the back of who asks for them, so that the host's threads work on several files at once.
 */
export class HostFile {
  readonly entry: ArchiveEntry;
  readonly name: Buffer;
  readonly #directory: HostDirectory;
  readonly #temporary = temporaryName();
  #handle: FileHandle | null = null;
  #steps: Promise<void>;
  #pieces: Piece[] = [];
  /** Memory that waits to be written. */
  #waiting = 0;
  #position = 0;
  #endsInHole = false;

  /** `mayBeMade` is the first step, and says whether the name is free. */
  constructor(
    directory: HostDirectory,
    name: Buffer,
    entry: ArchiveEntry,
    mayBeMade: () => Promise<void>,
  ) {
    this.#directory = directory;
    this.name = name;
    this.entry = entry;
    this.#steps = mayBeMade().then(() => this.#open());
    this.#unhandled();
  }

  /** Settles when all that was asked for so far is done. */
  get done(): Promise<void> {
    return this.#steps;
  }

  /** Memory that is held, in bytes. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Adds bytes, which must not change any more. */
  write(bytes: Uint8Array): void {
    this.#add(bytes, bytes.length);
  }

  /** Adds a hole. */
  skip(length: number): void {
    this.#add(length, 0);
  }

  /** Gives the file its mode, its time and its name. */
  finish(): void {
    this.#then(() => this.#complete());
  }

  /** Closes and removes it if it has not been finished. */
  async discard(): Promise<void> {
    await this.#steps.catch(() => undefined);
    if (this.#handle === null) return;
    await this.#handle.close().catch(() => undefined);
    await unlink(this.#directory.at(this.#temporary)).catch(() => undefined);
  }

  #add(piece: Piece, bytes: number): void {
    this.#pieces.push(piece);
    this.#waiting += bytes + PIECE_BYTES;
    // What waits for the step before goes with it.
    if (this.#pieces.length === 1) this.#then(() => this.#flush());
  }

  #then(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(step);
    this.#unhandled();
  }

  /** A failure is found by who waits for {@link done}, which may be later. */
  #unhandled(): void {
    this.#steps.catch(() => undefined);
  }

  async #open(): Promise<void> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    this.#handle = await open(this.#directory.at(this.#temporary), flags, 0o600);
  }

  async #flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    for (let at = 0; at < pieces.length; ) {
      const piece = pieces[at];
      if (typeof piece === 'number') {
        this.#position += piece;
        this.#endsInHole = true;
        this.#waiting -= PIECE_BYTES;
        at++;
        continue;
      }
      const buffers = leadingBuffers(pieces, at);
      await this.#writeAll(buffers);
      this.#endsInHole = false;
      at += buffers.length;
    }
  }

  async #writeAll(buffers: readonly Uint8Array[]): Promise<void> {
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    let rest = buffers;
    for (let done = 0; done < length; ) {
      const { bytesWritten } = await this.#opened.writev(rest, this.#position);
      done += bytesWritten;
      this.#position += bytesWritten;
      rest = withoutFirst(rest, bytesWritten);
    }
    this.#waiting -= length + PIECE_BYTES * buffers.length;
  }

  async #complete(): Promise<void> {
    const handle = this.#opened;
    if (this.#endsInHole) await handle.truncate(this.#position);
    await handle.chmod(this.entry.mode & PERMISSIONS);
    const time = timeOf(this.entry);
    if (time !== null) await handle.utimes(time, time);
    await rename(this.#directory.at(this.#temporary), this.#directory.at(this.name));
    this.#handle = null;
    await handle.close();
  }

  get #opened(): FileHandle {
    return this.#handle as FileHandle;
  }
}

/** A name that nobody can guess. */
export function temporaryName(): Buffer {
  return Buffer.from(`.boxlite-${randomBytes(6).toString('hex')}`);
}

/** Seconds, with what precision a double has; null for what no file system takes. */
export function timeOf({ seconds, nanoseconds }: ArchiveEntry): number | null {
  return Math.abs(seconds) > TIME_SECONDS_MAX ? null : seconds + nanoseconds / 1e9;
}

/** The buffers from there to the next hole, as many as go at once. */
function leadingBuffers(pieces: readonly Piece[], start: number): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (let i = start; i < pieces.length && buffers.length < VECTOR_MAX; i++) {
    const piece = pieces[i];
    if (!(piece instanceof Uint8Array)) break;
    buffers.push(piece);
  }
  return buffers;
}

/** What is left when so many bytes are gone. */
function withoutFirst(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let gone = bytes;
  return buffers.flatMap((buffer) => {
    const taken = Math.min(gone, buffer.length);
    gone -= taken;
    return taken === buffer.length ? [] : [buffer.subarray(taken)];
  });
}
