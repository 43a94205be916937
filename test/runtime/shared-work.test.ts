import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SharedWork } from '../../src/runtime/shared-work.ts';

const reason = new Error('enough');

/** Work that ends when it is told to, or a moment after it was given up. */
function work() {
  const end = Promise.withResolvers<string>();
  const seen: { signal?: AbortSignal; cleaned: boolean } = { cleaned: false };
  const shared = new SharedWork<string>(async (signal) => {
    seen.signal = signal;
    signal.addEventListener('abort', () => end.reject(signal.reason));
    try {
      return await end.promise;
    } finally {
      await turn();
      seen.cleaned = true;
    }
  });
  return { shared, seen, end };
}

describe('SharedWork', () => {
  it('is done once for all who wait', async () => {
    const { shared, end } = work();
    const waiting = [shared.wait(), shared.wait(new AbortController().signal)];
    end.resolve('done');
    assert.deepEqual(await Promise.all(waiting), ['done', 'done']);
    assert.equal(await shared.wait(), 'done');
    assert.equal(shared.cancelled, false);
  });

  it('fails for all who wait', async () => {
    const { shared, end } = work();
    const waiting = [shared.wait(), shared.wait()];
    end.reject(reason);
    for (const one of waiting) await assert.rejects(one, reason);
    await assert.rejects(shared.wait(), reason);
  });

  it('goes on while somebody still wants it', async () => {
    const { shared, seen, end } = work();
    const control = new AbortController();
    const first = shared.wait(control.signal);
    const second = shared.wait();
    control.abort(reason);
    await assert.rejects(first, reason);
    assert.equal(seen.signal?.aborted, false);
    end.resolve('done');
    assert.equal(await second, 'done');
  });

  it('is given up with the last who wants it, who waits until nothing goes on', async () => {
    const { shared, seen } = work();
    const controls = [new AbortController(), new AbortController()];
    const waiting = controls.map(({ signal }) => shared.wait(signal));
    for (const control of controls) control.abort(reason);
    await Promise.all(waiting.map((one) => assert.rejects(one, reason)));
    assert.equal(seen.signal?.reason, reason);
    assert.equal(seen.cleaned, true);
    assert.equal(shared.cancelled, true);
  });

  it('can be given up for everybody', async () => {
    const { shared, seen } = work();
    const waiting = shared.wait();
    await Promise.all([shared.cancel(reason), assert.rejects(waiting, reason)]);
    assert.equal(seen.cleaned, true);
    assert.equal(shared.cancelled, true);
  });

  it('that has ended is not given up any more', async () => {
    const { shared, end } = work();
    end.resolve('done');
    await shared.wait();
    await shared.cancel(reason);
    await assert.rejects(shared.wait(AbortSignal.abort(reason)), reason);
    assert.equal(shared.cancelled, false);
    assert.equal(await shared.wait(), 'done');
  });

  it('that is done although it was given up is not started anew', async () => {
    const end = Promise.withResolvers<string>();
    const shared = new SharedWork(() => end.promise);
    const control = new AbortController();
    const waiting = shared.wait(control.signal);
    control.abort(reason);
    end.resolve('done');
    await assert.rejects(waiting, reason);
    assert.equal(shared.cancelled, false);
    assert.equal(await shared.wait(), 'done');
  });

  it("that fails without anybody waiting is nobody's unhandled rejection", async () => {
    const { end } = work();
    end.reject(reason);
    await turn();
    await turn();
  });
});
