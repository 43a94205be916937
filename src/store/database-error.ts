// pure
import { BoxliteError, messageOf } from '../base/errors.ts';

/** What SQLite tells of a failure besides a message. */
interface SqliteError extends Error {
  /** Extended result code; its low byte is the primary one. */
  readonly errcode: number;
}

/** Primary result codes (sqlite.org/rescode.html). */
const sqliteCodes = {
  permission: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  protocol: 15,
  notADatabase: 26,
} as const;

/** Extended result codes of a value that is there already: SQLITE_CONSTRAINT_PRIMARYKEY and _UNIQUE. */
const duplicateCodes: readonly number[] = [1555, 2067];

/** Whether it failed because a value that has to be unique is there already. */
export function isDuplicate(error: unknown): boolean {
  const cause = BoxliteError.is(error, 'Database') ? error.cause : error;
  return isSqliteError(cause) && duplicateCodes.includes(cause.errcode);
}

/** An error of SQLite as ours, with what to do about it; any other error as it is. */
export function databaseError(error: unknown, path: string): unknown {
  if (!isSqliteError(error)) return error;
  const [state, remedy] = explain(error.errcode & 0xff);
  return new BoxliteError(
    'Database',
    `Cannot use the database "${path}": ${state} (${messageOf(error)}); ${remedy}`,
    { cause: error },
  );
}

/** What to do about a file that is not what we have written. We never change it. */
const RESTORE =
  'it was left as it is: put a backup in its place (*.backup beside it, if there is one), or move the ' +
  'whole folder away to start anew';

/** For a file that can be read and makes no sense. */
export function unusableDatabase(path: string, state: string, remedy = RESTORE): BoxliteError {
  return new BoxliteError('Database', `Cannot use the database "${path}": ${state}; ${remedy}`);
}

function explain(code: number): readonly [state: string, remedy: string] {
  switch (code) {
    case sqliteCodes.corrupt:
    case sqliteCodes.notADatabase:
      return ['it is damaged', RESTORE];
    case sqliteCodes.busy:
    case sqliteCodes.locked:
    case sqliteCodes.protocol:
      return ['another process has kept it locked', 'try again, or end the process that holds it'];
    case sqliteCodes.full:
      return ['the disk is full', 'make room on it'];
    case sqliteCodes.permission:
    case sqliteCodes.readOnly:
    case sqliteCodes.cannotOpen:
      return [
        'it cannot be opened for writing',
        'see to it that this user may write to its folder',
      ];
    case sqliteCodes.io:
      return ['the disk cannot be read or written', 'check the disk it is on'];
    default:
      return ['SQLite has failed', 'this is a bug of BoxLite: please report it'];
  }
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}
