/**
 * `npm run conformance`: runs the conformance suite with the tests elsewhere that it points to, and writes
 * docs/CONFORMANCE.md from how they ended.
 *
 *     node scripts/conformance.ts [--check OUTCOMES]
 *
 * With `--check` it says what is wrong with the outcomes of a whole run of the tests, or with the page.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from '../test/conformance/table/table.ts';
import { complaintsOf, renderPage, rowsOf, SUITE } from './conformance-page.ts';
import { type Outcome, readOutcomes } from './outcomes.ts';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const PAGE = 'docs/CONFORMANCE.md';

/** Files with tests that rows point to. */
function filesElsewhere(): string[] {
  const claims = table.flatMap((section) => Object.values(section.claims));
  const tests = claims.flatMap((claim) => (typeof claim === 'string' ? [] : (claim.shownBy ?? [])));
  return [...new Set(tests.map(({ file }) => file))];
}

function run(): Outcome[] {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-conformance-'));
  try {
    const outcomes = join(folder, 'outcomes');
    const reporters = [
      ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
      ...['--test-reporter=./scripts/outcomes.ts', `--test-reporter-destination=${outcomes}`],
    ];
    const files = [`${SUITE}*.test.ts`, ...filesElsewhere()];
    const args = ['--test', '--test-concurrency=2', ...reporters, ...files];
    spawnSync(process.execPath, args, { stdio: 'inherit' });
    return readOutcomes(outcomes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What differs between the page and the one that it should be, but for what another machine cannot run. */
function staleness(outcomes: readonly Outcome[]): string[] {
  const wanted = rowsOf(renderPage(table, outcomes));
  const page = readFileSync(PAGE, 'utf8');
  const present = new Set(rowsOf(page));
  const missing = wanted.filter((row) => !present.has(row));
  const stale =
    missing.length > 0 || present.size !== new Set(wanted).size || page.includes('| FAILED');
  return stale ? [`${PAGE} is stale: run npm run conformance`, ...missing] : [];
}

function report(complaints: readonly string[]): void {
  for (const complaint of complaints) console.log(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}

const [option, path] = process.argv.slice(2);
if (option === '--check' && path !== undefined) {
  const outcomes = readOutcomes(path);
  report([...complaintsOf(table, outcomes), ...staleness(outcomes)]);
} else {
  const outcomes = run();
  writeFileSync(PAGE, renderPage(table, outcomes));
  report(complaintsOf(table, outcomes));
}
