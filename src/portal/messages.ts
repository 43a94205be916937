// pure
/**
 * The portal protocol, as one table. `guest/portal_messages.h` is generated from this file
 * (`node scripts/gen-portal.ts`), and a test fails when the two differ.
 *
 * A frame is a 12-byte little-endian header and a payload of at most 256 KiB:
 *
 *     stream u32 | length u32 | type u8 | flags u8 | reserved u16 (zero) | payload
 *
 * Streams opened by the host are odd, those opened by the guest even, stream 0 is the wire itself.
 * DATA is raw bytes under a credit window, one per stream and direction; every other payload is
 * small JSON, except where the table says otherwise.
 */

/** The version this build speaks. HELLO carries the range each side accepts. */
export const PORTAL_VERSION = 1;

/** Opens every HELLO. Like PNG's, it has a byte that no text has and both kinds of line end. */
export const HELLO_MAGIC = new Uint8Array([0x89, 0x42, 0x58, 0x4c, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Bytes of a frame's header. */
export const HEADER_BYTES = 12;
/** Largest payload of one frame. Large enough that the system calls per byte stop to matter. */
export const FRAME_BYTES_MAX = 256 * 1024;
/** Largest control message, joined from its MORE frames: arguments and environment of 1 MiB each, escaped. */
export const CONTROL_BYTES_MAX = 4 * 1024 * 1024;
/** Largest control message a host accepts: guests only have short things to say. */
export const GUEST_CONTROL_BYTES_MAX = 64 * 1024;
/** Arrays and objects inside one another in a control message. */
export const JSON_DEPTH_MAX = 16;
/** Bytes of noise before HELLO after which the other side is not a portal. */
export const SYNC_BYTES_MAX = 64 * 1024;
/** Streams open at once, both kinds together. */
export const STREAMS_MAX = 2048;
/** What a host lets the guest send on a stream before it must be given more credit. */
export const HOST_WINDOW_BYTES = 1024 * 1024;
/** The same for a guest, which has less memory. */
export const GUEST_WINDOW_BYTES = 512 * 1024;
/** Credit outstanding on one stream can never exceed this. */
export const WINDOW_BYTES_MAX = 16 * 1024 * 1024;

/** Flag bits of a frame. */
export const frameFlags = {
  /**
   * The control message continues in the next frame of the same stream and type. Only PING and PONG may come in
   * between: a sender may have to know whether the first parts have arrived before there is room for the others.
   */
  MORE: 1,
  /** The payload is `offset u32 | length u32`: the real one lies there on the mailbox disk. Host to guest. */
  MAILBOX: 2,
  /**
   * The last frame on this stream, which is now closed in both directions. It comes from the side that
   * serves it: after END both ways there may still be something to say, such as how a command ended.
   */
  FINAL: 4,
} as const;

/** What the frame types are called. */
export type FrameTypeName =
  | 'HELLO'
  | 'OPEN'
  | 'ACCEPT'
  | 'REJECT'
  | 'DATA'
  | 'END'
  | 'RESET'
  | 'WINDOW'
  | 'PING'
  | 'PONG'
  | 'GOAWAY'
  | 'CONTROL';

/** One row of the protocol's table. */
export interface FrameRule {
  readonly type: number;
  /** `zero`: only on stream 0. `stream`: never on stream 0. `any`: both. */
  readonly on: 'zero' | 'stream' | 'any';
  /** How the payload reads. `hello` is the magic, then JSON. */
  readonly payload: 'hello' | 'json' | 'raw' | 'u32' | 'u64' | 'none';
  /** The flags a sender may set. */
  readonly flags: number;
  readonly meaning: string;
}

/** Every frame there is. */
export const frameRules: Readonly<Record<FrameTypeName, FrameRule>> = {
  HELLO: {
    type: 1,
    on: 'zero',
    payload: 'hello',
    flags: 0,
    meaning: 'first frame of each side: {min, max, window, build}; the guest speaks first',
  },
  OPEN: {
    type: 2,
    on: 'stream',
    payload: 'json',
    flags: frameFlags.MORE | frameFlags.MAILBOX,
    meaning: 'starts a stream: {service, ...what the service asks for}',
  },
  ACCEPT: {
    type: 3,
    on: 'stream',
    payload: 'json',
    flags: 0,
    meaning: 'the service runs; what it says about itself',
  },
  REJECT: {
    type: 4,
    on: 'stream',
    payload: 'json',
    flags: 0,
    meaning: 'the service does not run: {code, message}; the stream is closed',
  },
  DATA: {
    type: 5,
    on: 'stream',
    payload: 'raw',
    flags: frameFlags.MAILBOX,
    meaning: 'bytes of the stream; uses credit',
  },
  END: {
    type: 6,
    on: 'stream',
    payload: 'none',
    flags: frameFlags.FINAL,
    meaning: 'no more DATA from this side',
  },
  RESET: {
    type: 7,
    on: 'stream',
    payload: 'json',
    flags: 0,
    meaning: 'gives the stream up in both directions: {code, message}',
  },
  WINDOW: {
    type: 8,
    on: 'any',
    payload: 'u32',
    flags: 0,
    meaning: 'more credit, in bytes; on stream 0: mailbox pieces the guest has taken',
  },
  PING: { type: 9, on: 'zero', payload: 'u64', flags: 0, meaning: 'asks for a PONG' },
  PONG: { type: 10, on: 'zero', payload: 'u64', flags: 0, meaning: "returns the PING's payload" },
  GOAWAY: {
    type: 11,
    on: 'zero',
    payload: 'json',
    flags: 0,
    meaning: 'the sender ends the connection: {code, message}',
  },
  CONTROL: {
    type: 12,
    on: 'stream',
    payload: 'json',
    flags: frameFlags.MORE | frameFlags.MAILBOX | frameFlags.FINAL,
    meaning: 'a message about the stream, such as a signal, a resize or an exit',
  },
};

/** Any JSON object, before its service has looked at it. */
export type JsonObject = { readonly [key: string]: unknown };

/** What a side says of itself in HELLO. */
export interface Hello {
  /** Oldest and newest protocol version it speaks. */
  readonly min: number;
  readonly max: number;
  /** Credit each stream starts with towards this side, in bytes. */
  readonly window: number;
  /** What the agent or the host was built from, for people. */
  readonly build: string;
}

/** Why a stream was refused or given up. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}
