import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { boxAnswering } from './hostile-box.ts';

const reason = new Error('enough');

test('an abort ends the wait for a command of a box that says nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = Promise.withResolvers<void>();
  const box = boxAnswering(() => {
    asked.resolve();
    return null;
  });
  const control = new AbortController();
  const running = box.run(['true'], { signal: control.signal });
  running.catch(() => undefined);
  await asked.promise;
  control.abort(reason);
  await turn();
  // The command is being killed, which takes a moment.
  t.mock.timers.tick(5_000);
  await assert.rejects(running, reason);
});

test('an abort ends a file request that waits for its turn, and lets the next one have it', async () => {
  const asked: unknown[] = [];
  const box = boxAnswering((request) => {
    asked.push(request['path']);
    return null;
  });
  const first = new AbortController();
  const others = Array.from({ length: 32 }, (_, i) =>
    box.fs.readFile(`/${i}`, { signal: first.signal }),
  );
  const waiting = new AbortController();
  const late = box.fs.readFile('/late', { signal: waiting.signal });
  const last = box.fs.readFile('/last', { signal: waiting.signal });
  for (const one of [...others, late, last]) one.catch(() => undefined);
  while (asked.length < 32) await turn();
  waiting.abort(reason);
  await assert.rejects(late, reason);
  await assert.rejects(last, reason);
  const next = new AbortController();
  const following = box.fs.readFile('/following', { signal: next.signal });
  following.catch(() => undefined);
  first.abort(reason);
  for (const one of others) await assert.rejects(one, reason);
  while (!asked.includes('/following')) await turn();
  next.abort(reason);
  await assert.rejects(following, reason);
  assert.deepEqual([asked.includes('/late'), asked.includes('/last')], [false, false]);
});
