// pure
/** IPv4 (RFC 791) and IPv6 (RFC 8200) headers. Fragments are not put together: nothing on the link is too large. */
import { formatIpAddress } from '../spec/ip-address.ts';
import { checksum, wordSum } from './checksum.ts';

/** Numbers of the protocols that are spoken. */
export const ipProtocol = { icmp: 1, tcp: 6, udp: 17, icmpV6: 58 } as const;

/** Two addresses of one family, 4 or 16 bytes each. */
export interface Route {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** A packet, its parts still in the bytes it came in. */
export interface IpPacket extends Route {
  readonly family: 4 | 6;
  readonly protocol: number;
  /** All bytes of the header, extensions and options too. */
  readonly headerBytes: number;
  readonly payload: Uint8Array;
}

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** Packets from here live this many hops, of which they take none. */
const HOP_LIMIT = 64;
/** Extension headers that only have to be passed over: hop-by-hop options, routing, destination options. */
const SKIPPED_EXTENSIONS: readonly number[] = [0, 43, 60];
/** More of them than any packet needs. */
const EXTENSIONS_MAX = 8;

/** Reads a packet. Null if it is malformed, a fragment, or of another version. */
export function parseIp(bytes: Uint8Array): IpPacket | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return parseV4(bytes);
  return version === 6 ? parseV6(bytes) : null;
}

function parseV4(bytes: Uint8Array): IpPacket | null {
  const headerBytes = ((bytes[0] ?? 0) & 0xf) * 4;
  const length = read16(bytes, 2);
  if (headerBytes < IPV4_HEADER_BYTES || length < headerBytes || length > bytes.length) return null;
  // More fragments, or not the first one.
  if ((read16(bytes, 6) & 0x3fff) !== 0) return null;
  if (checksum(wordSum(bytes, 0, headerBytes)) !== 0) return null;
  return {
    family: 4,
    protocol: bytes[9] ?? 0,
    headerBytes,
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    payload: bytes.subarray(headerBytes, length),
  };
}

function parseV6(bytes: Uint8Array): IpPacket | null {
  const end = IPV6_HEADER_BYTES + read16(bytes, 4);
  if (bytes.length < IPV6_HEADER_BYTES || end > bytes.length) return null;
  let protocol = bytes[6] ?? 0;
  let headerBytes = IPV6_HEADER_BYTES;
  for (let count = 0; SKIPPED_EXTENSIONS.includes(protocol); count++) {
    if (count === EXTENSIONS_MAX || headerBytes + 8 > end) return null;
    protocol = bytes[headerBytes] ?? 0;
    headerBytes += 8 + (bytes[headerBytes + 1] ?? 0) * 8;
  }
  if (headerBytes > end) return null;
  return {
    family: 6,
    protocol,
    headerBytes,
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    payload: bytes.subarray(headerBytes, end),
  };
}

/** Bytes of the header that {@link writeIp} writes. */
export function ipHeaderBytes(route: Route): number {
  return route.source.length === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}

/** Writes a header before `payloadBytes` of payload; returns its length. */
export function writeIp(
  target: Uint8Array,
  at: number,
  { route, protocol, payloadBytes }: { route: Route; protocol: number; payloadBytes: number },
): number {
  const { source, destination } = route;
  if (source.length === 4) {
    write16(target, at, 0x4500);
    write16(target, at + 2, IPV4_HEADER_BYTES + payloadBytes);
    write16(target, at + 4, 0);
    // Do not fragment.
    write16(target, at + 6, 0x4000);
    target[at + 8] = HOP_LIMIT;
    target[at + 9] = protocol;
    write16(target, at + 10, 0);
    target.set(source, at + 12);
    target.set(destination, at + 16);
    write16(target, at + 10, checksum(wordSum(target, at, at + IPV4_HEADER_BYTES)));
    return IPV4_HEADER_BYTES;
  }
  write16(target, at, 0x6000);
  write16(target, at + 2, 0);
  write16(target, at + 4, payloadBytes);
  target[at + 6] = protocol;
  target[at + 7] = HOP_LIMIT;
  target.set(source, at + 8);
  target.set(destination, at + 24);
  return IPV6_HEADER_BYTES;
}

/** The sum of the pseudo-header that the checksums of the protocols above include. */
export function pseudoHeaderSum(route: Route, protocol: number, payloadBytes: number): number {
  return wordSum(route.source) + wordSum(route.destination) + protocol + payloadBytes;
}

/** The canonical text of 4 or 16 bytes. */
export function addressText(bytes: Uint8Array): string {
  return formatIpAddress({ family: bytes.length === 4 ? 4 : 6, bytes: [...bytes] });
}

/** Whether only one host can have this address. */
export function isUnicast(address: Uint8Array): boolean {
  const first = address[0] ?? 0;
  if (address.length === 4) return first > 0 && first < 224;
  return first !== 0xff && address.some((byte) => byte !== 0);
}

export function read16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function write16(target: Uint8Array, at: number, value: number): void {
  target[at] = (value >>> 8) & 0xff;
  target[at + 1] = value & 0xff;
}

export function read32(bytes: Uint8Array, at: number): number {
  return ((read16(bytes, at) << 16) | read16(bytes, at + 2)) >>> 0;
}

export function write32(target: Uint8Array, at: number, value: number): void {
  write16(target, at, value >>> 16);
  write16(target, at + 2, value);
}
