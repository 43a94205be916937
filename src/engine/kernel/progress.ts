/** What obtaining or building a kernel tells its caller while it works. */

/** The steps, in the order in which they happen. */
export type KernelStage = 'lists' | 'download' | 'unpack' | 'configure' | 'compile' | 'install';

/** One display event. */
export interface KernelProgress {
  readonly stage: KernelStage;
  /** For people, in the present tense: `compiling user-mode Linux 7.3.4`. */
  readonly message: string;
  /** Of this stage, 0 to 100, estimated; null where nothing is known. */
  readonly percent: number | null;
  readonly elapsedMs: number;
}

/** Receives display events. */
export type OnKernelProgress = (progress: KernelProgress) => void;

/** Reports with the time since it was made. Does nothing without a receiver. */
export type KernelReport = (stage: KernelStage, message: string, percent?: number | null) => void;

/** Makes a {@link KernelReport}; `now` is a clock in milliseconds. */
export function kernelReport(
  receiver: OnKernelProgress | undefined,
  now: () => number = () => performance.now(),
): KernelReport {
  const start = now();
  return (stage, message, percent = null) => {
    receiver?.({ stage, message, percent, elapsedMs: Math.round(now() - start) });
  };
}
