// pure
/** TCP segments (RFC 9293, 3.1) with the options that matter on a link which loses nothing. */
import { read16, read32, write16, write32 } from './ip.ts';

export const tcpFlags = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

export const TCP_HEADER_BYTES = 20;
/** Where in the header the checksum is. */
export const TCP_CHECKSUM_OFFSET = 16;
/** RFC 7323, 2.3: a larger shift counts as this one. */
const SHIFT_MAX = 14;
const option = { end: 0, nothing: 1, segmentSize: 2, windowScale: 3 } as const;
/** What {@link writeTcp} writes of options: the segment size, a shift, and padding. */
const OPTION_BYTES = 8;

/** A segment that arrived, its payload still in the bytes it came in. */
export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** As it was sent: not yet scaled. */
  readonly window: number;
  /** What its sender takes in one segment; null if it does not say. */
  readonly segmentSize: number | null;
  /** By how many bits its sender's windows are to be shifted; null if it does not know how. */
  readonly windowShift: number | null;
  readonly payload: Uint8Array;
}

/** A segment to send, without its ports. */
export interface TcpOutput {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** With SYN only. A null shift is not written. */
  readonly options: { readonly segmentSize: number; readonly windowShift: number | null } | null;
  /** The payload, in parts. */
  readonly pieces: readonly Uint8Array[];
  readonly payloadBytes: number;
}

/** The two ports of a segment or a datagram. */
export interface Ports {
  readonly source: number;
  readonly destination: number;
}

/** Reads a segment; null if it is malformed. Checksums are the link's business, and not looked at. */
export function parseTcp(bytes: Uint8Array): TcpSegment | null {
  const headerBytes = ((bytes[12] ?? 0) >> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > bytes.length) return null;
  return {
    sourcePort: read16(bytes, 0),
    destinationPort: read16(bytes, 2),
    sequence: read32(bytes, 4),
    acknowledgement: read32(bytes, 8),
    flags: bytes[13] ?? 0,
    window: read16(bytes, 14),
    ...parseOptions(bytes, headerBytes),
    payload: bytes.subarray(headerBytes),
  };
}

/** What is malformed ends the list: options before it count. */
function parseOptions(bytes: Uint8Array, end: number) {
  let segmentSize: number | null = null;
  let windowShift: number | null = null;
  let at = TCP_HEADER_BYTES;
  while (at < end) {
    const kind = bytes[at];
    if (kind === option.end) break;
    if (kind === option.nothing) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (at + 1 >= end || length < 2 || at + length > end) break;
    if (kind === option.segmentSize && length === 4) segmentSize = read16(bytes, at + 2);
    if (kind === option.windowScale && length === 3) {
      windowShift = Math.min(bytes[at + 2] ?? 0, SHIFT_MAX);
    }
    at += length;
  }
  return { segmentSize, windowShift };
}

/** Bytes of the header that {@link writeTcp} writes. */
export function tcpHeaderBytes(output: TcpOutput): number {
  return TCP_HEADER_BYTES + (output.options === null ? 0 : OPTION_BYTES);
}

/** Writes header and payload; returns their length. The checksum is zero. */
export function writeTcp(target: Uint8Array, at: number, ports: Ports, output: TcpOutput): number {
  const headerBytes = tcpHeaderBytes(output);
  write16(target, at, ports.source);
  write16(target, at + 2, ports.destination);
  write32(target, at + 4, output.sequence);
  write32(target, at + 8, output.acknowledgement);
  target[at + 12] = (headerBytes / 4) << 4;
  target[at + 13] = output.flags;
  write16(target, at + 14, output.window);
  // Checksum and urgent pointer.
  write32(target, at + 16, 0);
  if (output.options !== null) writeOptions(target, at + TCP_HEADER_BYTES, output.options);
  let end = at + headerBytes;
  for (const piece of output.pieces) {
    target.set(piece, end);
    end += piece.length;
  }
  return end - at;
}

function writeOptions(
  target: Uint8Array,
  at: number,
  { segmentSize, windowShift }: NonNullable<TcpOutput['options']>,
): void {
  target.set([option.segmentSize, 4], at);
  write16(target, at + 2, segmentSize);
  const shift =
    windowShift === null
      ? [option.nothing, option.nothing, option.nothing]
      : [option.windowScale, 3, windowShift];
  target.set([option.nothing, ...shift], at + 4);
}
