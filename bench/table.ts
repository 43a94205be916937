/** Figures as a table of text. */
import type { Figure, Target, Unit } from './figure.ts';

const HEAD = ['figure', 'engine', 'p50', 'p90', 'baseline', 'ratio', 'target', 'reached'];
/** Names are read from the left, numbers compared from the right. */
const LEFT = new Set(['figure', 'engine', 'baseline', 'target', 'reached']);

/** The rows, then a line for each note. */
export function renderTable(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => align(cell, widths[i] ?? 0, LEFT.has(HEAD[i] ?? '')))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const notes = [...new Set(figures.flatMap(note))];
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line), '', ...notes].join('\n').trimEnd();
}

function cells(row: Figure): string[] {
  const { name, engine, unit, measured, baseline, ratio, target, reached } = row;
  return [
    name,
    engine,
    measured === null ? '-' : quantity(measured.p50, unit),
    measured === null || measured.count === 1 ? '-' : quantity(measured.p90, unit),
    baseline === undefined ? '-' : `${baseline.name} ${quantity(baseline.value, unit)}`,
    ratio === null ? '-' : `${ratio.toFixed(2)}x`,
    target === undefined ? '-' : wanted(target, unit),
    reached === null ? '-' : reached ? 'yes' : 'NO',
  ];
}

function note({ name, engine, note: text }: Figure): string[] {
  return text === undefined ? [] : [`${name} (${engine}): ${text}`];
}

function wanted({ of, is, limit }: Target, unit: Unit): string {
  const sign = is === 'at most' ? '<=' : '>=';
  return of === 'ratio' ? `${sign} ${limit}x` : `${sign} ${limit} ${unit}`;
}

function quantity(value: number, unit: Unit): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}

function align(cell: string, width: number, left: boolean): string {
  return left ? cell.padEnd(width) : cell.padStart(width);
}
