import { execRequest } from '../box/exec-request.ts';
import type { ExecResult } from '../box/exec-result.ts';
import type { ExecOutput } from '../box/exec-streams.ts';
import { type ExecHost, Execution } from '../box/execution.ts';
import { signalNumber } from '../box/signals.ts';
import type { ImageConfig } from '../image/config.ts';
import type { Channel } from '../portal/channel.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import type { LogEntry } from '../spec/info.ts';
import { BoxLog } from './box-log.ts';
import { withTimeout } from './with-timeout.ts';

/** How long output may still come after the command's end, which children of it hold open. */
const OUTPUT_GRACE_MS = 1_000;
const SIGTERM = 15;
/** Of glibc, and of the tools that write such names into images. */
const SIGRTMIN = 34;

/** What running a main command takes. */
export interface MainCommandOptions {
  readonly channel: Channel;
  readonly spec: BoxSpec;
  readonly config: ImageConfig | null;
  readonly hostname: string;
  /** Where its log is kept. */
  readonly boxDir: string;
}

/** Calls of `run()` are counted, and this is none; and it does not keep the program alive. */
const host: ExecHost = {
  counters: { sent: () => undefined, received: () => undefined, ran: () => undefined },
  busy: (work) => work,
};

/** The command that a box is there for: the box ends with it. */
export class MainCommand {
  /** Resolves with its result once its output is written; null if the box was lost. */
  readonly ended: Promise<ExecResult | null>;
  readonly #execution: Execution;
  readonly #stopSignal: number;

  private constructor(execution: Execution, log: BoxLog, stopSignal: number) {
    this.#execution = execution;
    this.#stopSignal = stopSignal;
    this.ended = record(execution, log);
  }

  /**
   * Runs it if the box has one; null if the box waits for commands.
   * @throws BoxliteError `Run` if it cannot be found or executed.
   */
  static async start(options: MainCommandOptions): Promise<MainCommand | null> {
    const { channel, spec, config } = options;
    const argv = mainArgv(spec, config);
    if (argv === null) return null;
    const log = await BoxLog.open(options.boxDir, 'main');
    try {
      const own = { env: [], workingDir: null, user: null, timeoutMs: null };
      const asked = { argv, ...own, tty: false, ttySize: null };
      const request = execRequest(asked, options, config);
      const execution = await Execution.start(channel, request, host);
      return new MainCommand(execution, log, stopSignalNumber(config?.stopSignal ?? null));
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Asks it to end as its image says, and waits at most this long. */
  async stop(timeoutMs: number): Promise<void> {
    if (timeoutMs === 0) return;
    await this.#execution.signal(this.#stopSignal).catch(() => undefined);
    await withTimeout(this.ended, timeoutMs, null);
  }
}

/** The command line of a box's main command; null if it has none. */
export function mainArgv(
  { entrypoint, cmd }: Pick<BoxSpec, 'entrypoint' | 'cmd'>,
  config: Pick<ImageConfig, 'entrypoint' | 'cmd'> | null,
): readonly [string, ...string[]] | null {
  if (entrypoint === null && cmd === null) return null;
  const words = [...(entrypoint ?? config?.entrypoint ?? []), ...(cmd ?? config?.cmd ?? [])];
  const [program, ...args] = words;
  return program === undefined ? null : [program, ...args];
}

/** `SIGQUIT`, `QUIT`, `3` and `SIGRTMIN+3` as a number; SIGTERM for what is none of these. */
export function stopSignalNumber(text: string | null): number {
  if (text === null) return SIGTERM;
  const realTime = /^(?:SIG)?RTMIN(?:\+(\d{1,2}))?$/.exec(text);
  try {
    if (realTime !== null) return signalNumber(SIGRTMIN + Number(realTime[1] ?? 0));
    if (/^\d+$/.test(text)) return signalNumber(Number(text));
    return signalNumber(text.startsWith('SIG') ? text : `SIG${text}`);
  } catch {
    return SIGTERM;
  }
}

/** Why a box has stopped whose main command ended like this. */
export function exitReasonOf({ exitCode, signal, outOfMemory }: ExecResult): string {
  const end = exitCode >= 0 ? `exit code ${exitCode}` : `signal ${signal ?? -exitCode}`;
  return outOfMemory ? `${end}, out of memory (see memoryMib)` : end;
}

/** Whether that was said by {@link exitReasonOf}: not stopped and not lost, the box has done what it was for. */
export function isDone(exitReason: string | null): boolean {
  return exitReason !== null && /^(exit code|signal) /.test(exitReason);
}

async function record(execution: Execution, log: BoxLog): Promise<ExecResult | null> {
  const outputs: Promise<unknown> = Promise.all([
    copy(execution.stdout(), 'stdout', log),
    copy(execution.stderr(), 'stderr', log),
  ]);
  const result = await execution.wait().catch(() => null);
  await withTimeout(outputs, OUTPUT_GRACE_MS, null);
  await log[Symbol.asyncDispose]();
  return result;
}

async function copy(
  from: ExecOutput | null,
  source: LogEntry['source'],
  log: BoxLog,
): Promise<void> {
  try {
    for await (const line of from ?? []) await log.append(source, line);
  } catch {
    // The box was lost, and the rest of its output with it.
  }
}
