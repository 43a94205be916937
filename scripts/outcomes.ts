/**
 * A reporter for `node --test`: how every test ended, a line of JSON each.
 *
 *     node --test --test-reporter=./scripts/outcomes.ts --test-reporter-destination=FILE ...
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** How one test ended. */
export interface Outcome {
  /** Of the file that was run, from the top of the project. */
  readonly file: string;
  /** The names of its suites and its own, the outermost first. */
  readonly path: readonly string[];
  readonly result: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped; empty if nobody said. */
  readonly reason: string;
}

/** What a line of an outcome file says. */
export function readOutcomes(path: string): Outcome[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const outcomes: Outcome[] = lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  // A run within a run has the names of its suites and tests in one.
  return outcomes.map((outcome) => ({ ...outcome, path: outcome.path.join(' > ').split(' > ') }));
}

// biome-ignore lint/style/noDefaultExport: it is how Node finds a reporter
export default async function* outcomes(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  /** The names that are open in each program, by their depth: Node starts tests in the order of the file. */
  const open = new Map<string, string[]>();
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      const program = programOf(data);
      const names = open.get(program)?.slice(0, data.nesting) ?? [];
      open.set(program, [...names, data.name]);
    } else if (type === 'test:pass' || type === 'test:fail') {
      const path = [...(open.get(programOf(data))?.slice(0, data.nesting) ?? []), data.name];
      const skipped = data.skip !== undefined && data.skip !== false;
      // What is in a suite speaks for it, unless it did not run.
      if (data.details.type === 'suite' && !skipped) continue;
      const result = type === 'test:fail' ? 'failed' : skipped ? 'skipped' : 'passed';
      const reason = typeof data.skip === 'string' ? data.skip : '';
      const file = relative(process.cwd(), programOf(data) || (data.file ?? ''));
      const outcome: Outcome = { file, path, result, reason };
      yield `${JSON.stringify(outcome)}\n`;
    }
  }
}

/** The file that was run: a test may be written in another one. Empty where Node runs one file alone. */
function programOf(data: object & { entryFile?: string; nesting?: number }): string {
  return data.entryFile ?? '';
}
