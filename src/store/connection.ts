/**
 * One connection to the database. Everything is synchronous: a read takes some ten microseconds, and so
 * does a write, which is also how long it keeps others from writing. Nobody waits for a disk (the log is
 * written ahead and not flushed with each change), so that a crash of the host may cost the last changes
 * but never the database; a crash of this process costs nothing.
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { BoxliteError } from '../base/errors.ts';
import { databaseError } from './database-error.ts';
import { loadSqlite } from './sqlite.ts';

/** How long to wait for others who are writing. They take less than a thousandth of it. */
const BUSY_MS_MAX = 5_000;

/** Parameters of a statement, by their names without the colon. */
export type Parameters = Readonly<Record<string, SQLInputValue>>;

/** A row, by the names of its columns. */
export type Row = Record<string, SQLOutputValue>;

/** See the top of this file. */
export class Connection implements Disposable {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** What the version must be for a write to make sense; null before it is known. */
  #version: number | null = null;

  /** Opens a file that must be there. @throws BoxliteError `Database` */
  constructor(path: string) {
    this.path = path;
    const url = pathToFileURL(path);
    // Without it SQLite would make an empty file where there is none.
    url.searchParams.set('mode', 'rw');
    const { DatabaseSync } = loadSqlite();
    this.#database = this.#try(() => new DatabaseSync(url, { timeout: BUSY_MS_MAX }));
    try {
      this.execute('PRAGMA synchronous = NORMAL');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Every row that a statement gives. One that changes something belongs into {@link write}. */
  rows(sql: string, parameters: Parameters = {}): Row[] {
    return this.#try(() => this.#statement(sql).all(parameters));
  }

  /** The first row that a statement gives, or null. */
  row(sql: string, parameters: Parameters = {}): Row | null {
    return this.rows(sql, parameters)[0] ?? null;
  }

  /** Runs statements that give nothing. */
  execute(sql: string): void {
    this.#try(() => this.#database.exec(sql));
  }

  /**
   * Changes made by `work` happen together or, if it throws, not at all; nobody else changes anything
   * meanwhile. Within another write it is a part of that.
   * @throws BoxliteError `Database`; what `work` throws.
   */
  write<T>(work: () => T): T {
    if (this.#database.isTransaction) return work();
    this.execute('BEGIN IMMEDIATE');
    try {
      this.#requireVersion();
      const result = work();
      this.execute('COMMIT');
      return result;
    } catch (error) {
      // SQLite has done it already if the disk is full, for example.
      if (this.#database.isTransaction) this.execute('ROLLBACK');
      throw error;
    }
  }

  /** The version of the schema, as the file says. */
  version(): number {
    return Number(this.row('PRAGMA user_version')?.['user_version']);
  }

  /** From now on only a database of this version is written to. */
  expectVersion(version: number): void {
    this.#version = version;
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** A newer BoxLite may have changed the schema under a program that has been running for long. */
  #requireVersion(): void {
    if (this.#version === null || this.version() === this.#version) return;
    throw new BoxliteError(
      'Database',
      `Cannot write to "${this.path}": a newer BoxLite has upgraded it since this program started; ` +
        'restart the program with that version',
    );
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.#isClosed()) {
        throw new BoxliteError('InvalidState', `The database "${this.path}" was closed`);
      }
      throw databaseError(error, this.path);
    }
  }

  #isClosed(): boolean {
    // While it is being opened there is none.
    return (this.#database as DatabaseSync | undefined)?.isOpen === false;
  }
}
