import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { Channel, type ChannelEvents } from '../../src/portal/channel.ts';
import {
  CONTROL_BYTES_MAX,
  FRAME_BYTES_MAX,
  frameFlags,
  GUEST_CONTROL_BYTES_MAX,
  GUEST_WINDOW_BYTES,
  type Hello,
  HOST_WINDOW_BYTES,
  type JsonObject,
  STREAMS_MAX,
} from '../../src/portal/messages.ts';
import type { PortalStream, StreamHandlers } from '../../src/portal/stream.ts';
import { helloFrame } from './bytes.ts';
import { ChannelPair, MemoryLink } from './memory-link.ts';

const { MORE, FINAL } = frameFlags;
const refusal = { code: 'not_found', message: 'there is no such thing' };

/** What a stream was told, in its order. */
function recorder(): { told: unknown[]; handlers: Required<StreamHandlers> } {
  const told: unknown[] = [];
  const handlers = {
    accepted: (answer: JsonObject) => told.push({ accepted: answer }),
    data: (piece: Uint8Array) => told.push({ data: Buffer.from(piece).toString() }),
    end: () => told.push('end'),
    control: (message: JsonObject) => told.push({ control: message }),
    closed: (reason: BoxliteError | null) => told.push({ closed: reason?.message ?? null }),
  };
  return { told, handlers };
}

/** A greeted pair whose guest serves every stream with `serve`. */
function pairServing(serve: (stream: PortalStream, pair: ChannelPair) => StreamHandlers) {
  const pair: ChannelPair = new ChannelPair({ guest: { open: (stream) => serve(stream, pair) } });
  pair.settle();
  return pair;
}

/** A pair with one stream that the guest has accepted. */
function acceptedStream() {
  const guest = recorder();
  const host = recorder();
  const served: PortalStream[] = [];
  const pair = pairServing((stream, { guest: channel }) => {
    served.push(stream);
    channel.accept(stream, { pid: 7 });
    return guest.handlers;
  });
  const asking = pair.host.open({ service: 'exec' }, host.handlers);
  pair.settle();
  const [serving] = served;
  assert.ok(serving !== undefined);
  assert.deepEqual(host.told.splice(0), [{ accepted: { pid: 7 } }]);
  return { pair, asking, serving, host, guest };
}

