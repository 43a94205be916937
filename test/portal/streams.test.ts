import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BoxliteError } from '../../src/base/errors.ts';
import {
  GUEST_WINDOW_BYTES,
  HOST_WINDOW_BYTES,
  type JsonObject,
} from '../../src/portal/messages.ts';
import type { PortalStream, StreamHandlers } from '../../src/portal/stream.ts';
import { ChannelPair, opposite, type Side } from './memory-link.ts';

const windows = { host: HOST_WINDOW_BYTES, guest: GUEST_WINDOW_BYTES };

/** Bytes that differ from place to place: a piece that is lost, doubled or swapped shows. */
const PERIOD = 65_537;
const WRITE_BYTES_MAX = 700_000;
const pattern = Buffer.alloc(PERIOD + WRITE_BYTES_MAX);
for (let i = 0, seed = 1; i < pattern.length; i++) {
  if (i % PERIOD === 0) seed = 1;
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
  pattern[i] = seed >>> 16;
}

function patternAt(offset: number, length: number): Uint8Array {
  return pattern.subarray(offset % PERIOD, (offset % PERIOD) + length);
}

/** One side of a stream: what it did, and what it was told. */
class End {
  readonly stream: PortalStream;
  wrote = 0;
  ended = false;
  finished = false;
  said: string[] = [];
  got = 0;
  consumed = 0;
  sawEnd = false;
  heard: string[] = [];
  answers: unknown[] = [];
  closings: (BoxliteError | null)[] = [];
  writes = 0;
  settledWrites = 0;

  constructor(open: (handlers: StreamHandlers) => PortalStream) {
    this.stream = open({
      data: (piece) => {
        const wanted = patternAt(this.got, piece.length);
        assert.ok(Buffer.compare(piece, wanted) === 0, `wrong bytes at ${this.got}`);
        assert.ok(!this.sawEnd, 'bytes after the end');
        this.got += piece.length;
      },
      end: () => {
        assert.ok(!this.sawEnd, 'the end twice');
        this.sawEnd = true;
      },
      // A last message may be empty: it only carries the FINAL.
      control: ({ word }) => word !== undefined && this.heard.push(String(word)),
      accepted: (answer) => this.answers.push(answer),
      closed: (reason) => this.closings.push(reason),
    });
  }

  write(size: number): void {
    if (this.stream.closed || this.ended) return;
    const settled = () => {
      this.settledWrites++;
    };
    this.writes++;
    this.stream.write(patternAt(this.wrote, size)).then(settled, settled);
    this.wrote += size;
  }

  say(word: string): void {
    if (!this.stream.closed && !this.finished) this.said.push(word);
    this.stream.control({ word });
  }

  end(): void {
    if (this.stream.closed) return;
    this.stream.end();
    this.ended = true;
  }

  /** Closes both directions, with a last message unless it is null. */
  finish(word: string | null, pair: Pair): void {
    if (this.stream.closed || pair.finished) return;
    pair.finished = true;
    this.finished = true;
    this.ended = true;
    if (word !== null) this.said.push(word);
    this.stream.finish(word === null ? undefined : { word });
  }

  consume(share: number): void {
    const bytes = Math.ceil((this.got - this.consumed) * share);
    this.consumed += bytes;
    this.stream.consumed(bytes);
  }
}

/** What the opener's request tells the serving side to do at once. */
type Answer = 'accept' | 'reject' | 'reset' | 'wait';

/** A stream as both sides see it. */
interface Pair {
  readonly opener: Side;
  readonly answer: Answer;
  readonly ends: { host: End | null; guest: End | null };
  /** Its end was asked for by FINAL, so that everything before it must have arrived. */
  finished: boolean;
  /** Refused, or given up by one side, with an error. */
  givenUp: boolean;
}

class Model {
  readonly pairs: Pair[] = [];
  readonly failures: BoxliteError[] = [];
  readonly wires: ChannelPair;

  constructor() {
    const events = (side: Side) => ({
      open: (stream: PortalStream, request: JsonObject) => this.#serve(side, stream, request),
      failed: (reason: BoxliteError) => this.failures.push(reason),
    });
    this.wires = new ChannelPair({ host: events('host'), guest: events('guest') });
    this.wires.settle();
  }

