/** What becomes of the conformance table and the outcomes of a run: complaints, and docs/CONFORMANCE.md. */
import type { Claim, Section, ShownBy } from '../test/conformance/table/row.ts';
import type { Outcome } from './outcomes.ts';

export type Table = readonly Section<Readonly<Record<string, Claim>>>[];

/** Where the table's own tests are; all tests there belong to it. */
export const SUITE = 'test/conformance/';
/** What every row that runs in a suite of one of them has to have run on. */
const ENGINES = ['uml', 'tcg'];

/** A row with all that a run has shown of it. */
interface ShownRow {
  readonly name: string;
  readonly reference: string;
  readonly claim: string;
  readonly tests: readonly ShownBy[];
  readonly notHere: string | null;
  readonly engines: readonly string[];
  readonly skipped: readonly string[];
  readonly failed: boolean;
  readonly complaints: readonly string[];
}

/** What is wrong with a run: rows without a test that ran and passed, and tests of the suite without a row. */
export function complaintsOf(table: Table, outcomes: readonly Outcome[]): string[] {
  const rows = shownRows(table, outcomes);
  const names = rows.map(({ name }) => name);
  const twice = names.filter((name, i) => names.indexOf(name) < i);
  const strays = outcomes
    .filter(({ file, path }) => file.startsWith(SUITE) && !names.includes(path.at(-1) ?? ''))
    .filter((outcome) => outcome.result !== 'skipped' && !isAround(outcome, outcomes))
    .map(({ file, path }) => `${file}: the test "${titleOf(path)}" has no row`);
  return [
    ...twice.map((name) => `there are two rows "${name}"`),
    ...rows.flatMap(({ complaints }) => complaints),
    ...new Set(strays),
  ];
}

/** The page, for people. */
export function renderPage(table: Table, outcomes: readonly Outcome[]): string {
  const rows = shownRows(table, outcomes);
  const unshown = rows.filter(({ notHere }) => notHere !== null);
  const parts = table.map((section) => {
    const names = Object.keys(section.claims);
    const lines = rows
      .filter(({ name, reference }) => names.includes(name) && reference === referenceOf(section))
      .map(renderRow);
    return `## ${section.title} (${section.source})\n\n${HEAD}\n${lines.join('\n')}\n`;
  });
  return `${introduction(rows.length, unshown.length)}\n${parts.join('\n')}`;
}

/** The same page without what a run says, to compare pages of different machines. */
export function rowsOf(page: string): string[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(' | ').slice(0, -2).join(' | '));
}

const HEAD =
  '| row | reference | promise | test | engines | result |\n| --- | --- | --- | --- | --- | --- |';

function introduction(rows: number, unshown: number): string {
  return `# Conformance

Every method, field, option, default, preset, state and error of the two versions of the API reference, and of our public
API, each with the test that shows it on real guests. Where the versions differ the newer one counts, and what only the
older one has works too. \`npm run conformance\` writes this page from a run; \`npm test\` fails if a row has no test that
ran and passed on each engine, if a test of the suite has no row, or if this page is not that of the table.

${rows} rows. ${unshown} of them cannot be shown on a Linux machine without hardware virtualisation, and say why, with what is shown
in their place. A row whose test is "conformance" is shown by the test of its name in \`test/conformance\`. The engine "any" stands for a
test that needs no guest or takes the first engine that works.
`;
}

function renderRow(row: ShownRow): string {
  const isOwn = row.tests.length === 0 && row.notHere === null;
  const tests = row.tests.map(({ file, test }) => `${file.slice('test/'.length)}: ${test}`);
  const cells = [
    `\`${row.name}\``,
    row.reference,
    row.claim,
    isOwn ? 'conformance' : tests.join('; ') || 'none',
    row.engines.join(', ') || (isOwn || tests.length > 0 ? 'any' : 'none'),
    resultOf(row),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function resultOf({ notHere, failed, complaints, skipped }: ShownRow): string {
  const shown = complaints.length === 0 ? 'passed' : failed ? 'FAILED' : 'not run';
  return [
    ...(notHere === null ? [shown] : [`not shown: ${notHere}`]),
    ...skipped.map((reason) => `skipped: ${reason}`),
  ].join('; ');
}

function shownRows(table: Table, outcomes: readonly Outcome[]): ShownRow[] {
  return table.flatMap((section) =>
    Object.entries(section.claims).map(([name, claim]) =>
      shownRow(name, referenceOf(section), claim, outcomes),
    ),
  );
}

function shownRow(
  name: string,
  reference: string,
  claim: Claim,
  outcomes: readonly Outcome[],
): ShownRow {
  const about = typeof claim === 'string' ? { claim } : claim;
  const notHere = 'notHere' in about ? about.notHere : null;
  const tests = 'shownBy' in about && about.shownBy !== undefined ? about.shownBy : null;
  const found =
    tests === null && notHere === null
      ? outcomes.filter(({ file, path }) => file.startsWith(SUITE) && path.at(-1) === name)
      : (tests ?? []).flatMap((test) => outcomes.filter((outcome) => isOf(outcome, test)));
  const complaints: string[] = [];
  for (const test of tests ?? []) {
    if (!outcomes.some((outcome) => isOf(outcome, test))) {
      complaints.push(`${name}: no test "${test.test}" ran in ${test.file}`);
    }
  }
  if (tests === null && notHere === null && found.length === 0)
    complaints.push(`${name}: no test ran`);
  for (const { result, path } of found) {
    if (result === 'failed') complaints.push(`${name}: "${titleOf(path)}" failed`);
  }
  const engines = ENGINES.filter((engine) => found.some((outcome) => runsOn(outcome, engine)));
  const skipped = found.filter(({ result }) => result === 'skipped');
  if (engines.length > 0) {
    for (const engine of ENGINES.filter((engine) => !engines.includes(engine))) {
      const reason = skippedSuite(outcomes, found[0]?.file ?? '', engine);
      if (reason === null) complaints.push(`${name}: no test ran on ${engine}`);
      else skipped.push(reason);
    }
  }
  const reasons = [...new Set(skipped.map(({ reason }) => reason))];
  return {
    ...{ name, reference, claim: about.claim, notHere, complaints },
    ...{ tests: tests ?? [], engines, skipped: reasons },
    failed: found.some(({ result }) => result === 'failed'),
  };
}

/** Whether it has tests within, as a run in a network namespace has. */
function isAround({ file, path }: Outcome, outcomes: readonly Outcome[]): boolean {
  return outcomes.some(
    (other) =>
      other.file === file &&
      other.path.length > path.length &&
      path.every((name, i) => other.path[i] === name),
  );
}

function referenceOf({ source, title }: Table[number]): string {
  return `${source}: ${title}`;
}

function isOf({ file, path }: Outcome, test: ShownBy): boolean {
  const title = titleOf(path);
  return file === test.file && (title === test.test || title.endsWith(` > ${test.test}`));
}

function titleOf(path: readonly string[]): string {
  return path.join(' > ');
}

function runsOn({ path }: Outcome, engine: string): boolean {
  return path.includes(`on ${engine}`) || path.at(-1)?.endsWith(`, on ${engine}`) === true;
}

/** A suite that a machine leaves out has no tests, but a reason. */
function skippedSuite(outcomes: readonly Outcome[], file: string, engine: string): Outcome | null {
  const suite = outcomes.find(
    (outcome) => outcome.file === file && outcome.path.at(-1) === `on ${engine}`,
  );
  return suite?.result === 'skipped' ? suite : null;
}
