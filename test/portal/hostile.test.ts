/** A host meets a guest that does as it likes. Whatever comes, the box fails, and nothing else does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { Channel, type ChannelEvents } from '../../src/portal/channel.ts';
import { encodeFrame, encodeHeader } from '../../src/portal/frame.ts';
import {
  FRAME_BYTES_MAX,
  type FrameTypeName,
  frameFlags,
  frameRules,
  GUEST_CONTROL_BYTES_MAX,
  HOST_WINDOW_BYTES,
  JSON_DEPTH_MAX,
  STREAMS_MAX,
  SYNC_BYTES_MAX,
  WINDOW_BYTES_MAX,
} from '../../src/portal/messages.ts';
import type { PortalStream, StreamHandlers } from '../../src/portal/stream.ts';
import { assertViolation, cutAt, helloFrame, jsonFrame, windowFrame } from './bytes.ts';
import { MemoryLink } from './memory-link.ts';

const { MORE, MAILBOX, FINAL } = frameFlags;
/** What may wait for a guest that does not read: the channel's bound, and one more answer. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024 + 4096;

/** A host's channel, and what became of it. */
class Host {
  readonly link = new MemoryLink();
  readonly failures: BoxliteError[] = [];
  readonly closings: (BoxliteError | null)[] = [];
  readonly channel: Channel;

  constructor(events: ChannelEvents = {}) {
    const failed = (reason: BoxliteError) => this.failures.push(reason);
    const build = 'a host';
    this.channel = new Channel({
      role: 'host',
      link: this.link,
      events: { ...events, failed },
      build,
    });
  }

  /** A host whose guest has been polite so far, with stream 1 accepted. */
  static greeted(events: ChannelEvents = {}, handlers: StreamHandlers = {}): Host {
    const host = new Host(events);
    host.receive(helloFrame());
    host.open(handlers);
    host.receive(jsonFrame('ACCEPT', 1, {}));
    assert.equal(host.channel.failure, null);
    return host;
  }

  open(handlers: StreamHandlers = {}): PortalStream {
    const closed = (reason: BoxliteError | null) => this.closings.push(reason);
    return this.channel.open({ service: 'a test' }, { ...handlers, closed });
  }

  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.channel.receive(chunk);
  }

  /** Sends as long as the channel takes it; returns how often that was. */
  flood(next: (i: number) => Uint8Array, limit = 1_000_000): number {
    let count = 0;
    while (this.channel.failure === null && count < limit) this.channel.receive(next(count++));
    return count;
  }

  /** The channel has failed with a breach, once, and so has each of its streams; nothing more is said. */
  assertFailed(what?: RegExp): void {
    assert.equal(this.failures.length, 1, 'failed is told once');
    assertViolation(this.failures[0], what);
    assert.equal(this.channel.failure, this.failures[0]);
    for (const reason of this.closings) assert.equal(reason, this.failures[0]);
    const before = this.link.sent.length;
    this.receive(helloFrame(), encodeFrame('PING', 0, new Uint8Array(8)), new Uint8Array(100));
    assert.equal(this.link.sent.length, before, 'a failed channel is silent');
    assert.throws(() => this.channel.open({}, {}), this.failures[0]);
    assert.equal(this.failures.length, 1);
  }
}

/** One attack: the frames, and what is said of them. */
type Attack = [name: string, what: RegExp, ...frames: Uint8Array[]];

const control = (text: string | Uint8Array, name: FrameTypeName = 'CONTROL', stream = 1) =>
  encodeFrame(name, stream, Buffer.from(text));
const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
const data = (stream: number, size: number) => encodeFrame('DATA', stream, Buffer.alloc(size));
const end = (stream: number, flags = 0) => encodeFrame('END', stream, Buffer.alloc(0), flags);
const refusal = { code: 'no', message: 'no '.repeat(100) };