  open(opener: Side, answer: Answer): void {
    const givenUp = answer === 'reject' || answer === 'reset';
    const ends = { host: null, guest: null };
    const pair: Pair = { opener, answer, ends, finished: false, givenUp };
    const request = { service: 'a test', number: this.pairs.length };
    this.pairs.push(pair);
    pair.ends[opener] = new End((handlers) => this.wires[opener].open(request, handlers));
  }

  #serve(side: Side, stream: PortalStream, request: JsonObject): StreamHandlers {
    const pair = this.pairs[Number(request['number'])];
    assert.ok(pair !== undefined && pair.opener !== side && pair.ends[side] === null);
    let own: StreamHandlers = {};
    pair.ends[side] = new End((handlers) => {
      own = handlers;
      return stream;
    });
    const refusal = { code: 'no', message: 'not today' };
    if (pair.answer === 'accept') this.wires[side].accept(stream, { number: request['number'] });
    if (pair.answer === 'reject') this.wires[side].reject(stream, refusal);
    if (pair.answer === 'reset') stream.reset(refusal);
    return own;
  }

  /** What can never be, at any moment. */
  check(): void {
    assert.deepEqual(this.failures, []);
    for (const { ends } of this.pairs) {
      for (const side of ['host', 'guest'] as const) {
        const from = ends[side];
        const to = ends[opposite(side)];
        if (from === null) continue;
        assert.ok(from.closings.length === (from.stream.closed ? 1 : 0), 'closed exactly once');
        const sent = this.wires.links[side].dataSent.get(from.stream.id) ?? 0;
        assert.ok(sent <= from.wrote);
        const open = sent - (to?.consumed ?? 0);
        assert.ok(open <= windows[opposite(side)], `${open} bytes are under way to ${side}`);
        assert.ok(to === null || to.got <= sent);
      }
    }
  }

  /** Lets everything that can happen happen. */
  settle(): void {
    for (let before = -1, after = this.#progress(); before !== after; after = this.#progress()) {
      before = after;
      for (const side of ['host', 'guest'] as const) {
        this.wires.links[side].writable = true;
        this.wires[side].flush();
        this.wires.carry(side);
        for (const { ends } of this.pairs) ends[opposite(side)]?.consume(1);
      }
      this.check();
    }
  }

  #progress(): number {
    return this.wires.links.host.sent.length + this.wires.links.guest.sent.length;
  }

  /** After {@link settle}: whatever was sent on a stream nobody gave up has arrived. */
  checkArrived(): void {
    for (const { opener, ends, finished, givenUp } of this.pairs) {
      const asking = ends[opener];
      const serving = ends[opposite(opener)];
      assert.ok(asking !== null && serving !== null);
      assert.equal(asking.stream.closed, serving.stream.closed);
      const proper = asking.closings[0] === null;
      if (proper) assert.ok(finished && serving.closings[0] === null);
      if (finished && !givenUp) assert.ok(proper);
      if (!finished && !givenUp) assert.ok(!asking.stream.closed);
      if (!asking.stream.closed || proper) this.#checkDirection(serving, asking);
      if (!asking.stream.closed) this.#checkDirection(asking, serving);
      assert.ok(serving.got <= asking.wrote);
      assert.ok(serving.heard.every((word, i) => word === asking.said[i]));
    }
  }

  #checkDirection(from: End, to: End): void {
    assert.equal(to.got, from.wrote);
    assert.equal(to.sawEnd, from.ended);
    assert.deepEqual(to.heard, from.said);
  }
}

/** One step of a run, which a counterexample shows by its name. */
class Step {
  readonly #name: string;
  readonly run: (model: Model) => void;

  constructor(name: string, run: (model: Model) => void) {
    this.#name = name;
    this.run = run;
  }

  [fc.toStringMethod](): string {
    return this.#name;
  }
}

const anySide = fc.constantFrom<Side>('host', 'guest');
const anySize = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.constantFrom(70_000, 262_144, 300_000, WRITE_BYTES_MAX),
);
const nothing = fc.constant(null);

