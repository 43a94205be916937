import type { Duplex } from 'node:stream';
import { BoxliteError, messageOf } from '../../base/errors.ts';

/** No answer of those that are asked for here is as long. */
const ANSWER_BYTES_MAX = 1024 * 1024;

type JsonObject = Readonly<Record<string, unknown>>;

/** An answer's, or its error's, reader. */
type Waiter = PromiseWithResolvers<JsonObject>;

/** QEMU's monitor, as its QMP specification (docs/interop/qmp-spec.txt) has it: a line of JSON for each message. */
export class Monitor {
  readonly #socket: Duplex;
  readonly #waiters: Waiter[] = [];
  #line = '';
  #ended: BoxliteError | null = null;

  /** Over the host's end of the monitor's socket. */
  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', (error) => this.#fail(messageOf(error)));
    socket.on('close', () => this.#fail('QEMU has closed it'));
  }

  /** @throws BoxliteError `Engine` if QEMU refuses, or is gone. */
  execute(command: string, args: JsonObject = {}): Promise<JsonObject> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const waiter = Promise.withResolvers<JsonObject>();
    this.#waiters.push(waiter);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return waiter.promise;
  }

  #receive(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    if (this.#line.length > ANSWER_BYTES_MAX) this.#fail('an answer has no end');
    for (const line of lines) this.#answer(line);
  }

  /** Greeting and events are no answers. */
  #answer(line: string): void {
    try {
      const message = JSON.parse(line);
      if ('return' in message) this.#waiters.shift()?.resolve(message.return);
      if ('error' in message) this.#waiters.shift()?.reject(refused(String(message.error.desc)));
    } catch (error) {
      this.#fail(messageOf(error));
    }
  }

  #fail(why: string): void {
    this.#ended ??= new BoxliteError('Engine', `QEMU's monitor cannot be used: ${why}`);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#ended);
    this.#socket.destroy();
  }
}

function refused(why: string): BoxliteError {
  return new BoxliteError('Engine', `QEMU's monitor refuses: ${why}`);
}
