import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeHeader, encodeFrame, encodeHeader, FrameDecoder } from '../../src/portal/frame.ts';
import {
  CONTROL_BYTES_MAX,
  FRAME_BYTES_MAX,
  type FrameTypeName,
  frameFlags,
  frameRules,
  GUEST_CONTROL_BYTES_MAX,
  HEADER_BYTES,
  HELLO_MAGIC,
  SYNC_BYTES_MAX,
} from '../../src/portal/messages.ts';
import { assertViolation, cutAt, FrameRecord, helloFrame } from './bytes.ts';
import { readVectors, typeName } from './vectors.ts';

const vectors = readVectors();
const { MORE, MAILBOX } = frameFlags;
/** What a HELLO is known by. */
const HELLO_BYTES = HEADER_BYTES + HELLO_MAGIC.length;
/** What a decoder may hold: one control message, a header, and the beginning of a HELLO. */
const HELD_BYTES_MAX = GUEST_CONTROL_BYTES_MAX + HEADER_BYTES + HELLO_BYTES;

/** How the codec words each reason of the golden vectors. */
const wording: Readonly<Record<string, RegExp>> = {
  type: /unknown frame type/,
  reserved: /reserved bytes/,
  flags: /with flags/,
  place: /on stream/,
  length: /of \d+ bytes/,
};

function decode(chunks: readonly Uint8Array[], limit = GUEST_CONTROL_BYTES_MAX) {
  const decoder = new FrameDecoder(limit);
  const record = new FrameRecord();
  for (const chunk of chunks) decoder.push(chunk, record);
  return record.seen;
}

describe('the golden vectors', () => {
  it('are read, good ones and bad ones of every reason', () => {
    const reasons = new Set(vectors.map((vector) => vector.reason));
    assert.deepEqual(reasons, new Set(['-', ...Object.keys(wording)]));
    const types = new Set(vectors.filter(({ ok }) => ok).map(({ type }) => typeName(type)));
    assert.deepEqual(types, new Set(Object.keys(frameRules)));
  });

  for (const { name, ok, reason, stream, type, flags, payload, frame } of vectors) {
    if (ok) {
      it(`${name}: encodeFrame() writes it and decodeHeader() reads it`, () => {
        const written = encodeFrame(typeName(type), stream, payload, flags);
        assert.deepEqual(Buffer.from(written), frame);
        const header = { stream, length: payload.length, name: typeName(type), flags };
        assert.deepEqual(decodeHeader(frame), header);
      });
    } else {
      it(`${name}: decodeHeader() refuses it for its ${reason}`, () => {
        assert.throws(
          () => decodeHeader(frame),
          (error) => assertViolation(error, wording[reason]),
        );
      });
    }
  }

  it('make a conversation that reads the same at every cut', () => {
    const spoken = vectors.filter(({ ok, flags }) => ok && (flags & MAILBOX) === 0);
    const others = spoken.filter(({ name }) => name !== 'open-mailbox-rest');
    const bytes = Buffer.concat(others.map(({ frame }) => frame));
    const whole = decode([bytes]);
    assert.equal(whole.length, others.length - 2 - 2, 'two parts join others, one DATA is empty');
    const joined = whole.find(({ stream }) => stream === 3);
    assert.equal(Buffer.from(joined?.payload ?? '', 'hex').toString(), '{"service":"é\\u00e9"}');
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(decode(cutAt(bytes, [cut])), whole, `cut at ${cut}`);
    }
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    assert.deepEqual(decode(single), whole, 'one byte at a time');
  });
});

describe('encodeHeader()', () => {
  it('carries the highest stream and the longest payload', () => {
    const header = encodeHeader('DATA', 0xffffffff, FRAME_BYTES_MAX);
    assert.deepEqual(decodeHeader(header), {
      stream: 0xffffffff,
      length: FRAME_BYTES_MAX,
      name: 'DATA',
      flags: 0,
    });
  });
});

/** Frames that may follow HELLO, one whole message each. */
const anyMessage: fc.Arbitrary<Uint8Array> = fc
  .record({
    name: fc.constantFrom(...(Object.keys(frameRules) as FrameTypeName[])),
    stream: fc.integer({ min: 1, max: 0xffffffff }),
    onZero: fc.boolean(),
    interrupted: fc.boolean(),
    parts: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 3 }),
  })
  .map(({ name, stream, onZero, interrupted, parts }) => {
    const rule = frameRules[name];
    const id = rule.on === 'zero' || (rule.on === 'any' && onZero) ? 0 : stream;
    const size = { u32: 4, u64: 8, none: 0 }[rule.payload as string];
    if (size !== undefined) return encodeFrame(name, id, new Uint8Array(size));
    const joins = (rule.flags & MORE) !== 0;
    const frames = (joins ? parts : parts.slice(0, 1)).flatMap((part, i, all) => {
      const last = i === all.length - 1;
      const frame = encodeFrame(name, id, part, last ? 0 : MORE);
      return last || !interrupted ? [frame] : [frame, encodeFrame('PING', 0, new Uint8Array(8))];
    });
    return Buffer.concat(frames);
  });

