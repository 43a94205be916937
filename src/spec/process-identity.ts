// pure
/** One process, told apart from every other one. Plain data: it can be written as JSON and read back. */
export interface ProcessIdentity {
  /** Proves nothing by itself: pids are given out again. */
  readonly pid: number;
  /** When it started, in the system's own terms: only good for comparing. */
  readonly start: string;
  /** The pid namespace in which it has that pid. */
  readonly namespace: string;
  /** The boot of the host's kernel during which it runs. */
  readonly boot: string;
}

/** Whether a process runs. `unknown`: it is of another pid namespace and cannot be seen from this one. */
export type Liveness = 'alive' | 'dead' | 'unknown';
