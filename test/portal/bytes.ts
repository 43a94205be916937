import assert from 'node:assert/strict';
import { BoxliteError } from '../../src/base/errors.ts';
import { encodeHello, encodeJson } from '../../src/portal/control.ts';
import { encodeFrame, type FrameHeader, type FrameSink } from '../../src/portal/frame.ts';
import {
  type FrameTypeName,
  GUEST_WINDOW_BYTES,
  type Hello,
  type JsonObject,
} from '../../src/portal/messages.ts';

/** The HELLO frame of a guest, or of one that says something else. */
export function helloFrame(changes: Partial<Hello> = {}): Uint8Array {
  const hello = { min: 1, max: 1, window: GUEST_WINDOW_BYTES, build: 'a test', ...changes };
  return encodeFrame('HELLO', 0, encodeHello(hello));
}

/** A frame with a JSON payload. */
export function jsonFrame(
  name: FrameTypeName,
  stream: number,
  message: JsonObject,
  flags = 0,
): Uint8Array {
  return encodeFrame(name, stream, encodeJson(message), flags);
}

/** A frame whose payload is one little-endian number. */
export function windowFrame(stream: number, credit: number): Uint8Array {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(credit);
  return encodeFrame('WINDOW', stream, payload);
}

/** The bytes, cut at the given places (in any order, taken modulo the length). */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const inside = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  const ends = [...inside, bytes.length];
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

/** What a decoder told: control frames as they are, adjacent DATA of one stream as one. */
export class FrameRecord implements FrameSink {
  readonly seen: { name: string; stream: number; flags: number; payload: string }[] = [];

  frame({ name, stream, flags }: FrameHeader, payload: Uint8Array): void {
    this.seen.push({ name, stream, flags, payload: Buffer.from(payload).toString('hex') });
  }

  data(stream: number, piece: Uint8Array): void {
    const payload = Buffer.from(piece).toString('hex');
    const last = this.seen.at(-1);
    if (last?.name === 'DATA' && last.stream === stream) last.payload += payload;
    else this.seen.push({ name: 'DATA', stream, flags: 0, payload });
  }
}

/** Fails unless `error` is a breach of the protocol, said to people in the usual words. */
export function assertViolation(error: unknown, what: RegExp = /./): true {
  assert.ok(BoxliteError.is(error, 'Portal'), `not a Portal error: ${error}`);
  assert.match(error.message, /broke the portal protocol/);
  assert.match(error.message, what);
  return true;
}
