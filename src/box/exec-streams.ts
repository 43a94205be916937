import { Readable } from 'node:stream';
import { BoxliteError } from '../base/errors.ts';
import type { PortalStream } from '../portal/stream.ts';
import { bytesOf } from './files/file-content.ts';
import type { OutputBuffer } from './output.ts';

/** A line longer than this comes in pieces, so that output without a newline has bounded cost. */
const LINE_CHARACTERS_MAX = 1024 * 1024;
/** `text()` gives up beyond this: a JavaScript string cannot hold much more. */
const TEXT_BYTES_MAX = 256 * 1024 * 1024;

/** A command's standard input. */
export class ExecStdin {
  readonly #stream: PortalStream;
  readonly #count: (bytes: number) => void;

  /** @internal */
  constructor(stream: PortalStream, count: (bytes: number) => void) {
    this.#stream = stream;
    this.#count = count;
  }

  /**
   * Sends data to the command. Resolves when it is on its way; awaiting each call keeps memory flat
   * when the command reads slowly. The data must not change until then.
   * @throws BoxliteError `InvalidState` when the command or its input has ended; `InvalidArgument` for other data.
   */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = bytesOf(data, 'utf8');
    await this.#stream.write(bytes);
    this.#count(bytes.length);
  }

  /** The same as {@link write}, which never sends a part only. */
  writeAll(data: string | Uint8Array): Promise<void> {
    return this.write(data);
  }

  /** Ends the input: the command reads end-of-file after what was written. Idempotent. */
  async close(): Promise<void> {
    this.#stream.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A command's standard output or error. Iterating gives lines; {@link bytes}, {@link text} and
 * {@link readable} give the same data in other shapes. It can be read once, in one of these ways.
 */
export class ExecOutput implements AsyncIterable<string> {
  readonly #buffer: OutputBuffer;
  #reading = false;

  /** @internal */
  constructor(buffer: OutputBuffer) {
    this.#buffer = buffer;
  }

  /** Lines decoded as UTF-8, without their line ends. A line of more than a Mi characters comes in pieces. */
  async *[Symbol.asyncIterator](): AsyncIterator<string> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const piece of this.bytes()) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield withoutReturn(line);
      if (rest.length > LINE_CHARACTERS_MAX) {
        yield rest;
        rest = '';
      }
    }
    rest += decoder.decode();
    if (rest !== '') yield withoutReturn(rest);
  }

  /** The bytes as they come. Leaving the loop early lets the rest go unread. */
  bytes(): AsyncIterable<Uint8Array> {
    if (this.#reading) {
      throw new BoxliteError(
        'InvalidState',
        'This output is being read already: it can be read once',
      );
    }
    this.#reading = true;
    this.#buffer.take();
    return this.#pieces();
  }

  /** Everything as text. @throws BoxliteError `Run` beyond 256 MiB: use {@link bytes} for as much. */
  async text(): Promise<string> {
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for await (const piece of this.bytes()) {
      size += piece.length;
      if (size > TEXT_BYTES_MAX) {
        throw new BoxliteError(
          'Run',
          `The output is larger than ${TEXT_BYTES_MAX} bytes: read it as bytes()`,
        );
      }
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  }

  /** A Node stream of the bytes. */
  readable(): Readable {
    return Readable.from(this.bytes(), { objectMode: false });
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = await this.#buffer.read();
        if (piece === null) return;
        yield piece;
      }
    } finally {
      this.#buffer.abandon();
    }
  }
}

/** A command's standard output. */
export class ExecStdout extends ExecOutput {}

/** A command's standard error. */
export class ExecStderr extends ExecOutput {}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
