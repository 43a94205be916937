import { violation } from '../../portal/frame.ts';
import type { JsonObject } from '../../portal/messages.ts';
import { type BoxStats, parseStats } from './box-stats.ts';
import { bytesOf, type FileData, pieces } from './file-content.ts';
import { fileError } from './file-error.ts';
import {
  decodingOf,
  type EncodingOption,
  type FileTime,
  modeNumber,
  READ_BYTES_MAX,
  timeFields,
  wholeNumber,
  withEncoding,
} from './file-options.ts';
import type { FileCall, FileRequest } from './file-request.ts';
import type { FileService } from './file-service.ts';

/** Read when nothing else is said, as in `node:fs`. */
const READ_BYTES = 16 * 1024;
/** Asked for at once: a part of the stream's window. */
const CHUNK_BYTES = 256 * 1024;

/** What of a buffer to read into or to write, and where in the file. */
export interface HandlePart {
  readonly offset?: number | null | undefined;
  readonly length?: number | null | undefined;
  /** Null: where the last read or write ended. */
  readonly position?: number | null | undefined;
}

/** An open file of a box, in the shape of Node's `FileHandle`. Its operations happen one after the other. */
export class BoxFileHandle implements AsyncDisposable {
  readonly #service: FileService;
  readonly #request: FileRequest;
  readonly #call: FileCall;
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | null = null;

  /** @internal */
  static async open(service: FileService, call: FileCall): Promise<BoxFileHandle> {
    const opening = service.open(call).then(async (request) => {
      await request.accepted;
      return request;
    });
    return new BoxFileHandle(service, await service.busy(opening), call);
  }

  private constructor(service: FileService, request: FileRequest, call: FileCall) {
    this.#service = service;
    this.#request = request;
    this.#call = call;
  }

  /**
   * Reads into a buffer, or a part of it; 0 bytes at the end. Without a buffer one of 16 KiB is made.
   *
   * @example
   * await handle.read(buffer, 0, 512, 1024);
   * await handle.read(buffer, { position: 1024 });
   */
  read<Bytes extends NodeJS.ArrayBufferView>(
    buffer: Bytes,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: Bytes }>;
  read<Bytes extends NodeJS.ArrayBufferView = Buffer>(
    buffer?: Bytes,
    options?: HandlePart,
  ): Promise<{ bytesRead: number; buffer: Bytes }>;
  read<Bytes extends NodeJS.ArrayBufferView = Buffer>(
    options: HandlePart & { readonly buffer?: Bytes | undefined },
  ): Promise<{ bytesRead: number; buffer: Bytes }>;
  async read<Bytes extends NodeJS.ArrayBufferView = Buffer>(
    first?: Bytes | (HandlePart & { readonly buffer?: Bytes | undefined }),
    second?: number | HandlePart | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: Bytes }> {
    const given = ArrayBuffer.isView(first) ? first : first?.buffer;
    const target = given ?? (Buffer.alloc(READ_BYTES) as unknown as Bytes);
    const options = ArrayBuffer.isView(first) || first === undefined ? second : first;
    const part = partOf(target.byteLength, options, length, position);
    const bytes = await this.#read(part.length, part.position);
    new Uint8Array(target.buffer, target.byteOffset + part.offset).set(bytes);
    return { bytesRead: bytes.length, buffer: target };
  }

