import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { BoxID } from '../base/ids.ts';
import { Connection } from './connection.ts';
import { initialise, type Migrations } from './migrations.ts';

/** What SQLite may leave beside a database. */
const SIDE_FILES = ['', '-wal', '-shm', '-journal'];

/**
 * Makes the database where there is none. It is made under another name and appears whole, so that any
 * number of processes may do this at once, and whatever is there under its own name is never touched.
 * @throws BoxliteError `Database`; `Storage` if the folder cannot be made.
 */
export function createDatabase(path: string, boxesFolder: string, steps: Migrations): void {
  const folder = dirname(path);
  const unfinished = join(folder, `new-${randomBytes(6).toString('hex')}.db`);
  // What is in it is private: specs have secrets.
  storing(path, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  refuseWithBoxes(path, boxesFolder);
  try {
    storing(path, () => writeFileSync(unfinished, '', { flag: 'wx', mode: 0o600 }));
    build(unfinished, steps);
    storing(path, () => publish(unfinished, path));
  } finally {
    for (const suffix of SIDE_FILES) rmSync(unfinished + suffix, { force: true });
  }
}

function build(path: string, steps: Migrations): void {
  using connection = new Connection(path);
  initialise(connection, steps);
}

function publish(unfinished: string, path: string): void {
  try {
    linkSync(unfinished, path);
  } catch (error) {
    // Somebody else was faster.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** Boxes without a database mean that it was lost. A new one would take their disks for rubbish. */
function refuseWithBoxes(path: string, boxesFolder: string): void {
  const boxes = entriesOf(boxesFolder).filter((name) => BoxID.parse(name) !== null);
  // The database is made before the first box: another process may have made both just now.
  if (boxes.length === 0 || existsSync(path)) return;
  throw new BoxliteError(
    'Database',
    `Cannot find the database "${path}", but boxes are in "${boxesFolder}" (${boxes.length}): put a ` +
      'backup in its place (*.backup beside it, if there is one), or remove that folder to start anew',
  );
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function storing(path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw new BoxliteError('Storage', `Cannot make "${path}": ${messageOf(cause)}`, { cause });
  }
}