/** Something done by one side to one stream, if there is such a one. */
function onEnd<T>(
  name: string,
  value: fc.Arbitrary<T>,
  act: (end: End, value: T, pair: Pair, side: Side) => void,
): fc.Arbitrary<Step> {
  return fc.tuple(fc.nat(5), anySide, value).map(([index, side, given]) => {
    return new Step(`${side} ${index} ${name} ${given}`, (model) => {
      const pair = model.pairs[index % (model.pairs.length || 1)];
      const end = pair?.ends[side];
      if (pair !== undefined && end) act(end, given, pair, side);
    });
  });
}

/** Something done to one side's wire. */
function onWire<T>(
  name: string,
  value: fc.Arbitrary<T>,
  act: (model: Model, side: Side, value: T) => void,
): fc.Arbitrary<Step> {
  return fc.tuple(anySide, value).map(([side, given]) => {
    return new Step(`${side} ${name} ${given}`, (model) => act(model, side, given));
  });
}

const anyAnswer = fc.constantFrom<Answer>('accept', 'accept', 'accept', 'reject', 'reset', 'wait');

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: onWire('open', anyAnswer, (model, side, answer) => {
      if (model.pairs.length < 6) model.open(side, answer);
    }),
  },
  { weight: 8, arbitrary: onEnd('write', anySize, (end, size) => end.write(size)) },
  { weight: 3, arbitrary: onEnd('say', fc.string(), (end, word) => end.say(word)) },
  {
    weight: 4,
    arbitrary: onEnd('consume', fc.constantFrom(0.1, 0.5, 1), (end, share) => end.consume(share)),
  },
  { weight: 2, arbitrary: onEnd('end', nothing, (end) => end.end()) },
  {
    weight: 1,
    arbitrary: onEnd('finish', fc.option(fc.string()), (end, word, pair, side) => {
      if (side !== pair.opener) end.finish(word, pair);
    }),
  },
  {
    weight: 1,
    arbitrary: onEnd('reset', nothing, (end, _, pair) => {
      pair.givenUp ||= !end.stream.closed;
      end.stream.reset({ code: 'enough', message: 'no more of this' });
    }),
  },
  {
    weight: 8,
    arbitrary: onWire(
      'carry',
      fc.constantFrom(1, 5, 1000, 100_000, 1_000_000),
      (model, side, bytes) => model.wires.carry(side, bytes),
    ),
  },
  {
    weight: 3,
    arbitrary: onWire('writable', fc.boolean(), (model, side, writable) => {
      model.wires.links[side].writable = writable;
      model.wires[side].flush();
    }),
  },
);

describe('two channels back to back', () => {
  it('carry all bytes in order within their windows, and close each stream once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: 'max' }), async (steps) => {
        const model = new Model();
        for (const step of steps) {
          step.run(model);
          model.check();
        }
        model.settle();
        model.checkArrived();

        for (const pair of model.pairs) pair.ends[opposite(pair.opener)]?.finish(null, pair);
        model.settle();
        model.checkArrived();
        // The writes' promises.
        await new Promise(setImmediate);
        for (const { ends } of model.pairs) {
          for (const end of [ends.host, ends.guest]) {
            assert.equal(end?.closings.length, 1);
            assert.equal(end.settledWrites, end.writes);
          }
        }
      }),
      { numRuns: 250 },
    );
  });

  it('take turns: no stream waits for another one that has much to send', () => {
    const { host, guest, links } = servedPair();
    const loud = [host.open({ n: 1 }, {}), host.open({ n: 2 }, {})];
    links.host.writable = false;
    for (const stream of loud) void stream.write(Buffer.alloc(400_000)).catch(() => undefined);
    links.host.writable = true;
    links.host.sent.length = 0;
    host.flush();
    assert.deepEqual(
      links.host.sent.map(({ stream }) => stream),
      [1, 3, 1, 3],
    );
    assert.equal(guest.failure, null);
  });
});

/** A pair whose guest accepts everything and consumes nothing. */
function servedPair(): ChannelPair {
  const pair: ChannelPair = new ChannelPair({
    guest: {
      open: (stream) => {
        pair.guest.accept(stream, {});
        return { data: () => undefined };
      },
    },
  });
  pair.settle();
  return pair;
}
