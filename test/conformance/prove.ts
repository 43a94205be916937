import { it, type TestContext } from 'node:test';
import type { OwnRow } from './table/table.ts';

/** Defines the test that shows a row of the table, and has its name. */
export function prove(row: OwnRow, test: (context: TestContext) => void | Promise<void>): void {
  it(row, test);
}
