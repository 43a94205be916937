import { BoxliteError } from '../../base/errors.ts';
import { BoxDirent, type ListedEntry, ListReader } from './box-dirent.ts';
import { decodingOf, type ReaddirOptions } from './file-options.ts';
import { type FilePath, joinPath, showPath } from './file-path.ts';
import type { FileRequest } from './file-request.ts';
import type { FileService } from './file-service.ts';

/** A listing in one piece may be this long, millions of names; opendir() has no such limit. */
const LIST_BYTES_MAX = 64 * 1024 * 1024;

/** An open directory in a box, in the shape of Node's `fs.Dir`. Iterating or disposing closes it. */
export class BoxDirectory implements AsyncIterable<BoxDirent>, AsyncDisposable {
  readonly path: string;
  readonly #request: FileRequest;
  readonly #entries: AsyncGenerator<ListedEntry>;

  /** @internal */
  static async open(
    service: FileService,
    path: FilePath,
    signal?: AbortSignal,
  ): Promise<BoxDirectory> {
    const request = await service.busy(
      service.open({ op: 'readdir', syscall: 'opendir', path, signal }),
    );
    const directory = new BoxDirectory(showPath(path), request);
    // A directory that is not there is told here, and not when it is read.
    await service.busy(directory.#peek());
    return directory;
  }

  #first: IteratorResult<ListedEntry> | null = null;

  private constructor(path: string, request: FileRequest) {
    this.path = path;
    this.#request = request;
    this.#entries = listed(request);
  }

  /** The next entry, null after the last one. */
  async read(): Promise<BoxDirent | null> {
    const result = this.#first ?? (await this.#entries.next());
    this.#first = null;
    if (result.done === true) return null;
    const { name, letter } = result.value;
    return new BoxDirent(name.toString('utf8'), this.path, letter);
  }

  /** Lets the rest go unread. Idempotent. */
  async close(): Promise<void> {
    this.#first = { done: true, value: undefined };
    this.#request.cancel(new BoxliteError('InvalidState', `The directory ${this.path} was closed`));
    await this.#entries.return(undefined).catch(() => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BoxDirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #peek(): Promise<void> {
    this.#first = await this.#entries.next();
  }
}

/** A whole listing at once, as the options want it. */
export function listAll(
  service: FileService,
  path: FilePath,
  options: ReaddirOptions,
): Promise<string[] | Buffer[] | BoxDirent[] | BoxDirent<Buffer>[]> {
  const { encoding, withFileTypes = false, recursive = false, signal } = options;
  const bytes = encoding === 'buffer';
  const decoding = decodingOf(encoding) ?? 'utf8';
  const decode = (name: Buffer) => (bytes ? Buffer.from(name) : name.toString(decoding));
  const convert = ({ name, directory, letter }: ListedEntry) => {
    const inside = directory.length === 0;
    if (!withFileTypes) return decode(inside ? name : (joinPath(directory, name) as Buffer));
    const parent = inside ? path : joinPath(path, directory.toString('utf8'));
    const parentPath = bytes ? Buffer.from(parent as string) : showPath(parent);
    return new BoxDirent(decode(name), parentPath, letter);
  };
  const call = { op: 'readdir', syscall: 'scandir', path, fields: { recursive }, signal };
  return service.run(call, async (request) => {
    const entries: unknown[] = [];
    for await (const entry of listed(request, LIST_BYTES_MAX)) entries.push(convert(entry));
    return entries as string[];
  });
}

async function* listed(
  request: FileRequest,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<ListedEntry> {
  const reader = new ListReader();
  let size = 0;
  for (let piece = await request.read(); piece !== null; piece = await request.read()) {
    size += piece.length;
    if (size > limit) {
      const failure = new BoxliteError(
        'Storage',
        `The directory's listing has more than ${limit} bytes: read it with opendir()`,
      );
      request.cancel(failure);
      throw failure;
    }
    yield* reader.push(piece);
  }
  await request.ended;
  reader.finish();
}
