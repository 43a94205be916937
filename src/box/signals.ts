// pure
import { BoxliteError } from '../base/errors.ts';

/** Linux's signal numbers (signal(7), x86 and ARM): the guest's, whatever the host's are. */
const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

/** Other names of the same signals. */
const aliases: Readonly<Record<string, string>> = { SIGIOT: 'SIGABRT', SIGPOLL: 'SIGIO' };

/** The highest, real-time ones included. */
export const SIGNAL_MAX = 64;

/** The number of a signal given by name or number. @throws BoxliteError `InvalidArgument` */
export function signalNumber(signal: number | string): number {
  const name = aliases[signal] ?? signal;
  const number = typeof name === 'number' ? name : numbers[name];
  if (number !== undefined && Number.isInteger(number) && number >= 1 && number <= SIGNAL_MAX) {
    return number;
  }
  throw new BoxliteError(
    'InvalidArgument',
    `signal: expected a name such as "SIGTERM" or 1..${SIGNAL_MAX}, got ${JSON.stringify(signal)}`,
  );
}

/** `SIGKILL` for 9; null for those without a name, such as real-time signals. */
export function signalName(number: number): NodeJS.Signals | null {
  const found = Object.entries(numbers).find(([, value]) => value === number);
  return found === undefined ? null : (found[0] as NodeJS.Signals);
}
