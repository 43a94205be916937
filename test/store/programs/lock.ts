/** Writes to a home's database, and takes its time: `lock.ts HOME MILLISECONDS`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadSqlite } from '../../../src/store/sqlite.ts';
import { databaseOf } from '../store-fixture.ts';

const [home = '', ms = ''] = process.argv.slice(2);
const { DatabaseSync } = loadSqlite();
const database = new DatabaseSync(databaseOf(home));
database.exec('BEGIN IMMEDIATE');
console.log('locked');
await sleep(Number(ms));
database.exec('COMMIT');
