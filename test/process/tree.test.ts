import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { heldFiles } from '../../src/process/holders.ts';
import { isAlive, processIdentity, thisProcess } from '../../src/process/identity.ts';
import { processTable } from '../../src/process/process-table.ts';
import { killTree, processTree } from '../../src/process/tree.ts';
import { cpuPercent, treeUsage } from '../../src/process/usage.ts';
import { family, killGroup } from './family.ts';

async function runningOf(pids: readonly number[]): Promise<number[]> {
  const entries = await processTable.some(pids);
  return entries.filter(({ state }) => state !== 'ended').map(({ pid }) => pid);
}

test('killTree() ends a process and all that descend from it', async (t) => {
  const { root, members } = await family(t, 5);
  assert.equal((await processTree(root)).length, 5);
  assert.equal(await killTree(root), 5);
  assert.deepEqual(await runningOf(members), []);
  assert.deepEqual(await processTree(root), []);
  assert.equal(await killTree(root), 0);
});

test('killTree() leaves alone a process that has got the pid of the one that is meant', async (t) => {
  const { root, members } = await family(t, 2);
  assert.equal(await killTree({ ...root, start: '1' }), 0);
  assert.deepEqual(await runningOf(members), members);
});

test('killTree() ends processes that have stopped and that ignore signals', async (t) => {
  const child = spawn('sh', ['-c', 'trap "" TERM INT HUP; echo ready; while :; do sleep 60; done']);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const root = await processIdentity(child.pid ?? 0);
  assert(root !== null);
  process.kill(root.pid, 'SIGSTOP');
  await killTree(root);
  assert.equal(await isAlive(root), false);
});

test('killTree() ends a tree that keeps starting new processes', async (t) => {
  // Every process of it has children all the time, which outlive it.
  const script = 'echo $$; while :; do sh -c "sleep 60 & sleep 0.01" & sleep 0.01; done';
  const child = spawn('sh', ['-c', script], { detached: true });
  t.after(() => killGroup(child));
  await once(child.stdout, 'data');
  const root = await processIdentity(child.pid ?? 0);
  assert(root !== null);
  while ((await processTree(root)).length < 4) await new Promise((next) => setTimeout(next, 5));
  const before = (await processTree(root)).map(({ pid }) => pid);
  assert((await killTree(root)) >= 1);
  const left = await runningOf(before);
  assert.equal(left.includes(root.pid), false);
  assert.deepEqual(await processTree(root), []);
});

test('treeUsage() adds up what a tree uses', async (t) => {
  const { root } = await family(t, 3);
  const whole = await treeUsage(root);
  assert(whole !== null);
  assert(whole.memoryBytes > 64 * 1024, `${whole.memoryBytes}`);
  const self = await treeUsage(await thisProcess());
  assert(self !== null && self.memoryBytes > whole.memoryBytes);
  assert(self.cpuMs > 0);
  await killTree(root);
  assert.equal(await treeUsage(root), null);
});

test('cpuPercent() is the share of the given processors', () => {
  const at = (atMs: number, cpuMs: number) => ({ atMs, cpuMs, memoryBytes: 0 });
  assert.equal(cpuPercent(at(0, 0), at(1000, 500), 1), 50);
  assert.equal(cpuPercent(at(0, 0), at(1000, 500), 2), 25);
  assert.equal(cpuPercent(at(0, 100), at(1000, 90), 1), 0);
  assert.equal(cpuPercent(at(0, 0), at(1000, 1010), 1), 100);
  assert.equal(cpuPercent(at(5, 0), at(5, 10), 1), 0);
});

test('heldFiles() finds which files somebody else has open, by whatever name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'boxlite-holders-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [path, other, missing] = ['disk', 'other', 'missing'].map((name) => join(folder, name));
  assert(path !== undefined && other !== undefined && missing !== undefined);
  writeFileSync(path, '');
  writeFileSync(other, '');
  const own = openSync(path, 'r+');
  t.after(() => closeSync(own));
  assert.deepEqual(await heldFiles([path, other, missing]), new Set());
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', own] });
  t.after(() => child.kill('SIGKILL'));
  assert.deepEqual(await heldFiles([path, other, missing]), new Set([path]));
  assert.deepEqual(await heldFiles([missing]), new Set());
});
