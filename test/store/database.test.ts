import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { databaseError } from '../../src/store/database-error.ts';
import { APPLICATION_ID } from '../../src/store/migrations.ts';
import { Store } from '../../src/store/store.ts';
import { runProgram, startProgram } from './programs.ts';
import { databaseOf, newBox, newHome, openDatabase, openStore } from './store-fixture.ts';

/** A home whose database has been closed, so that all of it is in one file. */
function closedHome(t: Parameters<typeof newHome>[0]): string {
  const home = newHome(t);
  const store = openStore(t, home);
  for (let i = 0; i < 50; i++) store.boxes.create(newBox());
  store[Symbol.dispose]();
  return home;
}

/** Opening must fail, saying `state` of the file, and leave it exactly as it was. */
function assertUnusable(home: string, state: RegExp): void {
  const path = databaseOf(home);
  const digest = () => createHash('sha256').update(readFileSync(path)).digest('hex');
  const before = digest();
  assert.throws(
    () => Store.open(home),
    (error) => {
      assert(BoxliteError.is(error, 'Database'), String(error));
      assert(error.message.includes(`"${path}"`), error.message);
      assert.match(error.message, state);
      assert.match(error.message, /put a backup in its place|use that BoxLite/);
      return true;
    },
  );
  assert.equal(digest(), before);
}

test('a new database can be read by its user alone', (t) => {
  const home = newHome(t);
  openStore(t, home).boxes.create(newBox());
  assert.equal(statSync(home).mode & 0o777, 0o700);
  const modes = readdirSync(home).map((name) => statSync(join(home, name)).mode & 0o777);
  assert(modes.length >= 1 && modes.every((mode) => mode === 0o600), String(modes));
});

test('a home can have any name', (t) => {
  const home = join(newHome(t), 'a ?b=c#d%20 é');
  openStore(t, home).boxes.create(newBox({ name: 'web' }));
  assert(readdirSync(home).includes('boxlite.db'));
  assert.equal(openStore(t, home).boxes.find('web')?.name, 'web');
});

test('a file that is no database is not touched', (t) => {
  const home = newHome(t);
  mkdirSync(home);
  writeFileSync(databaseOf(home), 'not a database, but long enough to have a header'.repeat(99));
  assertUnusable(home, /it is damaged/);
});

test('an empty file is not touched', (t) => {
  const home = newHome(t);
  mkdirSync(home);
  writeFileSync(databaseOf(home), '');
  assertUnusable(home, /it is empty, or another program has made it/);
});

test("another program's database is not touched", (t) => {
  const home = newHome(t);
  mkdirSync(home);
  const other = openDatabase(t, home);
  other.exec('CREATE TABLE theirs (a); PRAGMA user_version = 1');
  other.close();
  assertUnusable(home, /it is empty, or another program has made it/);
});

test('the database of a newer BoxLite is not touched', (t) => {
  const home = closedHome(t);
  const database = openDatabase(t, home);
  database.exec('PRAGMA user_version = 99');
  database.close();
  assertUnusable(
    home,
    /a newer BoxLite has written it \(version 99, and this one knows up to \d+\)/,
  );
});

test('a database cut short is met with an error when it is read', (t) => {
  const home = closedHome(t);
  truncateSync(databaseOf(home), 8192);
  assert.throws(
    () => openStore(t, home).boxes.list(),
    (error) => BoxliteError.is(error, 'Database') && /it is damaged/.test(error.message),
  );
});

test('a database with damaged pages is met with an error when they are read', (t) => {
  const home = closedHome(t);
  const path = databaseOf(home);
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 4096);
  writeFileSync(path, bytes);
  assert.throws(
    () => openStore(t, home).boxes.list(),
    (error) => BoxliteError.is(error, 'Database') && /it is damaged/.test(error.message),
  );
});

test('a lost database is not replaced by a new one while there are boxes', (t) => {
  const home = newHome(t);
  const boxes = join(home, 'boxes');
  mkdirSync(join(boxes, 'AbcdEFGH0001'), { recursive: true });
  assert.throws(
    () => Store.open(home),
    (error) =>
      BoxliteError.is(error, 'Database') && error.message.includes(`boxes are in "${boxes}" (1)`),
  );
  assert.deepEqual(readdirSync(home), ['boxes']);
});

