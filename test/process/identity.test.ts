import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  bootId,
  isAlive,
  livenessOf,
  processIdentity,
  thisProcess,
} from '../../src/process/identity.ts';
import { family } from './family.ts';

test('a process has one identity for its whole life', async () => {
  const identity = await thisProcess();
  assert.equal(identity.pid, process.pid);
  assert.deepEqual(await processIdentity(process.pid), identity);
  assert.deepEqual(JSON.parse(JSON.stringify(identity)), identity);
  assert.equal(identity.boot, await bootId());
  assert(await isAlive(identity));
});

test('a process that has the same pid and started at another time is another one', async () => {
  const identity = await thisProcess();
  assert.equal(await isAlive({ ...identity, start: `${identity.start}0` }), false);
});

test('a process that has ended is dead, whether anybody has noticed or not', async (t) => {
  // The shell becomes `sleep`, which does not wait for the child it has inherited.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60']);
  t.after(() => parent.kill('SIGKILL'));
  const [line] = await once(parent.stdout.setEncoding('utf8'), 'data');
  const child = await processIdentity(Number(line));
  assert(child !== null && (await isAlive(child)));
  process.kill(child.pid, 'SIGKILL');
  while (await isAlive(child)) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await processIdentity(child.pid), null);
  // It is still there, as a zombie.
  process.kill(child.pid, 0);
});

test('no process survives a restart of the host', async () => {
  const identity = await thisProcess();
  assert.equal(await isAlive({ ...identity, boot: 'an earlier one' }), false);
});

test('a process of another pid namespace is neither alive nor dead', async () => {
  const elsewhere = { ...(await thisProcess()), namespace: 'pid:[1]' };
  assert.equal((await livenessOf([elsewhere]))(elsewhere), 'unknown');
  assert.equal(await isAlive(elsewhere), false);
});

test('livenessOf() tells many processes apart in one look', async (t) => {
  const { root } = await family(t, 1);
  const self = await thisProcess();
  const reused = { ...root, start: '1' };
  const all = [self, root, reused, { ...self, pid: 2 ** 22 + 1 }];
  const liveness = await livenessOf(all);
  assert.deepEqual(all.map(liveness), ['alive', 'alive', 'dead', 'dead']);
});