const attacks: Attack[] = [
  ['HELLO twice', /HELLO twice/, helloFrame()],
  ['a DATA frame that is too long', /DATA of/, encodeHeader('DATA', 1, FRAME_BYTES_MAX + 1)],
  [
    'a control message that is too long',
    /more than 65536/,
    encodeHeader('CONTROL', 1, GUEST_CONTROL_BYTES_MAX + 1),
  ],
  ['an unknown frame type', /unknown frame type 99/, Buffer.alloc(12, 99)],
  ['bad JSON', /not JSON/, control('{"a":')],
  ['no JSON at all', /not JSON/, control('')],
  ['JSON and more', /not JSON/, control('{} {}')],
  ['bytes that are no text', /not JSON/, control(Buffer.from([0x7b, 0x22, 0xff, 0x22]))],
  ['an array for an object', /not a JSON object/, control('[]')],
  ['null for an object', /not a JSON object/, control('null')],
  ['a number for an object', /not a JSON object/, control('1')],
  ['deep JSON', /deep/, control(nested(JSON_DEPTH_MAX + 1))],
  ['very deep JSON', /deep/, control(`{"a":${'['.repeat(60_000)}`)],
  ['JSON that pretends to close', /deep/, control(`{"]]]]":"\\"}}}","a":${nested(16)}}`)],
  ['RESET without words', /not text/, control('{}', 'RESET')],
  ['GOAWAY with bad JSON', /not JSON/, control('!', 'GOAWAY', 0)],
  ['DATA for an unknown stream', /stream 3, which was never/, data(3, 1)],
  ['DATA for an unknown stream of its own', /stream 2, which was never/, data(2, 1)],
  ['WINDOW for an unknown stream', /never opened/, windowFrame(5, 1)],
  ['END for an unknown stream', /never opened/, end(2)],
  ['ACCEPT of an unknown stream', /never opened/, jsonFrame('ACCEPT', 99, {})],
  ['REJECT of an unknown stream', /never opened/, jsonFrame('REJECT', 99, refusal)],
  ['RESET of an unknown stream', /never opened/, jsonFrame('RESET', 0xffffffff, refusal)],
  ['CONTROL for an unknown stream', /never opened/, jsonFrame('CONTROL', 4, {})],
  ['a stream of the wrong parity', /not the sender's/, jsonFrame('OPEN', 3, {})],
  ["the host's own stream opened", /not the sender's/, jsonFrame('OPEN', 1, {})],
  ['a service that nobody offers', /nothing is offered/, jsonFrame('OPEN', 2, {})],
  ['ACCEPT twice', /not asked for/, jsonFrame('ACCEPT', 1, {})],
  ['REJECT after ACCEPT', /not asked for/, jsonFrame('REJECT', 1, refusal)],
  ['END twice', /END twice/, end(1), end(1)],
  ['DATA after END', /DATA after END/, end(1), data(1, 1)],
  [
    'more DATA than credit',
    /more DATA than credit/,
    ...Array.from({ length: HOST_WINDOW_BYTES / FRAME_BYTES_MAX }, () => data(1, FRAME_BYTES_MAX)),
    data(1, 1),
  ],
  ['too much credit at once', /too much credit/, windowFrame(1, WINDOW_BYTES_MAX)],
  [
    'too much credit in steps',
    /too much credit/,
    ...Array.from({ length: 4 }, () => windowFrame(1, WINDOW_BYTES_MAX / 4)),
  ],
  ['credit of 4 GiB', /too much credit/, windowFrame(1, 0xffffffff)],
  ['mailbox pieces where there is no mailbox', /WINDOW on stream 0/, windowFrame(0, 1)],
  ['DATA by mailbox', /mailbox/, encodeFrame('DATA', 1, Buffer.alloc(8), MAILBOX)],
  ['CONTROL by mailbox', /mailbox/, encodeFrame('CONTROL', 1, Buffer.alloc(8), MAILBOX)],
  ['an empty part of a message', /of 0 bytes/, encodeHeader('CONTROL', 1, 0, MORE)],
  [
    'DATA in the middle of a message',
    /in the middle/,
    encodeFrame('CONTROL', 1, Buffer.from('{'), MORE),
    data(1, 1),
  ],
];

describe('a hostile guest', () => {
  for (const [name, what, ...frames] of attacks) {
    it(`fails its box with ${name}`, () => {
      const whole = Host.greeted({}, { data: () => undefined });
      whole.receive(...frames);
      whole.assertFailed(what);

      const cut = Host.greeted({}, { data: () => undefined });
      const bytes = Buffer.concat(frames);
      const places = Array.from({ length: 50 }, (_, i) => i * 7);
      cut.receive(...cutAt(bytes, places));
      cut.assertFailed(what);
    });
  }

  const hellos: [string, RegExp, Parameters<typeof helloFrame>[0]][] = [
    ['no credit', /no credit/, { window: 0 }],
    ['credit without end', /"window" is not/, { window: WINDOW_BYTES_MAX + 1 }],
    ['negative credit', /"window" is not/, { window: -1 }],
    ['credit that is no number', /"window" is not/, { window: '1' as unknown as number }],
    ['half a version', /"min" is not/, { min: 0.5 }],
    ['a build that is no text', /"build" is not text/, { build: null as unknown as string }],
  ];
  for (const [name, what, changes] of hellos) {
    it(`fails its box with a HELLO of ${name}`, () => {
      const host = new Host();
      host.receive(helloFrame(changes));
      host.assertFailed(what);
    });
  }

  for (const [min, max] of [
    [2, 9],
    [0, 0],
    [5, 0],
  ] as const) {
    it(`that speaks versions ${min} to ${max} is told apart by its build`, () => {
      const host = new Host();
      host.receive(helloFrame({ min, max, build: 'the \u001b[31mred agent' }));
      assert.equal(host.failures.length, 1);
      assert.ok(BoxliteError.is(host.failures[0], 'Portal'));
      assert.match(host.failures[0].message, /agent "the \ufffd\[31mred agent" speaks portal/);
      assert.equal(host.link.sent.length, 0);
    });
  }

  it('that says everything but HELLO is given up after 64 KiB', () => {
    const host = new Host();
    const count = host.flood(() => data(1, 1000));
    host.assertFailed(/no HELLO/);
    assert.ok(count <= SYNC_BYTES_MAX / 1000 + 1);
  });

  it('is not sent OPEN before its HELLO', () => {
    const host = new Host();
    const beforeHello = { kind: 'InvalidState', message: /before the other side said HELLO/ };
    assert.throws(() => host.channel.open({}, {}), beforeHello);
    assert.throws(() => host.channel.attach({}), beforeHello);
    assert.equal(host.link.sent.length, 0);
  });

  it('cannot open a stream twice, nor go back to an older one', () => {
    for (const ids of [
      [2, 2],
      [4, 2],
    ]) {
      const host = Host.greeted({ open: () => ({}) });
      host.receive(...ids.map((id) => jsonFrame('OPEN', id, {})));
      host.assertFailed(/twice/);
    }
  });

  it('cannot open streams without end', () => {
    const host = Host.greeted({
      open: () => ({ closed: (reason) => host.closings.push(reason) }),
    });
    const count = host.flood((i) => jsonFrame('OPEN', 2 + 2 * i, {}));
    host.assertFailed(new RegExp(`more than ${STREAMS_MAX} streams`));
    assert.equal(count, STREAMS_MAX, 'one stream is the host’s');
    assert.equal(host.closings.length, STREAMS_MAX);
  });

  it('cannot answer what was attached to another request', () => {
    for (const name of ['ACCEPT', 'REJECT'] as const) {
      const host = Host.greeted();
      host.channel.attach({});
      host.receive(jsonFrame(name, 3, refusal));
      host.assertFailed(/not asked for/);
    }
  });

  it('cannot answer its own request', () => {
    const host = Host.greeted({ open: () => ({}) });
    host.receive(jsonFrame('OPEN', 2, {}), jsonFrame('ACCEPT', 2, {}));
    host.assertFailed(/not asked for/);
  });

  it('that opens, is refused and never reads is given up', () => {
    const host = Host.greeted({
      open: (stream) => {
        host.channel.reject(stream, refusal);
        return {};
      },
    });
    host.flood((i) => jsonFrame('OPEN', 2 + 2 * i, {}));
    host.assertFailed(/does not read/);
    assert.ok(host.link.backlog < BACKLOG_BYTES_MAX);
  });

  it('that sends PINGs and never reads is given up', () => {
    const host = Host.greeted();
    const pings = Buffer.concat(
      Array.from({ length: 1000 }, () => encodeFrame('PING', 0, Buffer.alloc(8, 1))),
    );
    host.flood(() => pings);
    host.assertFailed(/does not read/);
    assert.ok(host.link.backlog < BACKLOG_BYTES_MAX);
  });

  it('may send as many PINGs as it likes if it reads the answers', () => {
    const host = Host.greeted();
    const ping = encodeFrame('PING', 0, Buffer.from('12345678'));
    host.flood(() => {
      const answers = host.link.take(Number.POSITIVE_INFINITY);
      assert.ok(answers.length < 200);
      return ping;
    }, 50_000);
    assert.equal(host.channel.failure, null);
    const pong = Buffer.from(encodeFrame('PONG', 0, Buffer.from('12345678')));
    assert.deepEqual(Buffer.from(host.link.take(1000)), pong);
  });

  for (const size of [1, 100, 4096]) {
    it(`cannot send MORE without end in parts of ${size}`, () => {
      const host = Host.greeted();
      const part = encodeFrame('CONTROL', 1, Buffer.alloc(size, 0x20), MORE);
      const count = host.flood(() => part);
      host.assertFailed(/more than 65536 bytes/);
      assert.equal(count, Math.floor(GUEST_CONTROL_BYTES_MAX / size) + 1);
    });
  }

  it('is held to its credit, which grows only by what the host has used', () => {
    let used = 0;
    const host = Host.greeted();
    const stream: PortalStream = host.open({
      data: (piece) => {
        used += piece.length;
        if (used <= HOST_WINDOW_BYTES / 2) stream.consumed(piece.length);
      },
    });
    host.receive(jsonFrame('ACCEPT', 3, {}));
    const count = host.flood(() => data(3, 1024));
    host.assertFailed(/more DATA than credit on stream 3/);
    assert.equal(count, (1.5 * HOST_WINDOW_BYTES) / 1024 + 1);
  });

  it('may send late frames for a stream that the host has given up', () => {
    const host = Host.greeted({ open: () => ({}) });
    const stream = host.open({ data: () => assert.fail('data for a stream that was given up') });
    stream.reset(refusal);
    host.receive(
      jsonFrame('ACCEPT', 3, {}),
      data(3, FRAME_BYTES_MAX),
      windowFrame(3, 1000),
      jsonFrame('CONTROL', 3, { exit: { code: 0 } }),
      jsonFrame('RESET', 3, refusal),
      end(3, FINAL),
    );
    assert.equal(host.channel.failure, null);
  });

  it('says GOAWAY in words that are safe to show', () => {
    const host = Host.greeted();
    const message = `\u001b[2Jbye\r${'x'.repeat(5000)}`;
    host.receive(jsonFrame('GOAWAY', 0, { code: 'x', message }), jsonFrame('CONTROL', 1, {}));
    assert.equal(host.failures.length, 1);
    assert.ok(BoxliteError.is(host.failures[0], 'Portal'));
    assert.equal(host.failures[0].message, `\ufffd[2Jbye\ufffd${'x'.repeat(1024 - 8)}`);
    assert.deepEqual(host.closings, [host.failures[0]]);
  });

  it('does not get a failing handler of ours mistaken for a breach', () => {
    const mistake = new TypeError('x is not a function');
    const host = Host.greeted(
      {},
      {
        control: () => {
          throw mistake;
        },
      },
    );
    host.receive(jsonFrame('CONTROL', 1, {}));
    assert.ok(BoxliteError.is(host.failures[0], 'Internal'));
    assert.equal(host.failures[0].cause, mistake);
  });

  it('ends in failed or goes on, and is answered within bounds, whatever it sends', () => {
    const anyJson = fc.oneof(
      fc.constantFrom('{}', '{"exit":{"code":0}}', JSON.stringify(refusal), '[', 'null'),
      fc.json(),
    );
    const anyId = fc.oneof(fc.nat(8), fc.constantFrom(0xffffffff, 0x80000000));
    const anyFrame = fc
      .record({
        name: fc.constantFrom(...(Object.keys(frameRules) as FrameTypeName[])),
        stream: anyId,
        json: anyJson,
        flags: fc.constantFrom(0, 0, 0, FINAL, MORE, MAILBOX, 255),
        size: fc.constantFrom(4, 8, 0, 1000),
      })
      .map(({ name, stream, json, flags, size }) => {
        const { payload, on } = frameRules[name];
        const id = on === 'zero' ? 0 : stream;
        const body = payload === 'json' ? Buffer.from(json) : Buffer.alloc(size, 1);
        return encodeFrame(name, id, body, flags);
      });
    const cuts = fc.array(fc.nat(5000), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 40 }), cuts, (frames, places) => {
        const host = Host.greeted({ open: () => ({}) });
        const second = host.open();
        host.receive(...cutAt(Buffer.concat(frames), places));
        assert.ok(host.failures.length <= 1);
        assert.equal(host.channel.failure, host.failures[0] ?? null);
        if (host.failures.length === 1) {
          assert.ok(BoxliteError.is(host.failures[0], 'Portal'), String(host.failures[0]));
          assert.ok(second.closed);
          assert.equal(host.closings.length, 2);
        }
        assert.ok(host.link.backlog < 40 * 100);
      }),
      { numRuns: 500 },
    );
  });
});