  /**
   * Writes text or bytes, or a part of the bytes, all of it; where the last write ended unless a position is given.
   *
   * @example
   * await handle.write('text', 1024);
   * await handle.write(bytes, 0, 512, 1024);
   * await handle.write(bytes, { position: 1024 });
   */
  write<Bytes extends NodeJS.ArrayBufferView>(
    buffer: Bytes,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: Bytes }>;
  write<Bytes extends NodeJS.ArrayBufferView>(
    buffer: Bytes,
    options: HandlePart,
  ): Promise<{ bytesWritten: number; buffer: Bytes }>;
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  async write<Data extends string | NodeJS.ArrayBufferView>(
    data: Data,
    second?: number | HandlePart | null,
    third?: number | string | null,
    last?: number | null,
  ): Promise<{ bytesWritten: number; buffer: Data }> {
    const encoding = typeof third === 'string' ? (third as BufferEncoding) : 'utf8';
    const all = bytesOf(data, encoding);
    const options = typeof data === 'string' ? { position: second as number | null } : second;
    const part = partOf(all.length, options, typeof third === 'number' ? third : null, last);
    const bytes = all.subarray(part.offset, part.offset + part.length);
    const bytesWritten = await this.#inTurn('write', async () => {
      const { length } = bytes;
      this.#request.tell({ op: 'write', length, ...positionField(part.position) });
      await this.#request.write(bytes);
      return count(await this.#hear('write'), length);
    });
    return { bytesWritten, buffer: data };
  }

  /** Reads from where it stands to the end, at most 2 GiB. */
  async readFile(options?: { encoding?: EncodingOption } | BufferEncoding | null) {
    const decoding = decodingOf(withEncoding(options).encoding);
    const read: Buffer[] = [];
    for (let size = 0; ; ) {
      const piece = await this.#read(CHUNK_BYTES, null);
      if (piece.length === 0) break;
      size += piece.length;
      if (size > READ_BYTES_MAX) {
        throw fileError(
          'EFBIG',
          { ...this.#call, syscall: 'read' },
          `more than ${READ_BYTES_MAX} bytes`,
        );
      }
      read.push(piece);
    }
    const bytes = Buffer.concat(read);
    return decoding === null ? bytes : bytes.toString(decoding);
  }

  /** Writes everything from where it stands. */
  async writeFile(data: FileData, encoding: BufferEncoding = 'utf8'): Promise<void> {
    for await (const piece of pieces(data, encoding)) await this.write(piece);
  }

  async stat(): Promise<BoxStats> {
    return parseStats(await this.#ask('stat'));
  }

  async truncate(length = 0): Promise<void> {
    await this.#ask('truncate', { length: wholeNumber('length', length) });
  }

  async chmod(mode: number | string): Promise<void> {
    await this.#ask('chmod', { mode: modeNumber(mode, 0) });
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#ask('chown', { uid: wholeNumber('uid', uid), gid: wholeNumber('gid', gid) });
  }

  async utimes(atime: FileTime, mtime: FileTime): Promise<void> {
    await this.#ask('utimes', timeFields(atime, mtime));
  }

  /** Waits until the box's disk has it. */
  async sync(): Promise<void> {
    await this.#ask('sync');
  }

  /** The same as {@link sync}. */
  datasync(): Promise<void> {
    return this.sync();
  }

  /** Closes the file after what was asked before. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#service.busy(
      this.#last.then(() => {
        this.#request.end();
        return this.#request.ended;
      }),
    );
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(length: number, position: number | null): Promise<Buffer> {
    return this.#inTurn('read', async () => {
      const read: Buffer[] = [];
      let done = 0;
      while (done < length) {
        const wanted = Math.min(length - done, CHUNK_BYTES);
        const piece = await this.#readChunk(wanted, position === null ? null : position + done);
        read.push(piece);
        done += piece.length;
        if (piece.length < wanted) break;
      }
      return Buffer.concat(read, done);
    });
  }

  /** No more than the guest may send unread, as the bytes come ahead of their count. */
  async #readChunk(length: number, position: number | null): Promise<Buffer> {
    this.#request.tell({ op: 'read', length, ...positionField(position) });
    const size = count(await this.#hear('read'), length);
    const read: Uint8Array[] = [];
    let done = 0;
    while (done < size) {
      const piece = await this.#request.read();
      if (piece === null) break;
      read.push(piece);
      done += piece.length;
    }
    if (done !== size) throw violation('a read of another length than it says');
    return Buffer.concat(read, size);
  }

  #ask(op: string, fields: JsonObject = {}): Promise<JsonObject> {
    return this.#inTurn(op, () => {
      this.#request.tell({ op, ...fields });
      return this.#hear(op);
    });
  }

  async #hear(op: string): Promise<JsonObject> {
    const message = await this.#request.hear();
    const { error } = message;
    if (typeof error === 'string') throw fileError(error, { ...this.#call, syscall: op });
    return message;
  }

  #inTurn<T>(op: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed !== null) {
      const path = { ...this.#call, syscall: op };
      return Promise.reject(fileError('EBADF', path, 'the file has been closed'));
    }
    const turn = this.#service.busy(this.#last.then(work));
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function positionField(position: number | null) {
  return position === null ? {} : { position: wholeNumber('position', position) };
}

/** How many bytes the guest says it has read or written. */
function count(message: JsonObject, limit: number): number {
  const { count: done } = message;
  if (typeof done !== 'number' || !Number.isInteger(done) || done < 0 || done > limit) {
    throw violation('a count that is none');
  }
  return done;
}

/** A part of `size` bytes and its place in the file, as Node has them: numbers, or an object of them. */
function partOf(
  size: number,
  given: number | HandlePart | null | undefined,
  length: number | null | undefined,
  position: number | null | undefined,
): { offset: number; length: number; position: number | null } {
  const part =
    typeof given === 'object' && given !== null ? given : { offset: given, length, position };
  const offset = wholeNumber('offset', part.offset ?? 0, size);
  const room = size - offset;
  return {
    offset,
    length: wholeNumber('length', part.length ?? room, room),
    position: part.position ?? null,
  };
}
