// pure
/** The host's own `/etc/hosts` and `/etc/resolv.conf`. */
import { formatIpAddress, parseIpAddress } from '../../spec/ip-address.ts';

/** How `/etc/resolv.conf` wants names to be asked for. */
export interface ResolvConf {
  /** Addresses; an IPv6 one may have a zone. */
  readonly servers: readonly string[];
}

/** As many servers as resolvers use (resolv.conf(5)). */
const SERVERS_MAX = 3;

/** The addresses of each name, lower case, in the file's order. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [first = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    const address = parseIpAddress(first);
    if (address === null) continue;
    for (const name of names.map((each) => each.toLowerCase().replace(/\.$/, ''))) {
      hosts.set(name, [...(hosts.get(name) ?? []), formatIpAddress(address)]);
    }
  }
  return hosts;
}

/** The servers it names; the host itself if there is none, as resolvers have it. */
export function parseResolvConf(text: string): ResolvConf {
  const servers = text
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '')
    .filter((server) => parseIpAddress(server.replace(/%.*$/, '')) !== null);
  return { servers: servers.length === 0 ? ['127.0.0.1'] : servers.slice(0, SERVERS_MAX) };
}
