/** Percentiles of samples: pure. */

/** What a row shows of its samples. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
}

/** The smallest sample that is not below `part` (0 to 1) of them all: the nearest-rank method. */
export function percentile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('there are no samples');
  return value;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** `p90` is the worse end: the slow one of durations, also the slow one of rates if `rates` is set. */
export function summarize(samples: readonly number[], { rates = false } = {}): Summary {
  return {
    count: samples.length,
    min: Math.min(...samples),
    p50: median(samples),
    p90: percentile(samples, rates ? 0.1 : 0.9),
  };
}
