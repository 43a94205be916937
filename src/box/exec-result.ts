// pure
import { wholeNumber } from '../portal/control.ts';
import { violation } from '../portal/frame.ts';
import type { JsonObject } from '../portal/messages.ts';
import { SIGNAL_MAX, signalName } from './signals.ts';

/** How a command ended. A non-zero exit is a result, never an error. */
export class ExecResult {
  /** 0 is success; negative is the number of the signal that ended it. */
  readonly exitCode: number;
  /** The name of that signal, null if it ended by itself. */
  readonly signal: NodeJS.Signals | null;
  /** Whether it was ended because its time was up. */
  readonly timedOut: boolean;
  /** From asking for it to its end, in milliseconds. */
  readonly durationMs: number;
  /** Whether it, or what it ran, was killed because the box had no memory left. */
  readonly outOfMemory: boolean;

  constructor(exitCode: number, timedOut: boolean, durationMs: number, outOfMemory = false) {
    this.exitCode = exitCode;
    this.signal = exitCode < 0 ? signalName(-exitCode) : null;
    this.timedOut = timedOut;
    this.durationMs = durationMs;
    this.outOfMemory = outOfMemory;
  }

  /** Whether the exit code was 0. */
  success(): boolean {
    return this.exitCode === 0;
  }

  /** The same as {@link exitCode}. */
  code(): number {
    return this.exitCode;
  }
}

/** Reads the agent's `{exit: {code}}` or `{exit: {signal}}`; null if the message is about something else. */
export function parseExit(message: JsonObject): number | null {
  const exit = message['exit'];
  if (exit === undefined) return null;
  if (typeof exit !== 'object' || exit === null) throw violation('an exit that is no object');
  const fields = exit as JsonObject;
  return 'signal' in fields
    ? -wholeNumber(fields, 'signal', SIGNAL_MAX)
    : wholeNumber(fields, 'code', 255);
}
