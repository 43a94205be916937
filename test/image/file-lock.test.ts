import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileLock } from '../../src/image/file-lock.ts';
import { thisProcess } from '../../src/image/lock-owner.ts';
import { TestProgram } from './program-fixture.ts';

async function lockFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'boxlite-lock-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

const lock = (folder: string, mode: 'shared' | 'exclusive', onWait?: () => void) =>
  FileLock.acquire(folder, 'x', onWait === undefined ? { mode } : { mode, onWait });

/** Whether `acquire` had to wait until `release` was called. */
async function waitsFor(
  acquire: (onWait: () => void) => Promise<FileLock>,
  release: () => Promise<void>,
): Promise<boolean> {
  const waiting = Promise.withResolvers<void>();
  const acquired = acquire(waiting.resolve);
  const first = await Promise.race([waiting.promise.then(() => 'waits'), acquired]);
  await release();
  await (await acquired)[Symbol.asyncDispose]();
  return first === 'waits';
}

test('FileLock lets one exclusive holder in, and the next one after it', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const held = await lock(folder, 'exclusive');
  for (const mode of ['exclusive', 'shared'] as const) {
    const other = await FileLock.acquire(folder, 'other', { mode });
    await other[Symbol.asyncDispose]();
  }
  assert.ok(
    await waitsFor(
      (wait) => lock(folder, 'exclusive', wait),
      () => held[Symbol.asyncDispose](),
    ),
  );
  assert.deepEqual(await readdir(folder), []);
});

test('FileLock lets many shared holders in, and an exclusive one after all of them', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const held = [await lock(folder, 'shared'), await lock(folder, 'shared')];
  const release = async () => {
    for (const one of held) await one[Symbol.asyncDispose]();
  };
  assert.ok(await waitsFor((wait) => lock(folder, 'exclusive', wait), release));
});

test('FileLock does not let new shared holders in before an exclusive one that waits', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const held = await lock(folder, 'shared');
  const waiting = Promise.withResolvers<void>();
  const exclusive = lock(folder, 'exclusive', waiting.resolve);
  await waiting.promise;
  const late = waitsFor(
    (wait) => lock(folder, 'shared', wait),
    async () => {
      await held[Symbol.asyncDispose]();
      await (await exclusive)[Symbol.asyncDispose]();
    },
  );
  assert.ok(await late);
});

test('FileLock stops waiting by the signal and leaves nothing behind', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const held = await lock(folder, 'exclusive');
  const controller = new AbortController();
  const waiting = FileLock.acquire(folder, 'x', {
    mode: 'exclusive',
    signal: controller.signal,
    onWait: () => controller.abort(new Error('enough')),
  });
  await assert.rejects(waiting, /enough/);
  assert.equal((await readdir(folder)).length, 1);
  await held[Symbol.asyncDispose]();
});

test('FileLock is free at once when the process that held it was killed', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  await using program = new TestProgram('hold-lock', [folder, 'x', 'exclusive']);
  assert.equal(await program.next(), 'held');
  assert.ok(
    await waitsFor(
      (wait) => lock(folder, 'exclusive', wait),
      () => program.kill(),
    ),
  );
  assert.deepEqual(await readdir(folder), []);
});

test('FileLock does not take a reused pid for the holder', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const { scope, pid } = thisProcess();
  await writeFile(join(folder, `x.lock-x-${scope}-${pid}-1-${'0'.repeat(16)}`), '');
  await (await lock(folder, 'exclusive'))[Symbol.asyncDispose]();
});

test('FileLock believes a holder it cannot check for as long as its file is touched', async () => {
  await using temporary = await lockFolder();
  const { folder } = temporary;
  const file = join(folder, `x.lock-x-00000000-1-1-${'0'.repeat(16)}`);
  await writeFile(file, '');
  const longAgo = new Date(Date.now() - 3_600_000);
  assert.ok(
    await waitsFor(
      (wait) => lock(folder, 'shared', wait),
      () => utimes(file, longAgo, longAgo),
    ),
  );
});

test('FileLock never has two holders, in three processes that want it all the time', async () => {
  await using temporary = await lockFolder();
  await using markers = await lockFolder();
  const args = [temporary.folder, markers.folder, '15'];
  await using first = new TestProgram('contend', args);
  await using second = new TestProgram('contend', args);
  await using third = new TestProgram('contend', args);
  const collisions = await Promise.all([first.next(), second.next(), third.next()]);
  assert.deepEqual(collisions, [0, 0, 0]);
});
