import { readFileSync } from 'node:fs';
import { type FrameTypeName, frameRules } from '../../src/portal/messages.ts';

/** One line of test/vectors/frames.txt. */
export interface FrameVector {
  readonly name: string;
  readonly stream: number;
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly frame: Uint8Array;
  readonly ok: boolean;
  /** What is wrong with a bad one, in one word. */
  readonly reason: string;
}

/** All golden frames, in the order of the file. */
export function readVectors(): FrameVector[] {
  const text = readFileSync(new URL('../vectors/frames.txt', import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [name = '', stream, type, flags, payload = '', frame = '', verdict, reason = ''] =
      line.split(' ');
    return {
      name,
      stream: Number(stream),
      type: Number(type),
      flags: Number(flags),
      payload: Buffer.from(payload === '-' ? '' : payload, 'hex'),
      frame: Buffer.from(frame, 'hex'),
      ok: verdict === 'ok',
      reason,
    };
  });
}

/** `DATA` for 5. */
export function typeName(type: number): FrameTypeName {
  const found = Object.entries(frameRules).find(([, rule]) => rule.type === type);
  if (found === undefined) throw new Error(`no frame has type ${type}`);
  return found[0] as FrameTypeName;
}