test('a home that cannot be made is named', (t) => {
  const home = newHome(t);
  writeFileSync(home, '');
  assert.throws(
    () => Store.open(join(home, 'below')),
    (error) => BoxliteError.is(error, 'Storage') && error.message.includes(home),
  );
});

test('a program that has the database open does not write to a newer version of it', (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  openDatabase(t, home).exec('PRAGMA user_version = 99');
  assert.throws(
    () => store.boxes.create(newBox()),
    (error) =>
      BoxliteError.is(error, 'Database') && /a newer BoxLite has upgraded/.test(error.message),
  );
  assert.deepEqual(store.boxes.list(), []);
});

test('a write waits for another process to finish its own', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const locker = startProgram(t, 'lock', [home, '200']);
  await locker.firstLine;
  store.boxes.create(newBox({ name: 'web' }));
  assert.equal((await locker.ended).code, 0);
  assert.notEqual(store.boxes.find('web'), null);
});

test('a write that fails leaves nothing behind, and the next one works', (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  openDatabase(t, home).exec(
    "CREATE TRIGGER full BEFORE INSERT ON boxes BEGIN SELECT RAISE(ABORT, 'no'); END",
  );
  assert.throws(() => store.boxes.create(newBox()));
  assert.equal(store.metrics.ofHome().boxesCreatedTotal, 0);
  store.metrics.count({ boxesFailedTotal: 1 });
  assert.equal(store.metrics.ofHome().boxesFailedTotal, 1);
});

test('many processes can make the same home at once', async (t) => {
  const home = newHome(t);
  mkdirSync(dirname(home), { recursive: true });
  const names = ['a', 'b', 'c', 'd', 'e'];
  await Promise.all(names.map((name) => runProgram(t, 'create', [home, name])));
  const store = openStore(t, home);
  assert.deepEqual(
    store.boxes
      .list()
      .map((row) => row.name)
      .sort(),
    names,
  );
  assert.equal(store.metrics.ofHome().boxesCreatedTotal, names.length);
  assert.deepEqual(
    readdirSync(home).filter((name) => !name.startsWith('boxlite.db')),
    [],
  );
});

test('opening a store warns of nothing and keeps no warning from anybody else', async (t) => {
  const { code, stderr } = await startProgram(t, 'warn', [newHome(t)]).ended;
  assert.equal(code, 0);
  assert.match(stderr, /ExperimentalWarning: the own one of the program/);
  assert.doesNotMatch(stderr, /SQLite/);
});

test('a Node without SQLite can load the package, and is told what to use instead', async (t) => {
  const program = startProgram(t, 'create', [newHome(t), 'a'], ['--no-experimental-sqlite']);
  const { code, stderr } = await program.ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /comes without SQLite; use Node 24 or newer/);
});

test('errors of SQLite say what to do', () => {
  const explained = (errcode: number) => {
    const error = databaseError(
      Object.assign(new Error('as SQLite says'), { errcode }),
      '/h/boxlite.db',
    );
    assert(BoxliteError.is(error, 'Database'));
    return error.message;
  };
  assert.match(explained(5), /another process has kept it locked \(as SQLite says\); try again/);
  assert.match(explained(5 | (2 << 8)), /kept it locked/);
  assert.match(explained(13), /the disk is full/);
  assert.match(explained(14), /cannot be opened for writing/);
  assert.match(explained(10 | (12 << 8)), /check the disk/);
  assert.match(explained(26), /"\/h\/boxlite.db": it is damaged/);
  const other = new TypeError('not from SQLite');
  assert.equal(databaseError(other, '/h/boxlite.db'), other);
});

test('the application id spells BxLt', () => {
  assert.equal(Buffer.from([0x42, 0x78, 0x4c, 0x74]).toString(), 'BxLt');
  assert.equal(APPLICATION_ID, Buffer.from('BxLt').readUInt32BE());
});
