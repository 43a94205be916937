import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { systemCode } from '../base/errors.ts';
import type { Execution } from '../index.ts';
import { exitStatus } from './exit-status.ts';
import type { ScreenModes } from './screen-modes.ts';

/** How long a command whose terminal has gone may take to end by itself. */
const HANG_UP_MS = 2_000;

/** How a command's streams are connected to ours. */
export interface StreamOptions {
  /** Whether our input is the command's. */
  readonly interactive: boolean;
  /** Sees what goes to our screen. */
  readonly screen?: ScreenModes | undefined;
}

/** Copies a command's outputs to ours, and our input to it if asked to. Resolves when the outputs end. */
export async function connectStreams(
  execution: Execution,
  { interactive, screen }: StreamOptions,
): Promise<void> {
  if (interactive) void copyInput(process.stdin, execution);
  await Promise.all([
    copyOutput(execution.stdout()?.bytes(), process.stdout, screen),
    copyOutput(execution.stderr()?.bytes(), process.stderr),
  ]);
}

async function copyOutput(
  from: AsyncIterable<Uint8Array> | undefined,
  to: Writable,
  screen?: ScreenModes,
): Promise<void> {
  if (from === undefined) return;
  for await (const piece of from) {
    screen?.watch(piece);
    // A reader that has gone must not keep the command from ending.
    await writeTo(to, piece);
  }
}

/** Writes as fast as the reader reads; to one that has gone, nothing. */
export async function writeTo(to: Writable, piece: string | Uint8Array): Promise<void> {
  if (to.destroyed) return;
  if (to.write(piece)) return;
  const over = new AbortController();
  // That the reader has gone is no failure of this write.
  await Promise.race([once(to, 'drain', over), once(to, 'close', over)]).catch(() => undefined);
  // Else whoever was not called goes on listening.
  over.abort();
}

/** What a command that only shows something does when its output cannot be written: it ends. */
export function endUnwritten(cause: Error): void {
  const { status, message } = unwritten(cause);
  process.stderr.write(message);
  process.exit(status);
}

/** What an output that cannot be written ends a command with: one without a reader as by SIGPIPE. */
export function unwritten(cause: Error): { readonly status: number; readonly message: string } {
  if (systemCode(cause) === 'EPIPE') return { status: exitStatus.brokenPipe, message: '' };
  return {
    status: exitStatus.failed,
    message: `boxlite: Cannot write the output: ${cause.message}\n`,
  };
}

async function copyInput(from: Readable, execution: Execution): Promise<void> {
  const stdin = execution.stdin();
  if (stdin === null) return;
  try {
    for await (const piece of from) await stdin.write(piece);
    await stdin.close();
  } catch {
    // The command has ended, and its input with it.
  }
}

/** Passes Ctrl-C and its like on to the command; returns a function that stops doing so. */
export function forwardSignals(execution: Execution): () => void {
  return onSignals((signal) => void execution.signal(signal).catch(() => undefined));
}

/**
 * For a command that has our terminal: there Ctrl-C is a key, and a signal means that we should end. A shell ignores
 * what it means to us, so its terminal hangs up, and it is killed if that does not end it.
 */
export function hangUpOnSignals(execution: Execution): () => void {
  let timer: NodeJS.Timeout | undefined;
  const stop = onSignals(() => {
    void execution.signal('SIGHUP').catch(() => undefined);
    timer ??= setTimeout(() => void execution.kill(), HANG_UP_MS);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

/** Until the function that it returns is called, signals that ask a program to end do that instead. */
export function onSignals(act: (signal: NodeJS.Signals) => void): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, act);
  return () => {
    for (const signal of signals) process.off(signal, act);
  };
}
