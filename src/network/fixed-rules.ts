// pure
/** Where no box ever gets, whatever its rules say; and where its names for the host lead. */
import { formatIpAddress, type IpAddress, networkOf, parseIpAddress } from '../spec/ip-address.ts';
import { BOX, GATEWAY, HOST_ALIAS, LINK_PREFIX } from './addresses.ts';
import type { RefusalKind } from './connection.ts';

/** The address to dial, or why there is none. */
export type Destination = { readonly dial: string } | { readonly refuse: RefusalKind };

/**
 * What only has a meaning within a host or on its own link, with the services that clouds put there, what is
 * for nobody or for many, and the spellings of IPv4 addresses that IPv6 has.
 */
const forbidden: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  // ::, ::1, IPv4-mapped and IPv4-compatible addresses and more of the kind.
  ['::', 32],
  ['64:ff9b::', 32],
  ['2001::', 32],
  ['2002::', 16],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  // The instance metadata of one large cloud, by its documentation.
  ['fd00:ec2::254', 128],
];

/** Where a connection to this address really goes. */
export function destinationOf(address: string): Destination {
  if (address === HOST_ALIAS.v4) return { dial: '127.0.0.1' };
  if (address === HOST_ALIAS.v6) return { dial: '::1' };
  if (address === GATEWAY.v4 || address === GATEWAY.v6) return { refuse: 'reset' };
  const parsed = parseIpAddress(address);
  if (parsed === null || isOnLink(parsed)) return { refuse: 'unreachable' };
  if (forbidden.some(([network, prefix]) => isIn(parsed, network, prefix))) {
    return { refuse: 'prohibited' };
  }
  return { dial: address };
}

function isOnLink(address: IpAddress): boolean {
  return isIn(address, BOX.v4, LINK_PREFIX.v4) || isIn(address, BOX.v6, LINK_PREFIX.v6);
}

function isIn(address: IpAddress, network: string, prefix: number): boolean {
  const of = parseIpAddress(network);
  if (of === null || of.family !== address.family) return false;
  return formatIpAddress(networkOf(address, prefix)) === formatIpAddress(networkOf(of, prefix));
}
