/** The only way to SQLite: loaded when it is first needed, so that importing BoxLite never fails. */
import { BoxliteError } from '../base/errors.ts';

type Sqlite = typeof import('node:sqlite');

/** @throws BoxliteError `Unsupported` if this Node comes without SQLite. */
export function loadSqlite(): Sqlite {
  const sqlite = withoutSqliteWarning(() => process.getBuiltinModule?.('node:sqlite'));
  // Its type says that it is always there.
  if ((sqlite as Sqlite | undefined) !== undefined) return sqlite;
  throw new BoxliteError(
    'Unsupported',
    `Cannot keep records of boxes: Node ${process.version} comes without SQLite; use Node 24 or newer`,
  );
}

/**
 * The first versions of Node 24 warn when SQLite is loaded. That is ours to know and not the user's: the
 * one warning is left out for the time of the one call, during which nothing else can run.
 */
function withoutSqliteWarning<T>(load: () => T): T {
  const emitWarning = process.emitWarning;
  process.emitWarning = (...args: unknown[]) => {
    const isOurs = args[1] === 'ExperimentalWarning' && String(args[0]).startsWith('SQLite');
    if (!isOurs) Reflect.apply(emitWarning, process, args);
  };
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
