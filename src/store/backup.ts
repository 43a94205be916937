import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { Connection } from './connection.ts';

/** Backups that are kept, those of the newest versions. */
const BACKUPS_MAX = 3;

/**
 * Copies the database as it is, to `<path>.v<version>.backup`, over an older one of the same version.
 * Never with a file copy: closing any descriptor of the database would let go of this process's locks on
 * it (sqlite.org/howtocorrupt.html, 2.2).
 * @throws BoxliteError `Database` if there is no room for it, for example.
 */
export function backUp(connection: Connection, version: number): void {
  const { path } = connection;
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    // SQLite writes into an empty file, and would make one that others may read.
    writeFileSync(unfinished, '', { flag: 'wx', mode: 0o600 });
    connection.rows('VACUUM INTO :unfinished', { unfinished });
    // Otherwise another process has upgraded it meanwhile, after a backup of its own.
    if (connection.version() === version) renameSync(unfinished, `${path}.v${version}.backup`);
  } catch (cause) {
    throw new BoxliteError(
      'Database',
      `Cannot upgrade the database "${path}": making a backup of it failed: ${messageOf(cause)}`,
      { cause },
    );
  } finally {
    rmSync(unfinished, { force: true });
  }
  prune(path);
}

function prune(path: string): void {
  const folder = dirname(path);
  const versions = readdirSync(folder)
    .map((file) => versionOf(file, basename(path)))
    .filter((version) => version !== null)
    .sort((a, b) => b - a);
  for (const version of versions.slice(BACKUPS_MAX)) {
    rmSync(join(folder, `${basename(path)}.v${version}.backup`), { force: true });
  }
}

function versionOf(file: string, database: string): number | null {
  if (!file.startsWith(`${database}.v`)) return null;
  const digits = /^([1-9][0-9]*)\.backup$/.exec(file.slice(database.length + 2))?.[1];
  return digits === undefined ? null : Number(digits);
}
