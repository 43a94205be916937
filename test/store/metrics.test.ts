import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxIDMint } from '../../src/base/ids.ts';
import { newBox, newStore, runningBox } from './store-fixture.ts';

test('counters of a box add up, and are null where nothing can have been counted', (t) => {
  const { boxes, metrics } = newStore(t);
  const { id } = boxes.create(newBox());
  metrics.countBox(id, { commandsRunTotal: 2, bytesSentTotal: 2 ** 52 });
  metrics.countBox(id, { commandsRunTotal: 1, runErrorsTotal: 1, bytesSentTotal: 1 });
  metrics.countBox(id, {});
  assert.deepEqual(metrics.ofBox(id), {
    commandsRunTotal: 3,
    runErrorsTotal: 1,
    bytesSentTotal: 2 ** 52 + 1,
    bytesReceivedTotal: 0,
    networkBytesSent: null,
    networkBytesReceived: null,
    networkTcpErrors: null,
    totalCreateDurationMs: null,
    guestBootDurationMs: null,
    stageFilesystemSetupMs: null,
    stageImagePrepareMs: null,
    stageGuestRootfsMs: null,
    stageBoxConfigMs: null,
    stageBoxSpawnMs: null,
    stageContainerInitMs: null,
  });
});

test('timings are those of the last start', (t) => {
  const { boxes, metrics } = newStore(t);
  const { id } = boxes.create(newBox());
  metrics.timeBox(id, { guestBootDurationMs: 28.25, stageBoxSpawnMs: 30 });
  metrics.timeBox(id, { guestBootDurationMs: 27.5 });
  assert.equal(metrics.ofBox(id).guestBootDurationMs, 27.5);
  assert.equal(metrics.ofBox(id).stageBoxSpawnMs, 30);
});

test('a box that has been removed meanwhile is counted in the totals alone', (t) => {
  const { metrics } = newStore(t);
  const id = BoxIDMint.mint();
  metrics.countBox(id, { commandsRunTotal: 1 });
  metrics.timeBox(id, { guestBootDurationMs: 1 });
  assert.equal(metrics.ofBox(id).commandsRunTotal, 0);
  assert.equal(metrics.ofBox(id).guestBootDurationMs, null);
  assert.equal(metrics.ofHome().totalCommandsRun, 1);
});

test('totals outlive the boxes', (t) => {
  const store = newStore(t);
  const { boxes, metrics } = store;
  const { id, claim } = runningBox(store);
  runningBox(store);
  boxes.create(newBox());
  metrics.countBox(id, { commandsRunTotal: 5, runErrorsTotal: 1, bytesReceivedTotal: 9 });
  metrics.count({ boxesFailedTotal: 1 });
  const next = { ...(boxes.get(id)?.owner ?? assert.fail()), purpose: 'remove' } as const;
  boxes.transition(claim, ['running'], 'stopped', { next });
  boxes.delete(claim);
  assert.deepEqual(metrics.ofHome(), {
    boxesCreatedTotal: 3,
    boxesFailedTotal: 1,
    numRunningBoxes: 1,
    totalCommandsRun: 5,
    totalRunErrors: 1,
  });
});
