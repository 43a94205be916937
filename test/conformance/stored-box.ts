/** What the database of a home says of a box, to be changed as a fault would. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { BoxID } from '../../src/index.ts';

export function column(homeDir: string, id: BoxID, name: string): string {
  using database = openDatabase(homeDir);
  return String(
    database.prepare(`SELECT ${name} AS value FROM boxes WHERE id = ?`).get(id.asStr())?.['value'],
  );
}

export function setColumns(homeDir: string, id: BoxID, values: Record<string, string>): void {
  using database = openDatabase(homeDir);
  // What the schema would refuse, a damaged file can have.
  database.exec('PRAGMA ignore_check_constraints = ON');
  const names = Object.keys(values).map((name) => `${name} = ?`);
  database
    .prepare(`UPDATE boxes SET ${names.join(', ')} WHERE id = ?`)
    .run(...Object.values(values), id.asStr());
}

function openDatabase(homeDir: string): DatabaseSync {
  return new DatabaseSync(join(homeDir, 'boxlite.db'));
}
