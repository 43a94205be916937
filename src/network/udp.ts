// pure
/** UDP datagrams (RFC 768). */
import { read16, write16 } from './ip.ts';
import type { Ports } from './tcp.ts';

export const UDP_HEADER_BYTES = 8;
/** Where in the header the checksum is. */
export const UDP_CHECKSUM_OFFSET = 6;

/** A datagram that arrived, its payload still in the bytes it came in. */
export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Reads a datagram; null if it is malformed. Checksums are the link's business, and not looked at. */
export function parseUdp(bytes: Uint8Array): UdpDatagram | null {
  const length = read16(bytes, 4);
  if (length < UDP_HEADER_BYTES || length > bytes.length) return null;
  return {
    sourcePort: read16(bytes, 0),
    destinationPort: read16(bytes, 2),
    payload: bytes.subarray(UDP_HEADER_BYTES, length),
  };
}

/** Writes header and payload; returns their length. The checksum is zero. */
export function writeUdp(
  target: Uint8Array,
  at: number,
  ports: Ports,
  payload: Uint8Array,
): number {
  write16(target, at, ports.source);
  write16(target, at + 2, ports.destination);
  write16(target, at + 4, UDP_HEADER_BYTES + payload.length);
  write16(target, at + 6, 0);
  target.set(payload, at + UDP_HEADER_BYTES);
  return UDP_HEADER_BYTES + payload.length;
}
