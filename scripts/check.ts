/**
 * Runs the project's checks, fast parts first: what `npm test` does once the machine is set up.
 *
 *     node scripts/check.ts [TEST FILES]
 *
 * All fast checks run, also after one has failed; the tests run only if none has. The test runner's
 * own closing lines are the last thing printed, as CI reads them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const top = new URL('../', import.meta.url).pathname;
const tool = (name: string) => join(top, 'node_modules/.bin', name);
const script = (name: string, ...args: string[]) => [
  process.execPath,
  join(top, 'scripts', name),
  ...args,
];

/** What is checked, the quickest first, and the command that does it. */
const fastChecks: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['the C header is made from the protocol table', script('gen-portal.ts', '--check')],
  ['the golden frames are made from it too', script('gen-vectors.ts', '--check')],
  ['the golden archive records are as written', script('gen-archive-vectors.ts', '--check')],
  ['format and lint', [tool('biome'), 'check', '--error-on-warnings', '.']],
  ['who imports whom', script('rooms.ts')],
  ['types', [tool('tsc'), '-p', '.']],
  ['the manual page is made from the usage texts', script('manual.ts', '--check')],
  ['docs/API.md is made from the docstrings', script('api-reference.ts', '--check')],
  ['guest tests and fuzzing', ['make', '-C', 'guest', 'check']],
];

/** Two at a time, as many as the machines have that we know. */
const testOptions = [
  ...['--test', '--test-concurrency=2'],
  ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
];

/** Runs a check and prints one line; what it said comes after it only if it failed. */
function passes(name: string, [program = '', ...args]: readonly string[]): boolean {
  const start = performance.now();
  const run = spawnSync(program, args, { cwd: top, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const ok = run.status === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name} (${seconds} s)`);
  if (!ok)
    console.log(`${run.stdout ?? ''}${run.stderr ?? ''}${run.error?.message ?? ''}`.trimEnd());
  return ok;
}

/** Runs tests; a run of all of them also shows whether docs/CONFORMANCE.md is true. */
async function runTests(files: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-check-'));
  const outcomes = join(folder, 'outcomes');
  const reporter = `--test-reporter=${join(top, 'scripts/outcomes.ts')}`;
  const all = files.length === 0;
  const wanted = all
    ? [reporter, `--test-reporter-destination=${outcomes}`, 'test/**/*.test.ts']
    : files;
  try {
    const tests = spawn(process.execPath, [...testOptions, ...wanted], {
      cwd: top,
      stdio: 'inherit',
      // An ordinary user's PATH leaves out the folders where e2fsck is.
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    });
    // Whoever ends us ends them, and what is below is still done.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => tests.kill(signal));
    }
    const [code] = await once(tests, 'exit');
    process.exitCode = code ?? 1;
    // Silent if all is well, so that what the tests said stays the last.
    const check = script('conformance.ts', '--check', outcomes);
    if (all && code === 0)
      process.exitCode =
        spawnSync(check[0] ?? '', check.slice(1), { stdio: 'inherit' }).status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failed = fastChecks.filter(([name, command]) => !passes(name, command));
if (failed.length > 0) {
  console.log(`\nThe tests have not been run: ${failed.length} of the checks before them failed`);
  process.exitCode = 1;
} else {
  await runTests(process.argv.slice(2));
}
