import { randomUUID } from 'node:crypto';
import { BoxliteError } from '../base/errors.ts';
import type { Channel } from '../portal/channel.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { PortalStream } from '../portal/stream.ts';
import { ExecResult, parseExit } from './exec-result.ts';
import { ExecStderr, ExecStdin, ExecStdout } from './exec-streams.ts';
import { type KeepAlive, OutputBuffer } from './output.ts';
import { signalNumber } from './signals.ts';

/** How long a command that was asked to end may take before it is killed. */
const TERM_GRACE_MS = 2_000;
/** How long a box may take to tell of the end of a command that was killed, before nobody waits for it any more. */
const KILL_GRACE_MS = 5_000;

const SIGTERM = 15;
const SIGKILL = 9;

/** A command as the agent runs it: every default is filled in. */
export interface ExecRequest {
  readonly argv: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** Whether the directory is made if it is missing. */
  readonly makeCwd: boolean;
  /** Empty for root. */
  readonly user: string;
  readonly tty: { readonly rows: number; readonly cols: number } | null;
  /** Null for no limit. */
  readonly timeoutMs: number | null;
}

/** What a box counts of its commands. */
export interface ExecCounters {
  sent(bytes: number): void;
  received(bytes: number): void;
  /** A command ended, or could not be run. */
  ran(failed: boolean): void;
}

/** The box, as its commands see it. */
export interface ExecHost extends KeepAlive {
  readonly counters: ExecCounters;
}

/** A running command. Its streams can be taken once each; {@link wait} gives its end. */
export class Execution implements AsyncDisposable {
  /** Identifies the command in logs. */
  readonly id: string = randomUUID();
  readonly #tty: boolean;
  readonly #started = performance.now();
  readonly #result = Promise.withResolvers<ExecResult>();
  readonly #stdout: OutputBuffer;
  readonly #stderr: OutputBuffer;
  readonly #main: PortalStream;
  readonly #counters: ExecCounters;
  #stdinTaken = false;
  #stdoutTaken = false;
  #stderrTaken = false;
  #timedOut = false;
  #abortReason: { reason: unknown } | null = null;
  #exited = false;
  #timer: NodeJS.Timeout | undefined;
  #onEnd: () => void = () => undefined;

  /**
   * Starts a command; resolves once it runs.
   * @throws BoxliteError `Run` if it cannot be found or executed; the signal's reason if aborted.
   * @internal
   */
  static async start(
    channel: Channel,
    request: ExecRequest,
    host: ExecHost,
    signal?: AbortSignal,
  ): Promise<Execution> {
    signal?.throwIfAborted();
    const accepted = Promise.withResolvers<void>();
    const execution = new Execution(channel, request, host, accepted);
    const onAbort = () => execution.#abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    execution.#onEnd = () => signal?.removeEventListener('abort', onAbort);
    await accepted.promise;
    return execution;
  }

