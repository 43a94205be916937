/** Which proxy a request goes through, by the rules of Go's httpproxy, which container tools follow. */

import { BlockList, isIP } from 'node:net';
import type { ProxySettings } from '../base/env.ts';
import { BoxliteError } from '../base/errors.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The URL of the proxy for a request, or null if it goes straight to the host. This machine is never
 * reached through a proxy.
 *
 * @throws BoxliteError `Config` if the proxy set for it is of a kind that cannot be used.
 */
export function proxyFor(url: URL, settings: ProxySettings): string | null {
  const proxy = url.protocol === 'https:' ? settings.https : settings.http;
  if (proxy === null || isLoopback(hostOf(url)) || isExempt(url, settings.none ?? '')) return null;
  return proxyUrl(proxy);
}

/** Whether a host name means this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || inList(LOOPBACK, host);
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

/** `proxy:3128` is short for `http://proxy:3128`. */
function proxyUrl(text: string): string {
  const written = text.includes('://') ? text : `http://${text}`;
  const url = URL.parse(written);
  if (url !== null && url.hostname !== '' && /^https?:$/.test(url.protocol)) return url.href;
  // Not quoted: a proxy's URL may hold a password.
  throw new BoxliteError(
    'Config',
    'Cannot use the proxy set in the environment: expected http://[user:password@]host:port',
  );
}

function isExempt(url: URL, none: string): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return none
    .split(',')
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== '' && matches(rule, hostOf(url), port));
}

/** `*`, an address, a network `10.0.0.0/8`, or a name that stands for all below it; `:port` may follow. */
function matches(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true;
  const [, name = rule, rulePort] = /^(\[[^\]]*\]|[^:]*):([0-9]+)$/.exec(rule) ?? [];
  if (rulePort !== undefined && rulePort !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  if (bare.includes('/')) return inNetwork(bare, host);
  if (isIP(bare) !== 0) return bare === host;
  // ".example.com" and "*.example.com" are for what is below it alone.
  const below = bare.replace(/^\*?\./, '');
  return host.endsWith(`.${below}`) || (below === bare && host === bare);
}

function inNetwork(network: string, host: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const version = isIP(address);
  const prefix = Number(bits);
  if (version === 0 || !/^[0-9]{1,3}$/.test(bits) || prefix > (version === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  return inList(list, host);
}

function inList(list: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6');
}
