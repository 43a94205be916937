import { BoxliteError } from '../../base/errors.ts';
import { violation } from '../../portal/frame.ts';
import type { FilePath } from './file-path.ts';
import type { FileRequest } from './file-request.ts';
import type { FileService } from './file-service.ts';

/** What a watch tells: as the guest's paths are, with their letter. */
const RECORD_BYTES_MAX = 4096 + 256;
const RENAMED = 0x72; // r
const CHANGED = 0x63; // c
const LOST = 0x6f; // o

/** Options of watching. */
export interface WatchOptions {
  /** Whether directories below are watched, too, also those that come later. Default: false. */
  readonly recursive?: boolean | undefined;
  /** Ends the watch; the loop over it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Something happened to a file. */
export interface FileChange {
  /** `rename`: it appeared, went or got another name. `change`: its content or attributes changed. */
  readonly eventType: 'rename' | 'change';
  /** Seen from what is watched. Null where more happened than could be told: look for yourself. */
  readonly filename: string | null;
}

/**
 * A watch over files of a box: an async iterable of what happens. A reader that is too slow loses events, which
 * an event without a filename tells.
 */
export class FileWatch implements AsyncIterable<FileChange>, AsyncDisposable {
  /** Resolves when the watch is set up: whatever happens from then on is told. */
  readonly ready: Promise<void>;
  readonly #service: FileService;
  readonly #opening: Promise<FileRequest>;

  /** @internal */
  constructor(service: FileService, path: FilePath, options: WatchOptions) {
    const { recursive = false, signal } = options;
    this.#service = service;
    this.#opening = service.open({
      op: 'watch',
      syscall: 'watch',
      path,
      fields: { recursive },
      signal,
    });
    this.ready = service.busy(this.#opening.then(async (request) => void (await request.accepted)));
    // Whoever iterates is told, too.
    this.ready.catch(() => undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FileChange> {
    const request = await this.#service.busy(this.#opening);
    try {
      await request.accepted;
      let rest = Buffer.alloc(0);
      for (let piece = await request.read(); piece !== null; piece = await request.read()) {
        const bytes: Buffer = Buffer.concat([rest, piece]);
        let at = 0;
        for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, at)) {
          yield parseChange(bytes.subarray(at, end));
          at = end + 1;
        }
        rest = Buffer.from(bytes.subarray(at));
        if (rest.length > RECORD_BYTES_MAX) throw violation('an event without end');
      }
      await request.ended;
    } finally {
      request.cancel(closedWatch());
    }
  }

  /** Ends the watch. Idempotent. */
  async close(): Promise<void> {
    const request = await this.#opening.catch(() => null);
    request?.cancel(closedWatch());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** An event is a letter for what happened, and a path. */
function parseChange(record: Buffer): FileChange {
  const filename = record.toString('utf8', 1);
  switch (record[0]) {
    case RENAMED:
      return { eventType: 'rename', filename };
    case CHANGED:
      return { eventType: 'change', filename };
    case LOST:
      return { eventType: 'rename', filename: null };
    default:
      throw violation('an event that is none');
  }
}

function closedWatch(): BoxliteError {
  return new BoxliteError('InvalidState', 'The watch was closed');
}