describe('Channel', () => {
  it('greets: the guest first, and each learns what the other said', () => {
    const peers: Hello[] = [];
    const ready: ChannelEvents = { ready: (peer) => peers.push(peer) };
    const pair = new ChannelPair({ host: ready, guest: ready });
    assert.equal(pair.links.host.sent.length, 0);
    pair.settle();
    assert.deepEqual(peers, [
      { min: 1, max: 1, window: GUEST_WINDOW_BYTES, build: 'guest' },
      { min: 1, max: 1, window: HOST_WINDOW_BYTES, build: 'host' },
    ]);
  });

  it('lets the host speak first to a guest that waits for it, and not at all to one that is to wait on', () => {
    const first = new MemoryLink();
    new Channel({ role: 'host', link: first, events: {}, build: 'host', turn: 'first' });
    assert.deepEqual(
      first.sent.map(({ name }) => name),
      ['HELLO'],
    );
    const peers: string[] = [];
    const silent = new MemoryLink();
    const ready = { ready: ({ build }: Hello) => peers.push(build) };
    const host = { role: 'host', link: silent, events: ready, build: 'host' } as const;
    for (const turn of ['never', 'second'] as const) {
      new Channel({ ...host, turn }).receive(helloFrame());
      assert.equal(silent.sent.length, turn === 'never' ? 0 : 1);
    }
    assert.equal(peers.length, 2);
  });

  it('gives host streams odd numbers and guest streams even ones', () => {
    const serve: ChannelEvents = { open: () => ({}) };
    const pair = new ChannelPair({ host: serve, guest: serve });
    pair.settle();
    const ids = (side: 'host' | 'guest') => [0, 1].map(() => pair[side].open({}, {}).id);
    assert.deepEqual(
      [ids('host'), ids('guest')],
      [
        [1, 3],
        [2, 4],
      ],
    );
    pair.settle();
    assert.equal(pair.host.failure ?? pair.guest.failure, null);
  });

  it('carries bytes and messages both ways', () => {
    const { pair, asking, serving, host, guest } = acceptedStream();
    void asking.write(Buffer.from('in'));
    asking.control({ resize: { rows: 1, cols: 2 } });
    void serving.write(Buffer.from('out'));
    pair.settle();
    assert.deepEqual(guest.told, [{ data: 'in' }, { control: { resize: { rows: 1, cols: 2 } } }]);
    assert.deepEqual(host.told, [{ data: 'out' }]);
  });

  it('hears how a command ended after both sides have sent all their bytes', () => {
    const { pair, asking, serving, host, guest } = acceptedStream();
    asking.end();
    pair.settle();
    serving.end();
    pair.settle();
    assert.equal(asking.closed, false);
    serving.finish({ exit: { code: 3 } });
    pair.settle();
    assert.deepEqual(host.told, ['end', { control: { exit: { code: 3 } } }, { closed: null }]);
    assert.deepEqual(guest.told, ['end', { closed: null }]);
  });

  it('closes a stream with one frame where the end is the last word', () => {
    const { pair, serving, host } = acceptedStream();
    void serving.write(Buffer.from('all'));
    serving.finish();
    pair.settle();
    assert.deepEqual(host.told, [{ data: 'all' }, 'end', { closed: null }]);
    assert.deepEqual(pair.links.guest.sent.at(-1), {
      name: 'END',
      stream: 1,
      flags: FINAL,
      bytes: 0,
    });
  });

  it('tells a refused stream why, with the code as its cause', () => {
    const reasons: (BoxliteError | null)[] = [];
    const served = recorder();
    const pair = pairServing((stream, { guest }) => {
      guest.reject(stream, refusal);
      guest.reject(stream, refusal);
      return served.handlers;
    });
    pair.host.open({}, { closed: (reason) => reasons.push(reason) });
    pair.settle();
    assert.equal(reasons.length, 1);
    assert.ok(BoxliteError.is(reasons[0], 'Run'));
    assert.equal(reasons[0].message, refusal.message);
    assert.deepEqual(reasons[0].cause, { code: refusal.code });
    assert.deepEqual(served.told, [{ closed: refusal.message }]);
    assert.equal(pair.links.guest.sent.filter(({ name }) => name === 'REJECT').length, 1);
  });

  it('gives a stream up on both sides when one resets it', () => {
    const { pair, asking, serving, host, guest } = acceptedStream();
    asking.reset({ code: 'aborted', message: 'no longer wanted' });
    asking.reset({ code: 'aborted', message: 'again' });
    asking.control({ late: true });
    pair.settle();
    assert.ok(asking.closed && serving.closed);
    assert.deepEqual(host.told, [{ closed: 'no longer wanted' }]);
    assert.deepEqual(guest.told, [{ closed: 'no longer wanted' }]);
  });

  it('refuses to write after the end, and fails what waits when the stream closes', async () => {
    const { pair, asking, serving } = acceptedStream();
    const ended = { kind: 'InvalidState', message: /the stream has ended/ };
    pair.links.host.writable = false;
    const waiting = asking.write(Buffer.from('never sent'));
    asking.end();
    await assert.rejects(asking.write(Buffer.from('too late')), ended);
    serving.finish();
    pair.settle();
    await assert.rejects(waiting, ended);
    await assert.rejects(asking.write(Buffer.from('later still')), ended);
  });

  it('fails every stream and every write with the reason why the channel failed', async () => {
    const told: unknown[] = [];
    const pair = new ChannelPair({ host: { failed: (reason) => told.push(['failed', reason]) } });
    pair.settle();
    const closed = (name: string) => (reason: BoxliteError | null) => told.push([name, reason]);
    const first = pair.host.open({}, { closed: closed('first') });
    pair.host.attach({ closed: closed('second') });
    pair.links.host.writable = false;
    const waiting = first.write(Buffer.from('x'));
    const reason = new BoxliteError('Engine', 'the VMM was killed');
    pair.host.fail(reason);
    pair.host.fail(new BoxliteError('Engine', 'again'));
    await assert.rejects(waiting, reason);
    assert.deepEqual(told, [
      ['first', reason],
      ['second', reason],
      ['failed', reason],
    ]);
  });

  it('sends a large request in parts, which arrive as one', () => {
    const requests: JsonObject[] = [];
    const pair = new ChannelPair({
      guest: {
        open: (_, request) => {
          requests.push(request);
          return {};
        },
      },
    });
    pair.settle();
    const request = { argv: ['x'.repeat(FRAME_BYTES_MAX), 'é'.repeat(FRAME_BYTES_MAX)] };
    pair.host.open(request, {});
    const parts = pair.links.host.sent.slice(1).map(({ name, flags }) => [name, flags]);
    assert.deepEqual(parts, [
      ['OPEN', MORE],
      ['OPEN', MORE],
      ['OPEN', MORE],
      ['OPEN', 0],
    ]);
    pair.settle();
    assert.deepEqual(requests, [request]);
  });

  it('sends no part of a request that is too large, and opens no stream for it', () => {
    const { pair } = acceptedStream();
    const before = pair.links.host.sent.length;
    const tooLarge = { kind: 'InvalidArgument', message: /at most 4194304 can be sent/ };
    assert.throws(() => pair.host.open({ x: 'x'.repeat(CONTROL_BYTES_MAX) }, {}), tooLarge);
    assert.equal(pair.links.host.sent.length, before);
    assert.equal(pair.host.open({}, {}).id, 3);
  });

  it('does not let a guest say more than a host listens to', () => {
    const { serving } = acceptedStream();
    assert.throws(() => serving.control({ x: 'x'.repeat(GUEST_CONTROL_BYTES_MAX) }), {
      kind: 'InvalidArgument',
    });
  });

  it('opens no more streams than the protocol has', () => {
    const pair = pairServing(() => ({}));
    const streams = Array.from({ length: STREAMS_MAX }, () => pair.host.attach({}));
    const tooMany = {
      kind: 'InvalidState',
      message: new RegExp(`${STREAMS_MAX} are open, wait for one to end`),
    };
    assert.throws(() => pair.host.attach({}), tooMany);
    streams[0]?.close(null);
    assert.equal(pair.host.attach({}).closed, false);
  });

  it('waits for credit before it sends more than the window', async () => {
    const { pair, asking, serving, guest } = acceptedStream();
    const sent = asking.write(Buffer.alloc(GUEST_WINDOW_BYTES + 1));
    pair.settle();
    assert.equal(pair.links.host.dataSent.get(1), GUEST_WINDOW_BYTES);
    assert.ok(guest.told.length > 0);
    serving.consumed(GUEST_WINDOW_BYTES);
    pair.settle();
    await sent;
    assert.equal(pair.links.host.dataSent.get(1), GUEST_WINDOW_BYTES + 1);
  });

  it('gives credit back by itself for a stream that nobody reads', () => {
    const pair = pairServing((stream) => {
      void stream.write(Buffer.alloc(3 * HOST_WINDOW_BYTES));
      return {};
    });
    pair.host.open({}, {});
    pair.settle();
    assert.equal(pair.links.guest.dataSent.get(1), 3 * HOST_WINDOW_BYTES);
  });
});
