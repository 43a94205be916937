import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { networkError, RegistryAnswer } from '../../src/image/network-error.ts';
import { backoffMs, parseRetryAfter, RETRY_POLICY, Retries } from '../../src/image/retry.ts';

const QUICK = { ...RETRY_POLICY, pauseMs: 1, pauseMsMax: 2 };
const reset = () =>
  networkError(
    'x',
    new URL('https://a.b'),
    Object.assign(new Error('gone'), { code: 'ECONNRESET' }),
  );
const answer = (status: number, retryAfterMs: number | null = null) =>
  new BoxliteError('Image', `status ${status}`, {
    cause: new RegistryAnswer(status, retryAfterMs, false),
  });

test('Retries gives up after its attempts and says how many there were', async () => {
  const retries = new Retries(QUICK);
  for (let i = 1; i < QUICK.attempts; i++) await retries.pause(reset());
  await assert.rejects(retries.pause(reset()), /gone \(tried 5 times\)$/);
});

test('Retries starts anew after progress', async () => {
  const retries = new Retries(QUICK);
  for (let i = 0; i < 3 * QUICK.attempts; i++) {
    await retries.pause(reset());
    retries.progress();
  }
});

test('Retries does not repeat what will fail again', async () => {
  for (const error of [
    answer(404),
    answer(401),
    new BoxliteError('Image', 'bad'),
    new Error('bug'),
  ]) {
    await assert.rejects(new Retries(QUICK).pause(error), (thrown) => thrown === error);
  }
});

test('Retries does not wait for as long as a hostile registry says', async () => {
  await new Retries(QUICK).pause(answer(429, 1));
  await assert.rejects(new Retries(QUICK).pause(answer(429, 3_600_000)), /status 429/);
});

test('Retries ends its pause by the signal', async () => {
  const controller = new AbortController();
  const pause = new Retries(
    { ...QUICK, pauseMs: 60_000, pauseMsMax: 60_000 },
    controller.signal,
  ).pause(reset());
  controller.abort(new Error('enough'));
  await assert.rejects(pause, /enough/);
});

test('backoffMs() doubles, within bounds, and spreads', () => {
  const policy = { ...RETRY_POLICY, pauseMs: 100, pauseMsMax: 350 };
  assert.deepEqual(
    [1, 2, 3, 9].map((n) => backoffMs(policy, n, 1)),
    [100, 200, 350, 350],
  );
  assert.equal(backoffMs(policy, 1, 0), 50);
});

test('parseRetryAfter() reads seconds and dates', () => {
  const now = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
  assert.equal(parseRetryAfter('120', now), 120_000);
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:28:30 GMT', now), 30_000);
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:27:00 GMT', now), 0);
  assert.equal(parseRetryAfter('soon', now), null);
  assert.equal(parseRetryAfter(undefined, now), null);
});
