import { backUp } from './backup.ts';
import type { Connection } from './connection.ts';
import { unusableDatabase } from './database-error.ts';
import { schemaVersion1, schemaVersion2 } from './schema.ts';

/** The SQL that leads to each version from the one before it; the first makes an empty file version 1. */
export type Migrations = readonly [string, ...string[]];

/** Never edited, only added to. For every version there is a dump in the tests that is migrated from. */
export const migrations: Migrations = [schemaVersion1, schemaVersion2];

/** 'BxLt', so that a database can be told from another program's. */
export const APPLICATION_ID = 0x42784c74;

/** Makes an empty file a database of the newest version. */
export function initialise(connection: Connection, steps: Migrations): void {
  // Before anything else: it cannot be changed within a transaction.
  connection.execute('PRAGMA journal_mode = WAL');
  connection.write(() => {
    connection.execute(`PRAGMA application_id = ${APPLICATION_ID}`);
    advance(connection, 0, steps);
  });
}

/**
 * Brings a database up to the newest version, having made a backup of it. Any number of processes may
 * try at once.
 * @throws BoxliteError `Database` if it is none of ours, damaged, or of a newer BoxLite.
 */
export function migrate(connection: Connection, steps: Migrations): void {
  const from = requireKnown(connection, steps);
  if (from < steps.length) {
    requireIntact(connection);
    backUp(connection, from);
    // A table that is made anew must not take along what refers to it. Not possible within the write.
    connection.execute('PRAGMA foreign_keys = OFF');
    // Read again, now that nobody else can write: another process may have been faster.
    connection.write(() => advance(connection, connection.version(), steps));
    connection.execute('PRAGMA foreign_keys = ON');
  }
  connection.expectVersion(steps.length);
}

/** The version of a database that is ours. */
function requireKnown(connection: Connection, steps: Migrations): number {
  const head = connection.row(
    'SELECT user_version, application_id FROM pragma_user_version, pragma_application_id',
  );
  const version = Number(head?.['user_version']);
  if (head?.['application_id'] !== APPLICATION_ID || version < 1) {
    throw unusableDatabase(connection.path, 'it is empty, or another program has made it');
  }
  if (version > steps.length) {
    throw unusableDatabase(
      connection.path,
      `a newer BoxLite has written it (version ${version}, and this one knows up to ${steps.length})`,
      'use that BoxLite, or another home folder',
    );
  }
  return version;
}

function requireIntact(connection: Connection): void {
  const faults = connection.rows('PRAGMA quick_check(1)').map((row) => row['quick_check']);
  if (faults.some((fault) => fault !== 'ok')) {
    throw unusableDatabase(connection.path, `it is damaged (${faults.join('; ')})`);
  }
}

function advance(connection: Connection, from: number, steps: Migrations): void {
  for (const sql of steps.slice(from)) connection.execute(sql);
  const orphan = connection.row('PRAGMA foreign_key_check');
  if (orphan !== null) throw new Error(`a migration left orphans in "${orphan['table']}"`);
  connection.execute(`PRAGMA user_version = ${steps.length}`);
}
