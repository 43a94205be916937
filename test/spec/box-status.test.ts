import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContainerID } from '../../src/base/ids.ts';
import { BoxState } from '../../src/spec/box-state.ts';
import {
  BoxStatus,
  boxStatuses,
  canRemove,
  canRun,
  canStart,
  canStop,
  canTransition,
  isActive,
  isConfigured,
  isRunning,
  isStopped,
  isTransient,
} from '../../src/spec/box-status.ts';

const { Unknown, Configured, Running, Stopping, Stopped } = BoxStatus;

test('BoxStatus has the values of the contract, in lower case', () => {
  assert.deepEqual(BoxStatus, {
    Unknown: 'unknown',
    Configured: 'configured',
    Running: 'running',
    Stopping: 'stopping',
    Stopped: 'stopped',
  });
  assert.deepEqual(boxStatuses, ['unknown', 'configured', 'running', 'stopping', 'stopped']);
});

/** Where each predicate of the reference holds. */
const predicates: [(s: BoxStatus) => boolean, BoxStatus[]][] = [
  [isActive, [Running, Stopping]],
  [isRunning, [Running]],
  [isConfigured, [Configured]],
  [isStopped, [Stopped]],
  [isTransient, [Stopping]],
  [canStart, [Configured, Stopped]],
  [canStop, [Running]],
  [canRemove, [Unknown, Configured, Stopped]],
  [canRun, [Configured, Running, Stopped]],
];

for (const [predicate, holds] of predicates) {
  test(`${predicate.name}() holds for ${holds.join(', ')} alone`, () => {
    assert.deepEqual(boxStatuses.filter(predicate), holds);
  });
}

test('canTransition() allows these transitions and no others', () => {
  const allowed: [BoxStatus, BoxStatus[]][] = [
    [Unknown, [Configured, Running, Stopping, Stopped]],
    [Configured, [Unknown, Running, Stopped]],
    [Running, [Unknown, Stopping, Stopped]],
    [Stopping, [Unknown, Stopped]],
    [Stopped, [Unknown, Running]],
  ];
  for (const [from, followers] of allowed) {
    const found = boxStatuses.filter((to) => canTransition(from, to));
    assert.deepEqual(found, followers, from);
  }
});

test('BoxState starts with nothing but a status and a time', () => {
  const at = new Date(0);
  const state = new BoxState({ status: Configured, lastUpdated: at });
  assert.deepEqual(
    { ...state },
    { status: 'configured', pid: null, containerId: null, lastUpdated: at, lockId: null },
  );
  assert.ok(Object.isFrozen(state));
});

test('BoxState.to() goes through a whole life', () => {
  const containerId = ContainerID.new();
  const made = new BoxState({ status: Configured, lastUpdated: new Date(0) });
  const running = made.to(Running, new Date(1), { pid: 42, containerId, lockId: 7 });
  assert.deepEqual(
    { ...running },
    { status: 'running', pid: 42, containerId, lastUpdated: new Date(1), lockId: 7 },
  );
  const stopping = running.to(Stopping, new Date(2));
  assert.equal(stopping.pid, 42);
  assert.equal(stopping.lockId, 7);
  const stopped = stopping.to(Stopped, new Date(3));
  assert.equal(stopped.pid, null);
  assert.equal(stopped.lockId, null);
  assert.equal(stopped.containerId, containerId);
  assert.deepEqual(stopped.lastUpdated, new Date(3));
});

test('BoxState.to() refuses a transition that is not allowed', () => {
  const stopped = new BoxState({ status: Stopped, lastUpdated: new Date(0) });
  assert.throws(() => stopped.to(Stopping, new Date(1)), {
    kind: 'InvalidState',
    message: 'Cannot make a box stopping: it is stopped',
  });
  assert.throws(() => stopped.to(Stopped, new Date(1)), { kind: 'InvalidState' });
});
