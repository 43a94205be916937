/** A figure: one row of the table, as plain data. */
import { type Summary, summarize } from './stats.ts';

/** What a measurement counts. */
export type Unit = 'ms' | 'MB/s' | 'files/s' | 'commands/s' | 'MiB' | 'KiB';

/** What a figure is compared with, measured in the same run and in the same unit. */
export interface Baseline {
  readonly name: string;
  readonly value: number;
}

/** What must hold of the median, or of its ratio to the baseline. */
export interface Target {
  readonly of: 'value' | 'ratio';
  readonly is: 'at most' | 'at least';
  readonly limit: number;
}

/** What a measurement brings. */
export interface Measurement {
  readonly name: string;
  readonly unit: Unit;
  readonly samples: readonly number[];
  readonly baseline?: Baseline;
  readonly target?: Target;
  /** What the row cannot show: how it was measured, or what else was seen. */
  readonly note?: string;
}

/** A row. Without samples it says in `note` why there are none. */
export interface Figure extends Measurement {
  readonly engine: string;
  readonly measured: Summary | null;
  readonly ratio: number | null;
  readonly reached: boolean | null;
}

/** Judges a measurement by its target. */
export function figure(engine: string, measurement: Measurement): Figure {
  const { samples, unit, baseline, target } = measurement;
  const measured = samples.length === 0 ? null : summarize(samples, { rates: unit.endsWith('/s') });
  const ratio = measured === null || baseline === undefined ? null : measured.p50 / baseline.value;
  const judged = target?.of === 'ratio' ? ratio : (measured?.p50 ?? null);
  const reached = target === undefined || judged === null ? null : meets(judged, target);
  return { ...measurement, engine, measured, ratio, reached };
}

function meets(value: number, { is, limit }: Target): boolean {
  return is === 'at most' ? value <= limit : value >= limit;
}

export function atMost(limit: number, of: Target['of'] = 'value'): Target {
  return { of, is: 'at most', limit };
}

export function atLeast(limit: number, of: Target['of'] = 'value'): Target {
  return { of, is: 'at least', limit };
}
