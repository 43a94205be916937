// pure
/** Where a box is in its life, and where it can go from there. */

/** The states of a box. */
export const BoxStatus = {
  /** The state could not be found out. */
  Unknown: 'unknown',
  /** Made and recorded; never started. */
  Configured: 'configured',
  /** Runs and takes commands. */
  Running: 'running',
  /** Is being shut down. */
  Stopping: 'stopping',
  /** Does not run and can be started again. */
  Stopped: 'stopped',
} as const;

/** One of {@link BoxStatus}: lower case. */
export type BoxStatus = (typeof BoxStatus)[keyof typeof BoxStatus];

/** Every state, in the order of a life. */
export const boxStatuses: readonly BoxStatus[] = Object.freeze(Object.values(BoxStatus));

const { Unknown, Configured, Running, Stopping, Stopped } = BoxStatus;

/** The states that may follow each. Out of `unknown` leads whatever turns out to be true. */
const followers: Readonly<Record<BoxStatus, readonly BoxStatus[]>> = {
  [Unknown]: [Configured, Running, Stopping, Stopped],
  [Configured]: [Running, Stopped, Unknown],
  [Running]: [Stopping, Stopped, Unknown],
  [Stopping]: [Stopped, Unknown],
  [Stopped]: [Running, Unknown],
};

/** Whether a box may go from one state to another. Staying is no transition. */
export function canTransition(from: BoxStatus, to: BoxStatus): boolean {
  return followers[from].includes(to);
}

/** Whether its VMM runs. */
export function isActive(s: BoxStatus): boolean {
  return s === Running || s === Stopping;
}

/** Whether it takes commands. */
export function isRunning(s: BoxStatus): boolean {
  return s === Running;
}

/** Whether it was never started. */
export function isConfigured(s: BoxStatus): boolean {
  return s === Configured;
}

/** Whether it was stopped. */
export function isStopped(s: BoxStatus): boolean {
  return s === Stopped;
}

/** Whether it is on its way to another state. */
export function isTransient(s: BoxStatus): boolean {
  return s === Stopping;
}

/** Whether starting it boots it. */
export function canStart(s: BoxStatus): boolean {
  return s === Configured || s === Stopped;
}

/** Whether there is something to stop. Stopping any other box succeeds and does nothing. */
export function canStop(s: BoxStatus): boolean {
  return s === Running;
}

/** Whether it can be removed without force. */
export function canRemove(s: BoxStatus): boolean {
  return s === Configured || s === Stopped || s === Unknown;
}

/** Whether commands can be run, after starting it if need be. */
export function canRun(s: BoxStatus): boolean {
  return s === Configured || s === Running || s === Stopped;
}