const anyCuts = fc.array(fc.nat(4096), { maxLength: 30 });

describe('FrameDecoder', () => {
  it('reads the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 20 }), anyCuts, (messages, cuts) => {
        const bytes = Buffer.concat([helloFrame(), ...messages]);
        const record = decode(cutAt(bytes, cuts));
        assert.deepEqual(record, decode([bytes]));
        assert.equal(record[0]?.name, 'HELLO');
      }),
    );
  });

  it('skips noise before HELLO, however it is cut, even noise with half a HELLO in it', () => {
    const almost = Uint8Array.from([...helloFrame().subarray(0, HELLO_BYTES - 1), 0xff]);
    const magicAlone = Buffer.concat([new Uint8Array(12).fill(0xff), HELLO_MAGIC]);
    const noise = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.constant(almost),
        fc.constant(Uint8Array.from(magicAlone)),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(noise, anyCuts, (pieces, cuts) => {
        const bytes = Buffer.concat([...pieces, helloFrame({ build: 'after noise' })]);
        const [first, ...rest] = decode(cutAt(bytes, cuts));
        assert.equal(first?.name, 'HELLO');
        assert.match(Buffer.from(first.payload, 'hex').toString(), /after noise/);
        assert.deepEqual(rest, []);
      }),
    );
  });

  it('finds a HELLO right behind one that was cut off', () => {
    for (let size = 1; size < HELLO_BYTES; size++) {
      const half = helloFrame().subarray(0, size);
      assert.equal(decode([half, helloFrame()]).length, 1, `${size} bytes of one`);
    }
  });

  it('does not take a HELLO too short for its magic for one', () => {
    const short = Buffer.concat([encodeHeader('HELLO', 0, 3), HELLO_MAGIC]);
    const seen = decode([Buffer.concat([short, helloFrame()])]);
    assert.equal(seen.length, 1);
    assert.equal(seen[0]?.payload, Buffer.from(helloFrame().subarray(12)).toString('hex'));
  });

  for (const size of [1, 19, 1000, SYNC_BYTES_MAX * 2]) {
    it(`gives up on noise at the same byte in chunks of ${size}`, () => {
      const chunks = (noise: number) => {
        const bytes = Buffer.concat([Buffer.alloc(noise, 0x55), helloFrame()]);
        const count = Math.ceil(bytes.length / size);
        return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      };
      assert.equal(decode(chunks(SYNC_BYTES_MAX))[0]?.name, 'HELLO');
      assert.throws(
        () => decode(chunks(SYNC_BYTES_MAX + 1)),
        (error) => assertViolation(error, /no HELLO/),
      );
    });
  }

  it('reads frames of the longest payload', () => {
    const payload = Buffer.alloc(FRAME_BYTES_MAX, 0xa5);
    const frames = [encodeFrame('DATA', 1, payload), encodeFrame('OPEN', 1, payload)];
    const seen = decode([Buffer.concat([helloFrame(), ...frames])], CONTROL_BYTES_MAX);
    assert.deepEqual(
      seen.slice(1).map((frame) => frame.payload.length / 2),
      [FRAME_BYTES_MAX, FRAME_BYTES_MAX],
    );
  });

  it('joins the parts of a message up to the limit, and refuses one byte more', () => {
    const part = Buffer.alloc(1000, 0x20);
    const parts = (size: number) => [
      helloFrame(),
      ...Array.from({ length: Math.floor(size / 1000) }, () =>
        encodeFrame('CONTROL', 1, part, MORE),
      ),
      encodeFrame('CONTROL', 1, part.subarray(0, size % 1000)),
    ];
    const seen = decode(parts(GUEST_CONTROL_BYTES_MAX));
    assert.equal(seen[1]?.payload.length, 2 * GUEST_CONTROL_BYTES_MAX);
    assert.throws(
      () => decode(parts(GUEST_CONTROL_BYTES_MAX + 1)),
      (error) => assertViolation(error, /more than 65536 bytes/),
    );
  });

  it('joins the longest message although every part is followed by PING', () => {
    const parts = Array.from({ length: CONTROL_BYTES_MAX / FRAME_BYTES_MAX }, (_, i) =>
      Buffer.alloc(FRAME_BYTES_MAX, i),
    );
    const frames = parts.flatMap((part, i) => [
      encodeFrame('OPEN', 1, part, i < parts.length - 1 ? MORE : 0),
      encodeFrame('PING', 0, new Uint8Array(8)),
    ]);
    const sink = new FrameRecord();
    const decoder = new FrameDecoder(CONTROL_BYTES_MAX);
    for (const chunk of [helloFrame(), ...frames]) decoder.push(chunk, sink);
    const [open] = sink.seen.filter(({ name }) => name === 'OPEN');
    assert.equal(open?.payload, Buffer.concat(parts).toString('hex'));
  });

  it('does not keep the memory of a large message', () => {
    const decoder = new FrameDecoder(CONTROL_BYTES_MAX);
    const sink = new FrameRecord();
    const part = encodeFrame('OPEN', 1, Buffer.alloc(FRAME_BYTES_MAX, 0x20), MORE);
    for (const chunk of [helloFrame(), part, part]) decoder.push(chunk, sink);
    assert.ok(decoder.heldBytes >= 2 * FRAME_BYTES_MAX);
    decoder.push(encodeFrame('OPEN', 1, Buffer.from('{}')), sink);
    assert.ok(decoder.heldBytes <= HELD_BYTES_MAX);
  });

  it('refuses one long control frame by its header alone', () => {
    const header = encodeHeader('CONTROL', 1, GUEST_CONTROL_BYTES_MAX + 1);
    assert.throws(() => decode([helloFrame(), header]), assertViolation);
  });

  for (const other of ['DATA', 'CONTROL', 'WINDOW'] as const) {
    it(`refuses ${other} in the middle of a longer OPEN`, () => {
      const start = encodeFrame('OPEN', 1, Buffer.from('{'), MORE);
      const next = encodeFrame(other, 1, new Uint8Array(4));
      assert.throws(
        () => decode([helloFrame(), start, next]),
        (error) => assertViolation(error, /in the middle/),
      );
    });
  }

  it('refuses another stream in the middle of a longer message', () => {
    const start = encodeFrame('OPEN', 1, Buffer.from('{'), MORE);
    const next = encodeFrame('OPEN', 3, Buffer.from('}'));
    assert.throws(() => decode([helloFrame(), start, next]), assertViolation);
  });

  it('refuses the mailbox, which only a guest has', () => {
    for (const name of ['DATA', 'OPEN'] as const) {
      const frame = encodeFrame(name, 1, new Uint8Array(8), MAILBOX);
      assert.throws(
        () => decode([helloFrame(), frame]),
        (error) => assertViolation(error, /mailbox/),
      );
    }
  });

  it('hands over payloads that stay as they are', () => {
    const kept: Uint8Array[] = [];
    const decoder = new FrameDecoder(GUEST_CONTROL_BYTES_MAX);
    const chunk = Buffer.concat([helloFrame(), encodeFrame('CONTROL', 1, Buffer.from('first'))]);
    const sink = { frame: (_: unknown, payload: Uint8Array) => kept.push(payload), data: () => {} };
    decoder.push(chunk, sink);
    chunk.fill(0);
    decoder.push(encodeFrame('CONTROL', 1, Buffer.from('other')), sink);
    assert.equal(Buffer.from(kept[1] ?? []).toString(), 'first');
  });

  it('throws nothing but Portal errors and stays small, whatever comes', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.tuple(fc.array(anyMessage, { maxLength: 20 }), flips).map(([messages, changes]) => {
        const bytes = Buffer.concat(messages);
        for (const [at, value] of changes) bytes[at % (bytes.length || 1)] = value;
        return Uint8Array.from(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.boolean(), garbage, anyCuts, (greeted, bytes, cuts) => {
        const decoder = new FrameDecoder(GUEST_CONTROL_BYTES_MAX);
        const record = new FrameRecord();
        if (greeted) decoder.push(helloFrame(), record);
        try {
          for (const chunk of cutAt(bytes, cuts)) {
            decoder.push(chunk, record);
            assert.ok(decoder.heldBytes <= HELD_BYTES_MAX, `holds ${decoder.heldBytes} bytes`);
          }
        } catch (error) {
          assertViolation(error);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('says the same of garbage however it is cut', () => {
    const outcome = (chunks: readonly Uint8Array[]) => {
      const decoder = new FrameDecoder(GUEST_CONTROL_BYTES_MAX);
      const record = new FrameRecord();
      decoder.push(helloFrame(), record);
      try {
        for (const chunk of chunks) decoder.push(chunk, record);
        return { seen: record.seen, error: null };
      } catch (error) {
        return { seen: record.seen, error: String(error) };
      }
    };
    const garbage = fc.array(fc.oneof(anyMessage, fc.uint8Array({ maxLength: 30 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(garbage, anyCuts, (pieces, cuts) => {
        const bytes = Buffer.concat(pieces);
        assert.deepEqual(outcome(cutAt(bytes, cuts)), outcome([bytes]));
      }),
    );
  });
});
