import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIALS_MAX, DialGate, type Turn, WAITING_MAX } from '../../src/network/dial-gate.ts';
import type { Dial } from '../../src/spec/parts.ts';

const dial: Dial = () => assert.fail('nothing is dialled here');

/** Turns that have come, in their order. */
function waitFor(gate: DialGate, count: number): Turn[] {
  const turns: Turn[] = [];
  for (let i = 0; i < count; i++) assert.ok(gate.wait((_, turn) => turns.push(turn)));
  return turns;
}

test('nobody gets through before the box has booted', () => {
  const gate = new DialGate();
  const turns = waitFor(gate, 2);
  assert.equal(gate.take(), null);
  assert.equal(turns.length, 0);
  gate.open(dial);
  assert.equal(turns.length, 2);
  assert.equal(gate.take()?.dial, dial);
});

test('those beyond what the wire has room for wait, and those beyond that are refused', () => {
  const gate = new DialGate();
  gate.open(dial);
  const turns = waitFor(gate, DIALS_MAX);
  const waiting = waitFor(gate, WAITING_MAX);
  assert.equal(turns.length, DIALS_MAX);
  assert.equal(waiting.length, 0);
  assert.equal(
    gate.wait(() => undefined),
    false,
  );
  turns[0]?.leave();
  turns[0]?.leave();
  assert.equal(waiting.length, 1, 'a turn is left once');
  assert.ok(gate.wait(() => undefined));
  assert.equal(gate.take(), null);
  for (const turn of turns) turn.leave();
  assert.equal(waiting.length, Math.min(DIALS_MAX, WAITING_MAX));
});
