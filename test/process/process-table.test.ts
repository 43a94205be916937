import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseProcStat, parsePs } from '../../src/process/process-entry.ts';
import { type ProcessTable, procTable, psTable } from '../../src/process/process-table.ts';
import { family } from './family.ts';

test('parseProcStat() reads fields behind a name with spaces and parentheses', () => {
  const line = '42 (a) R (b c) S 7 42 42 0 -1 4194304 100 0 0 0 150 20 3 4 20 0 1 0 987654321 0 0';
  assert.deepEqual(parseProcStat(line), {
    pid: 42,
    parent: 7,
    session: 42,
    start: '987654321',
    state: 'running',
    cpuMs: 1770,
  });
});

test('parseProcStat() tells processes that have stopped or ended', () => {
  const state = (letter: string) => parseProcStat(`1 (x) ${letter} 0${' 0'.repeat(17)} 5`)?.state;
  assert.deepEqual(['R', 'D', 'T', 't', 'Z', 'X'].map(state), [
    'running',
    'running',
    'stopped',
    'stopped',
    'ended',
    'ended',
  ]);
});

test('parseProcStat() has nothing for a line that is cut short', () => {
  assert.equal(parseProcStat(''), null);
  assert.equal(parseProcStat('42 (sleep) S 7'), null);
});

test('parseProcStat() and parsePs() survive any text', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseProcStat(text);
      parsePs(text);
    }),
  );
});

test('parsePs() reads what macOS and Linux print', () => {
  const output = [
    '    1     0 Ss     0:00.25 Sat Nov 22 04:38:23 2026',
    '  501     1 T+  123:45.67 Sat Nov  1 09:00:01 2026    ',
    ' 9999   501 Z      00:01:02 Sat Nov 22 04:38:23 2026',
    '70000   501 R    2-03:04:05 Sat Nov 22 04:38:23 2026',
    'garbage',
    '',
  ].join('\n');
  assert.deepEqual(
    parsePs(output).map(({ pid, parent, state, cpuMs }) => [pid, parent, state, cpuMs]),
    [
      [1, 0, 'running', 250],
      [501, 1, 'stopped', 7_425_670],
      [9999, 501, 'ended', 62_000],
      [70_000, 501, 'running', 183_845_000],
    ],
  );
  assert.equal(parsePs(output)[1]?.start, 'Sat Nov 1 09:00:01 2026');
});

const tables: [name: string, table: ProcessTable][] = [['ps', psTable]];
if (process.platform === 'linux') tables.push(['/proc', procTable]);

for (const [name, table] of tables) {
  test(`${name} shows the processes that are there, and when they started`, async () => {
    const child = spawn('true');
    await once(child, 'close');
    const ended = child.pid ?? 0;
    const [self, ...others] = await table.some([process.pid, ended]);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [self?.pid, self?.parent, self?.state],
      [process.pid, process.ppid, 'running'],
    );
    assert.match(self?.start ?? '', /\d/);
    assert.deepEqual(await table.some([]), []);
    assert.deepEqual(await table.tree(ended), []);
  });

  test(`${name} shows a tree with its root first`, async (t) => {
    const { root, members } = await family(t, 3);
    const tree = await table.tree(root.pid);
    assert.equal(tree[0]?.pid, root.pid);
    assert.deepEqual(new Set(tree.map(({ pid }) => pid)), new Set(members));
  });
}
