import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GuestClock } from '../../src/runtime/guest-clock.ts';

/** A clock under the test's control, and what a guest is told of it. */
function start() {
  const now = { wall: 1_000_000, monotonic: 500 };
  const told: number[] = [];
  const clock = new GuestClock((time) => told.push(time), {
    wall: () => now.wall,
    monotonic: () => now.monotonic,
  });
  const pass = (ms: number) => {
    now.wall += ms;
    now.monotonic += ms;
  };
  return { now, told, clock, pass };
}

describe('GuestClock', () => {
  it('has nothing to tell while both clocks go on alike', () => {
    const { told, clock, pass } = start();
    using _ = clock;
    for (let i = 0; i < 50; i++) {
      pass(1_000);
      clock.check();
    }
    assert.deepEqual(told, []);
  });

  it('tells the time when the host has slept or its clock was set, once', () => {
    for (const jump of [3_600_000, -3_600_000, 250]) {
      const { now, told, clock, pass } = start();
      using _ = clock;
      pass(1_000);
      now.wall += jump;
      clock.check();
      clock.check();
      assert.deepEqual(told, [now.wall]);
    }
  });

  it('leaves a small difference alone until it has added up', () => {
    const { now, told, clock } = start();
    using _ = clock;
    now.wall += 150;
    clock.check();
    assert.deepEqual(told, []);
    now.wall += 150;
    clock.check();
    assert.deepEqual(told, [now.wall]);
  });

  it('tells the time after a while in any case: a guest may have another second', () => {
    const { now, told, clock, pass } = start();
    using _ = clock;
    pass(60_000);
    clock.check();
    assert.deepEqual(told, [now.wall]);
  });
});
