import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatherBudget } from '../../src/network/http/body.ts';
import {
  closeFrame,
  encodeFrame,
  encodeHead,
  FrameBreach,
  type FramePart,
  FrameReader,
  opcodes,
} from '../../src/network/http/web-socket-frames.ts';
import { MessageRewriter } from '../../src/network/http/web-socket-messages.ts';
import { TextMessage } from '../../src/network/http/web-socket-text.ts';
import { ForbiddenContent } from '../../src/network/secrets/screen.ts';
import { Substitution } from '../../src/network/secrets/substitution.ts';
import { secrets as readSecrets } from '../../src/spec/parse-network.ts';
import { frame, MessageReader, type Said, serverFrame } from './frames.ts';

const VALUE = 'sk-"live"-0123456789';
const PLACEHOLDER = '<BOXLITE_SECRET:key>';
const secrets = readSecrets(
  [
    { name: 'key', hosts: ['api.example'], value: VALUE },
    { name: 'other', hosts: ['other.example'], value: 'hidden' },
  ],
  'secrets',
);
const substitution = () => new Substitution(secrets, 'api.example', 443);
const none = { take: () => null };

function fromClient(budget: Pick<GatherBudget, 'take'> = new GatherBudget()): MessageRewriter {
  return new MessageRewriter({
    masked: true,
    filterFor: (opcode) => (opcode === opcodes.text ? new TextMessage(substitution()) : null),
    room: (bytes) => budget.take(bytes),
  });
}

