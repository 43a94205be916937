/** WebSocket frames as both ends have them. */
import { encodeFrame, FrameReader, opcodes } from '../../src/network/http/web-socket-frames.ts';

const KEY = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);

/** A message, or what else a test wants to be one frame. A client's unless it says otherwise. */
export function frame(
  payload: string | Uint8Array,
  { opcode = opcodes.text as number, final = true, key = KEY as Uint8Array | null } = {},
): Uint8Array {
  return encodeFrame({ final, opcode, key }, Buffer.from(payload));
}

/** The same of a server. */
export function serverFrame(payload: string | Uint8Array, options: object = {}): Uint8Array {
  return frame(payload, { ...options, key: null });
}

/** A message or control frame that was read. */
export interface Said {
  readonly opcode: number;
  readonly payload: Buffer;
  /** How many frames it came in. */
  readonly frames: number;
}

/** Puts together what comes. */
export class MessageReader {
  readonly said: Said[] = [];
  readonly #reader: FrameReader;
  #message = { opcode: 0, parts: [] as Uint8Array[], frames: 0 };
  /** Whether what came by now ends with a frame's end. */
  whole = true;

  constructor(masked: boolean) {
    this.#reader = new FrameReader(masked);
  }

  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.whole = false;
    for (const { head, length, offset, payload } of this.#reader.read(chunk)) {
      const { opcode, final } = head;
      this.whole = offset + payload.length === length;
      if (opcode >= opcodes.close) {
        this.said.push({ opcode, payload: Buffer.from(payload), frames: 1 });
        continue;
      }
      if (opcode !== opcodes.continuation && offset === 0) {
        this.#message = { opcode, parts: [], frames: 0 };
      }
      const message = this.#message;
      message.parts.push(payload);
      if (offset + payload.length < length) continue;
      message.frames++;
      if (!final) continue;
      const whole = Buffer.concat(message.parts);
      this.said.push({ opcode: message.opcode, payload: whole, frames: message.frames });
    }
  }
}
