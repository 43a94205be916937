// pure
/** ICMP (RFC 792) and ICMPv6 (RFC 4443): echoes, and why something cannot be reached. */
import { checksum, wordSum } from './checksum.ts';
import { type IpPacket, ipProtocol, pseudoHeaderSum, type Route, write16 } from './ip.ts';

/** Why a packet went nowhere. */
export type UnreachableReason = 'port' | 'host' | 'prohibited';

interface IcmpNumbers {
  readonly protocol: number;
  readonly echoRequest: number;
  readonly echoReply: number;
  readonly unreachable: number;
  readonly codes: Readonly<Record<UnreachableReason, number>>;
}

const numbers: Readonly<Record<4 | 6, IcmpNumbers>> = {
  4: {
    protocol: ipProtocol.icmp,
    echoRequest: 8,
    echoReply: 0,
    unreachable: 3,
    codes: { host: 1, port: 3, prohibited: 13 },
  },
  6: {
    protocol: ipProtocol.icmpV6,
    echoRequest: 128,
    echoReply: 129,
    unreachable: 1,
    codes: { prohibited: 1, host: 3, port: 4 },
  },
};

const HEADER_BYTES = 8;
/** Of what is quoted after its own header: ports and sequence number are there. */
const QUOTED_PAYLOAD_BYTES = 8;

/** A message and what carries it. */
export interface IcmpMessage {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

/** The answer to an echo request that came along `packet`'s route; null if it is none. */
export function echoReply(packet: IpPacket): IcmpMessage | null {
  const { protocol, echoRequest, echoReply: type } = numbers[packet.family];
  const { payload } = packet;
  if (packet.protocol !== protocol || payload.length < HEADER_BYTES) return null;
  if (payload[0] !== echoRequest || payload[1] !== 0) return null;
  const bytes = new Uint8Array(payload);
  bytes[0] = type;
  const back = { source: packet.destination, destination: packet.source };
  return { protocol, bytes: withChecksum(bytes, protocol, back) };
}

/** What a message about a packet quotes of it; a copy, so that the packet need not be kept. */
export function quotation(packet: Uint8Array, headerBytes: number): Uint8Array {
  // Not `slice`, which in a Buffer is no copy.
  return new Uint8Array(packet.subarray(0, headerBytes + QUOTED_PAYLOAD_BYTES));
}

/** Tells the sender of what is quoted that it went nowhere. */
export function unreachable(
  reason: UnreachableReason,
  quoted: Uint8Array,
  route: Route,
): IcmpMessage {
  const { protocol, unreachable: type, codes } = numbers[route.source.length === 4 ? 4 : 6];
  const bytes = new Uint8Array(HEADER_BYTES + quoted.length);
  bytes[0] = type;
  bytes[1] = codes[reason];
  bytes.set(quoted, HEADER_BYTES);
  return { protocol, bytes: withChecksum(bytes, protocol, route) };
}

/** ICMPv6 has the pseudo-header in its checksum, ICMP has not. */
function withChecksum(bytes: Uint8Array, protocol: number, route: Route): Uint8Array {
  const pseudo =
    protocol === ipProtocol.icmpV6 ? pseudoHeaderSum(route, protocol, bytes.length) : 0;
  write16(bytes, 2, 0);
  write16(bytes, 2, checksum(wordSum(bytes) + pseudo));
  return bytes;
}