  private constructor(
    channel: Channel,
    request: ExecRequest,
    host: ExecHost,
    accepted: PromiseWithResolvers<void>,
  ) {
    const { counters } = host;
    this.#counters = counters;
    const { timeoutMs, tty, ...rest } = request;
    this.#tty = tty !== null;
    // Nobody may be waiting when the box is lost.
    this.#result.promise.catch(() => undefined);
    this.#stdout = new OutputBuffer((bytes) => this.#main.consumed(bytes), host);
    const error = tty === null ? this.#attachStderr(channel, host) : null;
    this.#stderr = error?.buffer ?? new OutputBuffer(() => undefined, host);
    const message: JsonObject = { service: 'exec', ...rest, ...(tty === null ? {} : { tty }) };
    const handlers = {
      accepted: () => {
        this.#startTimer(timeoutMs);
        accepted.resolve();
      },
      data: (piece: Uint8Array) => {
        counters.received(piece.length);
        this.#stdout.push(piece);
      },
      end: () => this.#stdout.end(),
      control: (about: JsonObject) => this.#told(about),
      closed: (reason: BoxliteError | null) => {
        const failure = reason === null ? null : runError(request.argv[0] ?? '', reason);
        if (failure !== null) {
          accepted.reject(this.#abortReason?.reason ?? failure);
          error?.stream.close(reason);
        }
        this.#closed(failure);
      },
    };
    try {
      this.#main = channel.open({ ...message, stderr: error?.stream.id ?? 0 }, handlers);
    } catch (reason) {
      error?.stream.close(null);
      throw reason;
    }
  }

  /** The command's input, the first time it is asked for; then null. */
  stdin(): ExecStdin | null {
    if (this.#stdinTaken) return null;
    this.#stdinTaken = true;
    return new ExecStdin(this.#main, (bytes) => this.#counters.sent(bytes));
  }

  /** The command's output, the first time it is asked for; then null. */
  stdout(): ExecStdout | null {
    if (this.#stdoutTaken) return null;
    this.#stdoutTaken = true;
    return new ExecStdout(this.#stdout);
  }

  /** The command's error output, the first time it is asked for; then null. With a terminal always null. */
  stderr(): ExecStderr | null {
    if (this.#stderrTaken || this.#tty) return null;
    this.#stderrTaken = true;
    return new ExecStderr(this.#stderr);
  }

  /**
   * Waits for the command to end. Input that nobody has taken is closed, so that a command that reads it
   * does not wait for ever. Works as often as you like, also after the box has stopped.
   * @throws BoxliteError if the box was lost before the command ended; an abort's reason.
   */
  wait(): Promise<ExecResult> {
    // A caller may still take the input in the same breath.
    if (!this.#stdinTaken) setImmediate(() => this.#closeUntakenInput());
    return this.#result.promise;
  }

  /** Settles as {@link wait} does, and leaves the input alone. @internal */
  get ended(): Promise<ExecResult> {
    return this.#result.promise;
  }

  /** Ends the command and everything it started, at once (SIGKILL). */
  async kill(): Promise<void> {
    this.#main.control({ signalTree: SIGKILL });
  }

  /**
   * Sends a signal to the command's process.
   * @throws BoxliteError `InvalidArgument` if there is no such signal, `InvalidState` if it has ended.
   */
  async signal(signal: number | NodeJS.Signals): Promise<void> {
    const number = signalNumber(signal);
    if (this.#exited) {
      throw new BoxliteError('InvalidState', `Cannot send ${signal}: the command has ended`);
    }
    this.#main.control({ signal: number });
  }

  /** @throws BoxliteError `InvalidState` without a terminal, `InvalidArgument` out of 1..65535. */
  async resizeTty(rows: number, cols: number): Promise<void> {
    if (!this.#tty)
      throw new BoxliteError('InvalidState', 'The command has no terminal: run it with tty(true)');
    for (const [name, value] of Object.entries({ rows, cols })) {
      if (!Number.isInteger(value) || value < 1 || value > 0xffff) {
        throw new BoxliteError('InvalidArgument', `${name}: expected 1..65535, got ${value}`);
      }
    }
    this.#main.control({ resize: { rows, cols } });
  }

  /** Reads both outputs to their ends and waits. @throws BoxliteError `InvalidState` if one was taken. */
  async output(): Promise<ExecResult & { stdout: string; stderr: string }> {
    const out = this.stdout();
    const error = this.stderr();
    if (out === null || (error === null && !this.#tty)) {
      throw new BoxliteError('InvalidState', 'The output has been taken already: read it there');
    }
    const [stdout, stderr, result] = await Promise.all([
      out.text(),
      error?.text() ?? '',
      this.wait(),
    ]);
    return Object.assign(result, { stdout, stderr });
  }

  /** Kills the command if it still runs, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#exited) await this.kill();
    await this.#result.promise.catch(() => undefined);
  }

  #attachStderr(channel: Channel, host: ExecHost) {
    const buffer: OutputBuffer = new OutputBuffer((bytes) => stream.consumed(bytes), host);
    const stream: PortalStream = channel.attach({
      data: (piece) => {
        host.counters.received(piece.length);
        buffer.push(piece);
      },
      end: () => buffer.end(),
      closed: (reason) => (reason === null ? buffer.end() : buffer.fail(reason)),
    });
    return { buffer, stream };
  }

  #startTimer(timeoutMs: number | null): void {
    if (timeoutMs === null || this.#abortReason !== null) return;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#main.control({ signalTree: SIGTERM });
      this.#timer = setTimeout(() => void this.kill(), TERM_GRACE_MS);
    }, timeoutMs);
  }

  #told(message: JsonObject): void {
    const exitCode = parseExit(message);
    if (exitCode === null || this.#exited) return;
    this.#finish();
    if (this.#abortReason !== null) return this.#result.reject(this.#abortReason.reason as Error);
    const duration = performance.now() - this.#started;
    this.#result.resolve(
      new ExecResult(exitCode, this.#timedOut, duration, message['oom'] === true),
    );
  }

  #closed(failure: BoxliteError | null): void {
    this.#finish();
    clearTimeout(this.#timer);
    if (failure === null) this.#stdout.end();
    else this.#stdout.fail(failure);
    this.#result.reject(
      this.#abortReason?.reason ??
        failure ??
        new BoxliteError('Portal', 'The command was closed before it told how it ended'),
    );
  }

  #finish(): void {
    this.#exited = true;
    // The rest of a tree whose time is up is still to be killed, unless the program ends first, and the box with it.
    if (this.#timedOut) this.#timer?.unref();
    else clearTimeout(this.#timer);
    this.#onEnd();
  }

  #abort(reason: unknown): void {
    this.#abortReason = { reason };
    void this.kill();
    // The agent kills what it is not asked for any more, and a box whose agent does not is not waited for.
    const giveUp = () => this.#main.reset({ code: 'aborted', message: 'The command was aborted' });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(giveUp, KILL_GRACE_MS);
  }

  #closeUntakenInput(): void {
    if (this.#stdinTaken) return;
    this.#stdinTaken = true;
    this.#main.end();
  }
}

const refusals: Readonly<Record<string, string>> = {
  not_found: 'it was not found in the box',
  not_executable: 'it is not executable',
};

/** Says which command could not run, and why. */
function runError(command: string, reason: BoxliteError): BoxliteError {
  if (reason.kind !== 'Run') return reason;
  const code = (reason.cause as { code?: string } | undefined)?.code ?? '';
  const known = refusals[code];
  const why = known === undefined ? reason.message : `${known} (${reason.message})`;
  return new BoxliteError('Run', `Cannot run "${command}": ${why}`, { cause: reason.cause });
}
