import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs, { mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BoxIDMint } from '../../src/base/ids.ts';
import { thisProcess } from '../../src/process/identity.ts';
import { runCommand } from '../../src/process/run.ts';
import { Home } from '../../src/runtime/home.ts';
import { Host } from '../../src/runtime/host.ts';
import { recover } from '../../src/runtime/recover.ts';
import type { BoxRow } from '../../src/store/box-row.ts';
import { boxSpec, newBox, newHome, ownerOf, runningBox } from '../store/store-fixture.ts';

function openHome(t: TestContext): Home {
  const host = new Host({ cacheDir: '/nonexistent', path: '', run: runCommand });
  const home = new Home(newHome(t), host);
  t.after(() => home[Symbol.dispose]());
  return home;
}

/** Gives a box a directory with a disk in it, as one that is kept has. */
function giveDisk(home: Home, { id }: BoxRow): string {
  mkdirSync(home.boxDir(id.asStr()), { recursive: true });
  const path = home.boxDisk(id.asStr());
  writeFileSync(path, '');
  return path;
}

/** Somebody else who has a file open, and is not a process of the box's as far as is recorded. */
function holderOf(t: TestContext, path: string): ChildProcess {
  const fd = openSync(path, 'r+');
  const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  fs.closeSync(fd);
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** How often a folder is listed from now on. */
function countListings(t: TestContext, folder: string): () => number {
  const spy = t.mock.method(fs, 'readdirSync');
  syncBuiltinESMExports();
  t.after(() => {
    spy.mock.restore();
    syncBuiltinESMExports();
  });
  return () => spy.mock.calls.filter(({ arguments: [path] }) => path === folder).length;
}

test('recover() leaves a box alone whose disk somebody has open, and takes it up when that has ended', async (t) => {
  const home = openHome(t);
  const dead = { ...(await thisProcess()), start: '1' };
  const row = runningBox(home.store, ownerOf(dead, 'run'));
  const child = holderOf(t, giveDisk(home, row));
  await recover(home);
  assert.deepEqual(home.store.boxes.get(row.id), row);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  await recover(home);
  const left = home.store.boxes.get(row.id);
  assert.deepEqual([left?.status, left?.owner], ['stopped', null]);
});

test('recover() puts 1,000 boxes in order with two looks at the processes of the host', async (t) => {
  const home = openHome(t);
  const self = await thisProcess();
  const dead = { ...self, start: '1' };
  const rows: BoxRow[] = [];
  for (let i = 0; i < 1000; i++) {
    const spec = boxSpec({ autoRemove: i % 5 === 0 });
    const row =
      i % 4 === 3
        ? home.store.boxes.create(newBox({ spec, creator: dead }))
        : runningBox(home.store, ownerOf(i % 50 === 0 ? self : dead, 'run'), { spec });
    if (i % 4 !== 3) giveDisk(home, row);
    rows.push(row);
  }
  const orphan = BoxIDMint.mint().asStr();
  mkdirSync(home.boxDir(orphan));
  const listings = countListings(t, '/proc');
  const started = performance.now();
  await recover(home);
  t.diagnostic(`recovered in ${(performance.now() - started).toFixed(0)} ms`);
  // For jails that nobody has, and for disks that somebody has.
  assert.equal(listings(), 2);
  for (const [i, row] of rows.entries()) {
    const left = home.store.boxes.get(row.id);
    if (i % 50 === 0) assert.deepEqual(left, row);
    else if (i % 5 === 0) assert.equal(left, null);
    else
      assert.deepEqual([left?.owner, left?.status], [null, i % 4 === 3 ? 'configured' : 'stopped']);
  }
  const kept = rows.filter((_, i) => i % 4 !== 3 && (i % 5 !== 0 || i % 50 === 0));
  const ids = kept.map(({ id }) => id.asStr());
  assert.deepEqual(readdirSync(join(home.directory, 'boxes')).sort(), ids.sort());
});
