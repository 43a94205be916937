import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { boxInfo } from '../../src/store/box-row.ts';
import { type Migrations, migrations } from '../../src/store/migrations.ts';
import { schemaVersion1 } from '../../src/store/schema.ts';
import { Store } from '../../src/store/store.ts';
import { laterMigrations } from './programs/later-migrations.ts';
import { runProgram } from './programs.ts';
import { databaseOf, newBox, newHome, openDatabase, openStore } from './store-fixture.ts';

/** A home as an older version left it. */
function oldHome(t: TestContext, version: number): string {
  const home = newHome(t);
  mkdirSync(home, { recursive: true });
  const database = openDatabase(t, home);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(readFileSync(new URL(`versions/${version}.sql`, import.meta.url), 'utf8'));
  database.close();
  return home;
}

/** What a database consists of, however it is written down. */
function schemaOf(t: TestContext, home: string): string[] {
  const statements = openDatabase(t, home).prepare('SELECT sql FROM sqlite_schema ORDER BY name');
  return statements
    .all()
    .map((row) =>
      String(row['sql']).replace(/--.*/g, '').replace(/\s+/g, ' ').replaceAll('( ', '('),
    );
}

function versionOf(t: TestContext, home: string): unknown {
  return openDatabase(t, home).prepare('PRAGMA user_version').get()?.['user_version'];
}

test('there is a dump of every version that was ever written', () => {
  const dumps = readdirSync(new URL('versions', import.meta.url));
  assert.deepEqual(dumps.sort(), migrations.map((_, index) => `${index + 1}.sql`).sort());
});

for (const version of migrations.keys()) {
  test(`a database of version ${version + 1} is read in full`, (t) => {
    const home = oldHome(t, version + 1);
    const { boxes, metrics, images } = openStore(t, home);
    const [row, ...others] = boxes.list({ labels: { team: 'a' } });
    assert(row !== undefined && others.length === 0);
    const { id, lastUpdated, createdAt, ...info } = boxInfo(row);
    assert.equal(id.asStr(), 'AbcdEFGH0001');
    assert.deepEqual(
      [createdAt.getTime(), lastUpdated.getTime()],
      [1_700_000_000_000, 1_700_000_001_000],
    );
    assert.deepEqual(info, {
      name: 'web',
      status: 'running',
      pid: 102,
      image: 'alpine:latest',
      cpus: 2,
      memoryMib: 512,
      labels: { team: 'a' },
      engine: 'uml',
      ports: [{ guestPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '0.0.0.0' }],
      exitReason: 'stopped',
    });
    // A spec has exactly the properties that this version gives to a new one.
    const keys = (spec: object) => Object.keys(spec).sort();
    assert.deepEqual(keys(row.spec), keys(newBox().spec));
    assert.deepEqual(keys(row.spec.security), keys(newBox().spec.security));
    assert.deepEqual([row.owner?.kind, row.owner?.socket], ['shim', '101-2-0123456789ab.sock']);
    assert.equal(metrics.ofBox(row.id).commandsRunTotal, 4);
    assert.equal(metrics.ofHome().boxesCreatedTotal, 9);
    assert.deepEqual(images.usersOf(images.list()[0]?.disk ?? ''), ['web']);
  });

  test(`a database of version ${version + 1} becomes what a new one is`, (t) => {
    const home = oldHome(t, version + 1);
    openStore(t, home);
    const fresh = newHome(t);
    openStore(t, fresh);
    assert.deepEqual(schemaOf(t, home), schemaOf(t, fresh));
    assert.equal(versionOf(t, home), migrations.length);
  });
}

test('the first version is still what it was when it was dumped', (t) => {
  const home = newHome(t);
  openStore(t, home, { migrations: [schemaVersion1] });
  assert.deepEqual(schemaOf(t, home), schemaOf(t, oldHome(t, 1)));
});

test('a migration makes a private backup first and keeps what is there', (t) => {
  const home = oldHome(t, 1);
  const { boxes, metrics } = openStore(t, home, { migrations: laterMigrations });
  const row = boxes.find('web');
  assert(row !== null);
  assert.equal(metrics.ofBox(row.id).commandsRunTotal, 4);
  assert.equal(versionOf(t, home), laterMigrations.length);
  const backups = readdirSync(home).filter((name) => name.includes('backup'));
  assert.deepEqual(backups, ['boxlite.db.v1.backup']);
  assert.equal(statSync(join(home, 'boxlite.db.v1.backup')).mode & 0o777, 0o600);
});

test('a backup put in its place is the old database again', (t) => {
  const home = oldHome(t, 1);
  openStore(t, home, { migrations: laterMigrations })[Symbol.dispose]();
  renameSync(`${databaseOf(home)}.v1.backup`, databaseOf(home));
  assert.equal(openStore(t, home).boxes.find('web')?.name, 'web');
});

test('only the newest backups are kept', (t) => {
  const home = oldHome(t, 1);
  const steps: [string, ...string[]] = [schemaVersion1];
  for (let version = 2; version <= 12; version++) {
    steps.push(`CREATE TABLE added_${version} (a)`);
    openStore(t, home, { migrations: steps })[Symbol.dispose]();
  }
  const backups = readdirSync(home).filter((name) => name.includes('backup'));
  assert.deepEqual(backups.sort(), [
    'boxlite.db.v10.backup',
    'boxlite.db.v11.backup',
    'boxlite.db.v9.backup',
  ]);
});

test('a migration that fails changes nothing', (t) => {
  const home = oldHome(t, 1);
  const broken: Migrations = [schemaVersion1, 'CREATE TABLE added (a)', 'DROP TABLE nonsense'];
  assert.throws(() => Store.open(home, { migrations: broken }), /nonsense/);
  assert.equal(versionOf(t, home), 1);
  assert.equal(openStore(t, home).boxes.find('web')?.name, 'web');
});

test('a damaged database is not migrated', (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  for (let i = 0; i < 50; i++) store.boxes.create(newBox({ name: `box-${i}` }));
  store[Symbol.dispose]();
  const bytes = readFileSync(databaseOf(home));
  bytes.fill(0xa5, bytes.length - 8192);
  writeFileSync(databaseOf(home), bytes);
  assert.throws(
    () => Store.open(home, { migrations: laterMigrations }),
    (error) => BoxliteError.is(error, 'Database') && /it is damaged/.test(error.message),
  );
  assert.deepEqual(readFileSync(databaseOf(home)), bytes);
});

test('many processes can migrate the same database at once', async (t) => {
  const home = oldHome(t, 1);
  const names = await Promise.all(
    Array.from({ length: 4 }, () => runProgram(t, 'migrate', [home])),
  );
  assert.deepEqual(names, ['web', 'web', 'web', 'web']);
  assert.equal(versionOf(t, home), laterMigrations.length);
  // Whoever came late has not put its copy of the new version over that of the old one.
  const backup = readFileSync(join(home, 'boxlite.db.v1.backup'));
  assert.equal(backup.readUInt32BE(60), 1);
});
