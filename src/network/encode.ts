// pure
/** Whole records, from the length to the last byte of the payload. */
import { folded } from './checksum.ts';
import type { IcmpMessage } from './icmp.ts';
import { ipHeaderBytes, ipProtocol, pseudoHeaderSum, type Route, write16, writeIp } from './ip.ts';
import { RECORD_HEADER_BYTES, writeRecordHeader } from './records.ts';
import {
  type Ports,
  TCP_CHECKSUM_OFFSET,
  type TcpOutput,
  tcpHeaderBytes,
  writeTcp,
} from './tcp.ts';
import { UDP_CHECKSUM_OFFSET, UDP_HEADER_BYTES, writeUdp } from './udp.ts';

/** Writes a segment's record at `at`, where there is room for it; returns its length. */
export function encodeTcp(
  target: Uint8Array,
  at: number,
  { route, ports, output }: { route: Route; ports: Ports; output: TcpOutput },
): number {
  const payloadBytes = tcpHeaderBytes(output) + output.payloadBytes;
  const protocol = ipProtocol.tcp;
  const start = writeHeaders(target, at, { route, protocol, payloadBytes }, TCP_CHECKSUM_OFFSET);
  writeTcp(target, start, ports, output);
  leaveChecksum(target, start + TCP_CHECKSUM_OFFSET, { route, protocol, payloadBytes });
  return start + payloadBytes - at;
}

/** The record of a datagram. */
export function encodeUdp(route: Route, ports: Ports, payload: Uint8Array): Uint8Array {
  const payloadBytes = UDP_HEADER_BYTES + payload.length;
  const protocol = ipProtocol.udp;
  const target = new Uint8Array(RECORD_HEADER_BYTES + ipHeaderBytes(route) + payloadBytes);
  const start = writeHeaders(target, 0, { route, protocol, payloadBytes }, UDP_CHECKSUM_OFFSET);
  writeUdp(target, start, ports, payload);
  leaveChecksum(target, start + UDP_CHECKSUM_OFFSET, { route, protocol, payloadBytes });
  return target;
}

/** The record of an ICMP message. */
export function encodeIcmp(route: Route, { protocol, bytes }: IcmpMessage): Uint8Array {
  const target = new Uint8Array(RECORD_HEADER_BYTES + ipHeaderBytes(route) + bytes.length);
  const start = writeHeaders(target, 0, { route, protocol, payloadBytes: bytes.length }, null);
  target.set(bytes, start);
  return target;
}

interface Outline {
  readonly route: Route;
  readonly protocol: number;
  readonly payloadBytes: number;
}

/** Everything before the protocol's own header; returns where that starts. */
function writeHeaders(
  target: Uint8Array,
  at: number,
  outline: Outline,
  checksumOffset: number | null,
): number {
  const headerBytes = ipHeaderBytes(outline.route);
  const checksum = checksumOffset === null ? null : { start: headerBytes, offset: checksumOffset };
  writeRecordHeader(target, at, headerBytes + outline.payloadBytes, checksum);
  writeIp(target, at + RECORD_HEADER_BYTES, outline);
  return at + RECORD_HEADER_BYTES + headerBytes;
}

/** The receiver takes a checksum for right that says no more than the pseudo-header. */
function leaveChecksum(target: Uint8Array, at: number, outline: Outline): void {
  const { route, protocol, payloadBytes } = outline;
  write16(target, at, folded(pseudoHeaderSum(route, protocol, payloadBytes)));
}
