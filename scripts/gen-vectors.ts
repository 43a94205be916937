/**
 * Writes test/vectors/frames.txt, which the tests of both sides of the portal read; with --check,
 * compares. The frames are put together here, byte by byte, and not by the codec they are to prove.
 */
import { FRAME_BYTES_MAX, frameFlags, frameRules, HELLO_MAGIC } from '../src/portal/messages.ts';
import { keepGenerated } from './generated.ts';

interface Parts {
  stream: number;
  type: number;
  flags: number;
  /** What the header says; the payload's own length unless it lies. */
  length: number;
  reserved: number;
  payload: Uint8Array;
}

/** Why a frame is bad; `-` for a good one. */
type Reason = '-' | 'type' | 'reserved' | 'flags' | 'place' | 'length';

const lines: string[] = [];

function vector(name: string, reason: Reason, parts: Partial<Parts>): void {
  const payload = parts.payload ?? new Uint8Array(0);
  const { stream = 0, type = 0, flags = 0, length = payload.length, reserved = 0 } = parts;
  const header = Buffer.alloc(12);
  header.writeUInt32LE(stream, 0);
  header.writeUInt32LE(length, 4);
  header.writeUInt8(type, 8);
  header.writeUInt8(flags, 9);
  header.writeUInt16LE(reserved, 10);
  const hex = Buffer.from(payload).toString('hex');
  const verdict = reason === '-' ? 'ok' : 'bad';
  lines.push(
    [name, stream, type, flags, hex || '-', header.toString('hex') + hex, verdict, reason].join(
      ' ',
    ),
  );
}

const text = (value: string) => Buffer.from(value);
const json = (value: object) => text(JSON.stringify(value));
const place = (offset: number, length: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(offset, 0);
  bytes.writeUInt32LE(length, 4);
  return bytes;
};
const type = (name: keyof typeof frameRules) => frameRules[name].type;
const { MORE, MAILBOX, FINAL } = frameFlags;

// The good ones: in this order, they are also a conversation.
const hello = { min: 1, max: 1, window: 524288, build: 'vectors' };
vector('hello', '-', {
  type: type('HELLO'),
  payload: Buffer.concat([HELLO_MAGIC, json(hello)]),
});
vector('open', '-', {
  stream: 1,
  type: type('OPEN'),
  payload: json({ service: 'exec', argv: ['true'] }),
});
vector('open-first-part', '-', {
  stream: 3,
  type: type('OPEN'),
  flags: MORE,
  payload: text('{"service":'),
});
vector('open-second-part', '-', {
  stream: 3,
  type: type('OPEN'),
  flags: MORE,
  payload: text('"é\\u00e9'),
});
vector('ping-between-parts', '-', {
  stream: 0,
  type: type('PING'),
  payload: Buffer.from('1112131415161718', 'hex'),
});
vector('pong-between-parts', '-', {
  stream: 0,
  type: type('PONG'),
  payload: Buffer.from('2122232425262728', 'hex'),
});
vector('open-last-part', '-', { stream: 3, type: type('OPEN'), payload: text('"}') });
vector('open-even', '-', { stream: 2, type: type('OPEN'), payload: json({ service: 'net' }) });
vector('open-mailbox', '-', {
  stream: 5,
  type: type('OPEN'),
  flags: MAILBOX,
  payload: place(0, 600),
});
vector('open-mailbox-part', '-', {
  stream: 7,
  type: type('OPEN'),
  flags: MAILBOX | MORE,
  payload: place(4096, 700),
});
vector('open-mailbox-rest', '-', { stream: 7, type: type('OPEN'), payload: text('}') });
vector('accept', '-', { stream: 1, type: type('ACCEPT'), payload: json({ pid: 42 }) });
vector('reject', '-', {
  stream: 3,
  type: type('REJECT'),
  payload: json({ code: 'bad_user', message: 'no' }),
});
vector('data', '-', {
  stream: 1,
  type: type('DATA'),
  payload: Buffer.from([0, 1, 0x7f, 0x80, 0xff]),
});
vector('data-empty', '-', { stream: 1, type: type('DATA') });
vector('data-that-looks-like-hello', '-', {
  stream: 1,
  type: type('DATA'),
  payload: Buffer.concat([new Uint8Array(12), HELLO_MAGIC]),
});
vector('data-mailbox', '-', {
  stream: 1,
  type: type('DATA'),
  flags: MAILBOX,
  payload: place(8192, 5000),
});
vector('data-highest-stream', '-', { stream: 0xffffffff, type: type('DATA'), payload: text('x') });
vector('window', '-', { stream: 1, type: type('WINDOW'), payload: Buffer.from([0, 0, 8, 0]) });
vector('window-mailbox-pieces', '-', { type: type('WINDOW'), payload: Buffer.from([1, 0, 0, 0]) });
vector('ping', '-', { type: type('PING'), payload: Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]) });
vector('pong', '-', { type: type('PONG'), payload: Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]) });
vector('control', '-', { stream: 1, type: type('CONTROL'), payload: json({ exit: { code: 0 } }) });
vector('control-empty-payload', '-', { stream: 1, type: type('CONTROL') });
vector('end', '-', { stream: 1, type: type('END') });
vector('control-final', '-', {
  stream: 1,
  type: type('CONTROL'),
  flags: FINAL,
  payload: json({ exit: { signal: 9 } }),
});
vector('end-final', '-', { stream: 2, type: type('END'), flags: FINAL });
vector('reset', '-', {
  stream: 5,
  type: type('RESET'),
  payload: json({ code: 'aborted', message: 'enough' }),
});
vector('goaway', '-', { type: type('GOAWAY'), payload: json({ code: 'bye', message: 'over' }) });