function fromServer(budget: Pick<GatherBudget, 'take'> = new GatherBudget()): MessageRewriter {
  return new MessageRewriter({
    masked: false,
    filterFor: () => substitution().responseScreen(),
    room: (bytes) => budget.take(bytes),
  });
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

/** What comes out at the other end. */
function passed(rewriter: MessageRewriter, masked: boolean, pieces: readonly Uint8Array[]): Said[] {
  const reader = new MessageReader(masked);
  for (const piece of pieces) reader.push(rewriter.push(piece));
  return reader.said;
}

const key = fc.uint8Array({ minLength: 4, maxLength: 4 });
const cuts = fc.array(fc.nat(4_000), { maxLength: 12 });
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 120, maxLength: 130 }),
  fc.uint8Array({ minLength: 65_530, maxLength: 65_540 }),
);
/** Text with what is looked for in it, whole, begun, and broken off. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(PLACEHOLDER, '<BOXLITE_', 'SECRET:key>', '\\u003cBOXLITE_SECRET:key\\u003e'),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

describe('FrameReader', () => {
  it('reads what was written, wherever it is cut', () => {
    const frames = fc.array(
      fc.record({ payload, key: fc.option(key), control: fc.boolean(), final: fc.boolean() }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(frames, fc.boolean(), cuts, (all, masked, places) => {
        const written: { opcode: number; payload: Buffer }[] = [];
        let begun = false;
        const bytes = all.map((each) => {
          const control = each.control && each.payload.length <= 125;
          const data = begun ? opcodes.continuation : opcodes.binary;
          const opcode = control ? opcodes.ping : data;
          const final = control || each.final;
          if (!control) begun = !final;
          written.push({ opcode, payload: Buffer.from(each.payload) });
          const mask = masked ? (each.key ?? Uint8Array.of(1, 2, 3, 4)) : null;
          return encodeFrame({ opcode, final, key: mask }, each.payload);
        });
        const reader = new FrameReader(masked);
        const parts: FramePart[] = [];
        for (const piece of cutAt(Buffer.concat(bytes), places)) parts.push(...reader.read(piece));
        const read: { opcode: number; payload: Buffer }[] = [];
        for (const { head, offset, payload: piece } of parts) {
          if (offset === 0) read.push({ opcode: head.opcode, payload: Buffer.from(piece) });
          else read.push({ opcode: head.opcode, payload: joined(read.pop()?.payload, piece) });
        }
        assert.deepEqual(read, written);
      }),
    );
  });

  it('reads any bytes to their end, or says what is wrong with them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.boolean(),
        cuts,
        (bytes, masked, places) => {
          const reader = new FrameReader(masked);
          try {
            for (const piece of cutAt(bytes, places)) {
              for (const part of reader.read(piece)) assert.ok(part.payload.length <= bytes.length);
            }
          } catch (error) {
            assert.ok(error instanceof FrameBreach);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('takes no frame that another reader might take for something else', () => {
    const hex: [string, boolean, RegExp][] = [
      ['c180 00000000', true, /extension/],
      ['8100', true, /not masked/],
      ['8180 00000000', false, /is masked/],
      ['8380 00000000', true, /opcode 3/],
      ['8b80 00000000', true, /opcode 11/],
      ['0980 00000000', true, /control frame/],
      ['89fe 007e 00000000', true, /control frame/],
      ['8080 00000000', true, /continues none/],
      ['0180 00000000 8180 00000000', true, /in another one/],
      ['81fe 0010 00000000', true, /longer than it need be/],
      ['81ff 0000000000001000 00000000', true, /longer than it need be/],
      ['81ff ffffffffffffffff 00000000', true, /longer than anything is/],
    ];
    for (const [bytes, masked, wanted] of hex) {
      const reader = new FrameReader(masked);
      assert.throws(
        () => [...reader.read(Buffer.from(bytes.replaceAll(' ', ''), 'hex'))],
        (error: Error) => error instanceof FrameBreach && wanted.test(error.message),
        bytes,
      );
    }
  });

  it('writes what browsers write', () => {
    // RFC 6455, 5.7.
    const hello = Buffer.from('818537fa213d7f9f4d5158', 'hex');
    const mask = Buffer.from('37fa213d', 'hex');
    assert.deepEqual(Buffer.from(frame('Hello', { key: mask })), hello);
    assert.equal(
      Buffer.from(encodeHead({ final: true, opcode: 2, key: null }, 256)).toString('hex'),
      '827e0100',
    );
    assert.equal(
      Buffer.from(encodeHead({ final: true, opcode: 2, key: null }, 65_536)).toString('hex'),
      '827f0000000000010000',
    );
  });
});

describe('a WebSocket whose messages are rewritten', () => {
  it('has the value in a text, however it is framed and cut', () => {
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(60), { maxLength: 4 }),
        cuts,
        fc.boolean(),
        (texts, places, pieces, room) => {
          const bytes = texts.flatMap((each) => fragments(Buffer.from(each), places));
          const said = passed(
            fromClient(room ? new GatherBudget() : none),
            true,
            cutAt(Buffer.concat(bytes), pieces),
          );
          assert.deepEqual(
            said.map((each) => String(each.payload)),
            texts.map((each) => substituted(each)),
          );
        },
      ),
    );
  });

  it('is written as JSON is where the message looks like it', () => {
    const sent = (message: string) =>
      String(passed(fromClient(), true, [frame(message)])[0]?.payload);
    assert.deepEqual(JSON.parse(sent(` \n{"k":"${PLACEHOLDER}"}`)), { k: VALUE });
    assert.equal(JSON.parse(sent('["\\u003cBOXLITE_SECRET:key\\u003e"]'))[0], VALUE);
    assert.equal(sent(`AUTH ${PLACEHOLDER}`), `AUTH ${VALUE}`);
    assert.equal(sent('  '), '  ');
  });

  it('keeps a message in one frame while there is room, and streams what is larger', () => {
    const budget = new GatherBudget();
    const bytes = frame(`${'x'.repeat(300_000)}${PLACEHOLDER}`);
    const pieces = cutAt(bytes, [5_000, 100_000, 299_990, 300_020]);
    const [whole] = passed(fromClient(budget), true, pieces);
    assert.equal(whole?.frames, 1);
    assert.equal(whole?.payload.length, 300_000 + VALUE.length);
    const large = fromClient(budget);
    const [first, ...rest] = cutAt(frame(`${'x'.repeat(3_000_000)}${PLACEHOLDER}`), [1_000]);
    const reader = new MessageReader(true);
    const begun = large.push(first ?? new Uint8Array());
    assert.ok(begun.length > 900, 'it is not held back');
    reader.push(begun);
    for (const piece of rest) reader.push(large.push(piece));
    assert.equal(reader.said[0]?.payload.length, 3_000_000 + VALUE.length);
  });

  it('gives room back when it ends in the midst of a frame', () => {
    let taken = 0;
    const rewriter = fromClient({
      take: (bytes) => {
        taken += bytes ?? 0;
        return {
          [Symbol.dispose]: () => {
            taken -= bytes ?? 0;
          },
        };
      },
    });
    rewriter.push(frame('x'.repeat(1_000)).subarray(0, 500));
    assert.equal(taken, 1_000);
    rewriter[Symbol.dispose]();
    assert.equal(taken, 0);
  });

  it('passes binary messages of a client, and what stands between, as they are', () => {
    const bytes = Buffer.concat([
      frame(`a ${PLACEHOLDER}`, { opcode: opcodes.binary, final: false }),
      frame('ping', { opcode: opcodes.ping }),
      frame('<BOXLITE_SECRET:other>', { opcode: opcodes.continuation }),
      frame(`\x03\xe8${PLACEHOLDER}`, { opcode: opcodes.close }),
    ]);
    fc.assert(
      fc.property(cuts, (places) => {
        const rewriter = fromClient();
        const out = cutAt(bytes, places).map((piece) => rewriter.push(piece));
        assert.deepEqual(Buffer.concat(out), bytes);
      }),
    );
  });

  it('ends at the placeholder of another, in whatever frames it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 4 }), cuts, (places, pieces) => {
        const bytes = fragments(Buffer.from('some <BOXLITE_SECRET:other> text'), places);
        assert.throws(
          () => passed(fromClient(), true, cutAt(Buffer.concat(bytes), pieces)),
          (error) => error instanceof ForbiddenContent && error.secret === 'other',
        );
      }),
    );
  });

  it('has the placeholder in all that comes back, in whole frames', () => {
    const messages = fc.array(
      fc.tuple(fc.constantFrom(opcodes.text, opcodes.binary), payload, payload),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(
        messages,
        fc.array(fc.nat(60), { maxLength: 4 }),
        cuts,
        fc.boolean(),
        (all, places, pieces, room) => {
          const bytes = all.flatMap(([opcode, before, behind]) => {
            const whole = Buffer.concat([before, Buffer.from(VALUE), behind]);
            return fragments(whole, places, { opcode, key: null });
          });
          const rewriter = fromServer(room ? new GatherBudget() : none);
          const reader = new MessageReader(false);
          for (const piece of cutAt(Buffer.concat(bytes), pieces)) {
            // A reader of its own for each: what was sent by now is always whole.
            const out = rewriter.push(piece);
            reader.push(out);
            assert.equal(reader.whole, true);
          }
          assert.equal(reader.said.length, all.length);
          for (const [i, { opcode, payload: said }] of reader.said.entries()) {
            assert.equal(opcode, all[i]?.[0]);
            assert.ok(!said.includes(VALUE));
            assert.ok(said.includes(PLACEHOLDER));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has it in control frames too, which stay as short as they must be', () => {
    const close = Buffer.concat([Buffer.of(3, 0xe8), Buffer.from(`${'é'.repeat(50)}${VALUE}`)]);
    const said = passed(fromServer(), false, [
      serverFrame(VALUE, { opcode: opcodes.ping }),
      serverFrame(close, { opcode: opcodes.close }),
    ]);
    assert.equal(String(said[0]?.payload), PLACEHOLDER);
    assert.ok((said[1]?.payload.length ?? 0) <= 125);
    assert.ok(!String(said[1]?.payload).includes('live'));
  });

  it('says in a close frame why it ends, as far as there is room', () => {
    const reader = new MessageReader(false);
    reader.push(closeFrame(1008, 'é'.repeat(100)));
    assert.equal(reader.said[0]?.payload.readUInt16BE(), 1008);
    assert.equal(String(reader.said[0]?.payload.subarray(2)), 'é'.repeat(61));
  });
});

/** A message in frames that are cut there. */
function fragments(bytes: Buffer, places: readonly number[], options: object = {}): Uint8Array[] {
  const parts = bytes.length === 0 ? [bytes] : cutAt(bytes, places);
  return parts.map((part, i) => {
    const final = i === parts.length - 1;
    return frame(part, { ...options, final, ...(i > 0 ? { opcode: opcodes.continuation } : {}) });
  });
}

/** What {@link TextMessage} is to make of a text, by other means. */
function substituted(message: string): string {
  if (!/^[\0-\x20]*[[{"]/.test(message)) return message.replaceAll(PLACEHOLDER, VALUE);
  const written = JSON.stringify(VALUE).slice(1, -1);
  return message.replaceAll(
    /<BOXLITE_SECRET:key>|\\u003cBOXLITE_SECRET:key\\u003e/g,
    () => written,
  );
}

function joined(one: Uint8Array | undefined, other: Uint8Array): Buffer {
  return Buffer.concat([one ?? Buffer.alloc(0), other]);
}
