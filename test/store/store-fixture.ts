/** Homes, boxes and processes to record, for the tests of the store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { BoxIDMint } from '../../src/base/ids.ts';
import type { BoxOptions } from '../../src/spec/box-options.ts';
import type { BoxSpec } from '../../src/spec/box-spec.ts';
import { parseBoxOptions } from '../../src/spec/parse-options.ts';
import type { ProcessIdentity } from '../../src/spec/process-identity.ts';
import type { BoxOwner, BoxRow } from '../../src/store/box-row.ts';
import type { NewBox } from '../../src/store/boxes.ts';
import { loadSqlite } from '../../src/store/sqlite.ts';
import { Store, type StoreOptions } from '../../src/store/store.ts';

/** A folder that does not exist yet, in one that goes with the test. */
export function newHome(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'home');
}

/** The store of a home, closed when the test ends. */
export function openStore(t: TestContext, home: string, options: StoreOptions = {}): Store {
  const store = Store.open(home, options);
  t.after(() => store[Symbol.dispose]());
  return store;
}

/** A store in a home of its own. */
export function newStore(t: TestContext, options: StoreOptions = {}): Store {
  return openStore(t, newHome(t), options);
}

/** A home's database file, by other means than the store's. */
export function openDatabase(t: TestContext, home: string): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  const database = new DatabaseSync(databaseOf(home));
  t.after(() => {
    if (database.isOpen) database.close();
  });
  return database;
}

export function databaseOf(home: string): string {
  return join(home, 'boxlite.db');
}

export function boxSpec(options: BoxOptions = {}): BoxSpec {
  return parseBoxOptions(options, { cpus: 2, memoryMib: 4096, platform: 'linux' });
}

/** A process that nobody will look for. */
export function someProcess(pid = 4711): ProcessIdentity {
  return { pid, start: '1000', namespace: 'pid:[1]', boot: 'this boot' };
}

/** A process as an owner that nobody can ask. */
export function ownerOf(process: ProcessIdentity, purpose: BoxOwner['purpose']): BoxOwner {
  return { ...process, kind: 'process', purpose, socket: null };
}

export function runner(pid = 4711): BoxOwner {
  return ownerOf(someProcess(pid), 'run');
}

export function remover(pid = 4711): BoxOwner {
  return ownerOf(someProcess(pid), 'remove');
}

export function newBox(fields: Partial<NewBox> = {}): NewBox {
  return {
    id: BoxIDMint.mint(),
    name: null,
    spec: boxSpec({ autoRemove: false }),
    creator: someProcess(),
    ...fields,
  };
}

/** A box that runs, and so is claimed. */
export function runningBox(store: Store, owner = runner(), fields: Partial<NewBox> = {}): BoxRow {
  const { id } = store.boxes.create(newBox(fields));
  const claimed = store.boxes.claim(id, owner);
  const row = claimed && store.boxes.transition(claimed.claim, ['configured'], 'running');
  if (row === null) throw new Error('the new box could not be started');
  return row;
}