// Headers that the table does not allow. Their payloads do not matter and are left out.
vector('type-zero', 'type', { type: 0 });
vector('type-after-last', 'type', { stream: 1, type: 13 });
vector('type-highest', 'type', { stream: 1, type: 255 });
vector('reserved-low', 'reserved', { stream: 1, type: type('DATA'), reserved: 1 });
vector('reserved-high', 'reserved', { stream: 1, type: type('DATA'), reserved: 0x8000 });
vector('hello-more', 'flags', { type: type('HELLO'), flags: MORE, length: 20 });
vector('accept-final', 'flags', { stream: 1, type: type('ACCEPT'), flags: FINAL, length: 2 });
vector('reject-more', 'flags', { stream: 1, type: type('REJECT'), flags: MORE, length: 2 });
vector('data-more', 'flags', { stream: 1, type: type('DATA'), flags: MORE, length: 2 });
vector('data-final', 'flags', { stream: 1, type: type('DATA'), flags: FINAL, length: 2 });
vector('end-more', 'flags', { stream: 1, type: type('END'), flags: MORE });
vector('reset-mailbox', 'flags', { stream: 1, type: type('RESET'), flags: MAILBOX, length: 8 });
vector('ping-final', 'flags', { type: type('PING'), flags: FINAL, length: 8 });
vector('open-unknown-flag', 'flags', { stream: 1, type: type('OPEN'), flags: 8, length: 2 });
vector('control-all-flags', 'flags', { stream: 1, type: type('CONTROL'), flags: 255, length: 8 });
vector('hello-on-a-stream', 'place', { stream: 1, type: type('HELLO'), length: 20 });
vector('ping-on-a-stream', 'place', { stream: 1, type: type('PING'), length: 8 });
vector('pong-on-a-stream', 'place', { stream: 2, type: type('PONG'), length: 8 });
vector('goaway-on-a-stream', 'place', { stream: 0xffffffff, type: type('GOAWAY'), length: 2 });
for (const name of ['OPEN', 'ACCEPT', 'REJECT', 'DATA', 'END', 'RESET', 'CONTROL'] as const) {
  vector(`${name.toLowerCase()}-on-stream-zero`, 'place', { type: type(name) });
}
vector('data-too-long', 'length', { stream: 1, type: type('DATA'), length: FRAME_BYTES_MAX + 1 });
vector('open-too-long', 'length', { stream: 1, type: type('OPEN'), length: FRAME_BYTES_MAX + 1 });
vector('data-longest-field', 'length', { stream: 1, type: type('DATA'), length: 0xffffffff });
vector('hello-longest-field', 'length', { type: type('HELLO'), length: 0xffffffff });
vector('window-short', 'length', { stream: 1, type: type('WINDOW'), length: 3 });
vector('window-long', 'length', { type: type('WINDOW'), length: 8 });
vector('ping-short', 'length', { type: type('PING'), length: 7 });
vector('pong-empty', 'length', { type: type('PONG') });
vector('end-with-payload', 'length', { stream: 1, type: type('END'), length: 1 });
vector('open-mailbox-short', 'length', {
  stream: 1,
  type: type('OPEN'),
  flags: MAILBOX,
  length: 7,
});
vector('data-mailbox-long', 'length', { stream: 1, type: type('DATA'), flags: MAILBOX, length: 9 });
vector('open-empty-part', 'length', { stream: 1, type: type('OPEN'), flags: MORE });
vector('control-empty-part', 'length', { stream: 1, type: type('CONTROL'), flags: MORE });

keepGenerated(
  'test/vectors/frames.txt',
  [
    '# Frames of the portal, read by the tests of both sides. Generated by scripts/gen-vectors.ts.',
    '# name stream type flags payload frame verdict reason',
    ...lines,
    '',
  ].join('\n'),
);
