import { Readable, Writable } from 'node:stream';
import { BoxliteError } from '../../base/errors.ts';
import { bytesOf } from './file-content.ts';
import {
  decodingOf,
  flagNumber,
  modeNumber,
  type OpenFlags,
  wholeNumber,
  withEncoding,
} from './file-options.ts';
import type { FilePath } from './file-path.ts';
import type { FileCall, FileRequest } from './file-request.ts';
import type { FileService } from './file-service.ts';

const FILE_MODE = 0o644;

/** Options of a stream from a file. */
export interface ReadStreamOptions {
  readonly encoding?: BufferEncoding | null | undefined;
  /** The first byte to read. */
  readonly start?: number | undefined;
  /** The last byte to read. */
  readonly end?: number | undefined;
  readonly highWaterMark?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of a stream into a file. */
export interface WriteStreamOptions {
  readonly encoding?: BufferEncoding | undefined;
  /** Default: `w`. */
  readonly flags?: OpenFlags | undefined;
  /** Of a file that is made. Default: 0o644. */
  readonly mode?: number | undefined;
  /** Where to begin; with the flags `r+` nothing before it changes. */
  readonly start?: number | undefined;
  readonly highWaterMark?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function createReadStream(
  service: FileService,
  path: FilePath,
  options?: ReadStreamOptions | BufferEncoding,
): Readable {
  const given = withEncoding<ReadStreamOptions>(options);
  const start = wholeNumber('start', given.start ?? 0);
  const fields = { start, ...lengthField(start, given.end) };
  const encoding = decodingOf(given.encoding);
  let request: FileRequest | null = null;
  const open = async (call: FileCall): Promise<void> => {
    request = await service.open(call);
    await request.accepted;
  };
  const stream = new Readable({
    ...(given.highWaterMark === undefined ? {} : { highWaterMark: given.highWaterMark }),
    ...(encoding === null ? {} : { encoding }),
    construct(done) {
      const call = { op: 'read', syscall: 'open', path, fields, signal: given.signal };
      settle(service.busy(open(call)), done);
    },
    read() {
      const next = request?.read() ?? Promise.resolve(null);
      next.then(
        (piece) => stream.push(piece),
        (error: Error) => stream.destroy(error),
      );
    },
    destroy(error, done) {
      request?.cancel(error ?? closedEarly());
      done(error);
    },
  });
  return stream;
}

export function createWriteStream(
  service: FileService,
  path: FilePath,
  options?: WriteStreamOptions | BufferEncoding,
): Writable {
  const given = withEncoding<WriteStreamOptions>(options);
  const fields = {
    flags: flagNumber(given.flags ?? 'w'),
    mode: modeNumber(given.mode, FILE_MODE),
    start: wholeNumber('start', given.start ?? 0),
  };
  const defaultEncoding = given.encoding ?? 'utf8';
  let request: FileRequest | null = null;
  const open = async (call: FileCall): Promise<void> => {
    request = await service.open(call);
    await request.accepted;
  };
  const write = (data: Uint8Array): Promise<void> => {
    if (request === null) throw closedEarly();
    return service.busy(request.write(data));
  };
  return new Writable({
    ...(given.highWaterMark === undefined ? {} : { highWaterMark: given.highWaterMark }),
    defaultEncoding,
    construct(done) {
      const call = { op: 'write', syscall: 'open', path, fields, signal: given.signal };
      settle(service.busy(open(call)), done);
    },
    write(chunk, encoding, done) {
      settle(write(bytesOf(chunk, encoding)), done);
    },
    writev(chunks, done) {
      const all = chunks.map(({ chunk, encoding }) => bytesOf(chunk, encoding));
      settle(write(Buffer.concat(all)), done);
    },
    final(done) {
      request?.end();
      settle(service.busy(request?.ended ?? Promise.resolve()), done);
    },
    destroy(error, done) {
      request?.cancel(error ?? closedEarly());
      done(error);
    },
  });
}

/** How much lies between the two, both included. */
function lengthField(start: number, end: number | undefined) {
  if (end === undefined || end === Number.POSITIVE_INFINITY) return {};
  return { length: Math.max(0, wholeNumber('end', end) - start + 1) };
}

function settle(work: Promise<void>, done: (error?: Error | null) => void): void {
  work.then(
    () => done(),
    (error: Error) => done(error),
  );
}

function closedEarly(): BoxliteError {
  return new BoxliteError('InvalidState', 'The stream was closed before its end');
}
