import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BoxStatus, canTransition } from '../../src/spec/box-status.ts';
import { startProgram } from './programs.ts';
import { recoverHome } from './recover-home.ts';
import { newHome, openDatabase, openStore } from './store-fixture.ts';

interface Report {
  readonly claims: string[];
  readonly counted: number;
  readonly made: number;
  readonly collisions: string[];
}

/** Notes every change of a status and every claim, as the database itself sees them. */
function watch(t: TestContext, home: string): DatabaseSync {
  const database = openDatabase(t, home);
  database.exec(`
    CREATE TABLE moves (id, old, new);
    CREATE TRIGGER move AFTER UPDATE ON boxes WHEN old.status <> new.status
      BEGIN INSERT INTO moves VALUES (new.id, old.status, new.status); END;
    CREATE TABLE claims (id, number);
    CREATE TRIGGER claim AFTER UPDATE ON boxes WHEN old.claim <> new.claim
      BEGIN INSERT INTO claims VALUES (new.id, new.claim); END;`);
  return database;
}

function assertSound(database: DatabaseSync): void {
  for (const row of database.prepare('SELECT DISTINCT old, new FROM moves').all()) {
    const [from, to] = [row['old'] as BoxStatus, row['new'] as BoxStatus];
    assert(canTransition(from, to), `${from} -> ${to}`);
  }
  const claims = database.prepare(
    'SELECT id, count(*) AS n, count(DISTINCT number) AS d, max(number) AS m FROM claims GROUP BY id',
  );
  for (const { id, n, d, m } of claims.all()) assert.deepEqual([d, m], [n, n], String(id));
  assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
}

test('of several processes that want the same boxes one has each at a time', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const database = watch(t, home);
  const programs = [1, 2, 3, 4].map((seed) => startProgram(t, 'contend', [home, `${seed}`, '250']));
  const results = await Promise.all(programs.map(({ ended }) => ended));
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  const reports = results.map(({ stdout }) => JSON.parse(stdout.split('\n')[1] ?? '') as Report);
  const sum = (of: (report: Report) => number) => reports.reduce((all, each) => all + of(each), 0);
  assert.deepEqual(
    reports.flatMap(({ collisions }) => collisions),
    [],
  );
  assertSound(database);
  const claims = reports.flatMap((report) => report.claims);
  assert.equal(new Set(claims).size, claims.length);
  assert.equal(
    store.metrics.ofHome().totalCommandsRun,
    sum(({ counted }) => counted),
  );
  assert.equal(
    store.metrics.ofHome().boxesCreatedTotal,
    sum(({ made }) => made),
  );
  assert(store.boxes.list().every(({ owner }) => owner === null));
});

test('processes that are killed at any moment leave boxes that others can use', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const database = watch(t, home);
  const seed = randomInt(1, 1_000_000);
  t.diagnostic(`seed ${seed}`);
  for (let round = 0; round < 3; round++) {
    const programs = [0, 1, 2].map((n) =>
      startProgram(t, 'contend', [home, `${seed + 10 * round + n}`, '100000']),
    );
    await Promise.all(programs.map(({ firstLine }) => firstLine));
    for (const { child, ended } of programs) {
      await sleep(randomInt(20, 60));
      assert.equal(child.kill('SIGKILL'), true);
      const { code, stderr } = await ended;
      assert.deepEqual([code, stderr], [null, '']);
    }
    await recoverHome(store, home);
    assertSound(database);
    assert(store.boxes.list().every(({ owner }) => owner === null));
  }
});
