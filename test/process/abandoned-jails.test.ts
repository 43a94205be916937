import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endAbandonedJails } from '../../src/process/abandoned-jails.ts';
import { eventuallyNone } from '../vm/polling.ts';
import { processesWithFilesIn } from '../vm/processes.ts';

/** Moments to kill the outer process at, each of them often: one jail in seven or so is left. */
const TRIES_MAX = 500;
const MOMENTS_MS = 8;

const folder = mkdtempSync(join(tmpdir(), 'boxlite-jails-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const jail = ['--unshare-all', '--die-with-parent', '--new-session', '--ro-bind', '/', '/'];

/** A jail that holds a file of the folder, and would for ever. */
function start(): ChildProcess {
  const file = openSync(join(folder, 'disk'), 'a');
  const child = spawn('bwrap', [...jail, 'sleep', '1000'], {
    stdio: ['ignore', 'ignore', 'ignore', file],
  });
  closeSync(file);
  return child;
}

function holders(): string[] {
  return processesWithFilesIn(folder).map(({ pid, name, parent }) => `${pid} ${name} of ${parent}`);
}

test('ends a jail whose outer process was killed while it was being made', async (t) => {
  for (let tries = 0; holders().length === 0; tries++) {
    if (tries >= TRIES_MAX) return t.skip('bubblewrap never leaves a jail on this host');
    const child = start();
    await sleep(tries % MOMENTS_MS);
    child.kill('SIGKILL');
    await once(child, 'exit');
    // What dies with its parent has had time to.
    await sleep(20);
  }
  await endAbandonedJails(folder);
  await eventuallyNone('left', holders);
});

test('leaves a jail alone that somebody has', async () => {
  const child = start();
  try {
    const whole = () => processesWithFilesIn(folder).some(({ name }) => name === 'sleep');
    for (let look = 0; look < 500 && !whole(); look++) await sleep(10);
    const before = holders();
    await endAbandonedJails(folder);
    assert.deepEqual(holders(), before);
    assert.match(before.join(), /sleep/);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await eventuallyNone('left', holders);
});
