// pure
/** What kind of place an address leads to. Forms of IPv6 that carry an IPv4 address count as that address. */
import { type IpAddress, networkOf, parseIpAddress } from '../spec/ip-address.ts';

/**
 * `metadata`: link-local, or a cloud's metadata service. `loopback`: the host itself. `private`: a network
 * that is not the Internet. `unroutable`: nobody one could connect to.
 */
export type AddressClass = 'public' | 'private' | 'loopback' | 'metadata' | 'unroutable';

/** The first that fits counts. */
const BLOCKS: readonly (readonly [AddressClass, readonly string[]])[] = [
  [
    'metadata',
    [
      ...['169.254.0.0/16', 'fe80::/10'],
      // Clouds whose metadata service is not link-local: AWS, Google and Scaleway by IPv6; Alibaba, Azure, Oracle.
      ...['fd00:ec2::/32', 'fd20:ce::254/128', 'fd00:42::42/128'],
      ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'],
    ],
  ],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  // "This" network, of which Linux makes the host itself; multicast, reserved, broadcast.
  ['unroutable', ['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8']],
  [
    'private',
    [
      ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
      // Carriers' NAT, protocol assignments, benchmarks.
      ...['100.64.0.0/10', '192.0.0.0/24', '198.18.0.0/15'],
      // Unique local, and its older kind.
      ...['fc00::/7', 'fec0::/10'],
    ],
  ],
];

/** Prefixes of IPv6 after which an IPv4 address stands: its place in bytes. */
const CARRIERS: readonly (readonly [string, number])[] = [
  // IPv4-compatible, NAT64 (also its local prefix) and 6to4.
  ['::/96', 12],
  ['64:ff9b::/96', 12],
  ['64:ff9b:1::/96', 12],
  ['2002::/16', 2],
];

interface Block {
  readonly network: IpAddress;
  readonly prefix: number;
}

const blocks = BLOCKS.flatMap(([kind, texts]) =>
  texts.map((text) => ({ kind, block: parseBlock(text) })),
);
const carriers = CARRIERS.map(([text, offset]) => ({ block: parseBlock(text), offset }));

/** The class of an address; text that is none leads nowhere. */
export function addressClass(text: string): AddressClass {
  const address = parseIpAddress(text);
  return address === null ? 'unroutable' : classOf(address);
}

/** Whether an address shares the first `prefix` bits of another. */
export function isWithin(text: string, network: string, prefix: number): boolean {
  const [address, start] = [parseIpAddress(text), parseIpAddress(network)];
  if (address === null || start === null) return false;
  return within(address, { network: networkOf(start, prefix), prefix });
}

function classOf(address: IpAddress): AddressClass {
  const own = blocks.find(({ block }) => within(address, block));
  if (own !== undefined) return own.kind;
  const carrier = carriers.find(({ block }) => within(address, block));
  if (carrier === undefined) return 'public';
  const { offset } = carrier;
  return classOf({ family: 4, bytes: address.bytes.slice(offset, offset + 4) });
}

function within(address: IpAddress, { network, prefix }: Block): boolean {
  if (address.family !== network.family) return false;
  return networkOf(address, prefix).bytes.every((byte, i) => byte === network.bytes[i]);
}

function parseBlock(text: string): Block {
  const [address = '', prefix] = text.split('/');
  const network = parseIpAddress(address);
  if (network === null) throw new Error(`"${text}" is no block of addresses`);
  return { network, prefix: Number(prefix) };
}
