// pure
import { formatIpAddress, networkOf, parseIpAddress } from './ip-address.ts';
import { invalid, quote, type Read, text } from './reader.ts';

/** What may be reached, on one port or on all (null). Plain data. */
export type NetworkRule =
  /** The host of exactly this name: lower case, without a final dot. */
  | { readonly kind: 'host'; readonly host: string; readonly port: number | null }
  /** Every host below this domain, at any depth, but not the domain itself. */
  | { readonly kind: 'wildcard'; readonly domain: string; readonly port: number | null }
  /** The addresses whose first `prefix` bits are those of `address`, whose other bits are zero. */
  | {
      readonly kind: 'cidr';
      readonly family: 4 | 6;
      readonly address: string;
      readonly prefix: number;
      readonly port: number | null;
    };

/** RFC 1035, 2.3.4, in text and without the final dot. */
const NAME_CHARS_MAX = 253;
/** Letters, digits and hyphens; names of services also have underscores. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** What URL parsers take for the end of an IPv4 address: `0x7f.1` and `2130706433` are 127.0.0.1. */
const NUMERIC_LABEL = /^(?:[0-9]+|0x[0-9a-f]*)$/;
const EXPECTED =
  'a host name, "*.domain", an address or a CIDR block, each with ":port" if wanted' +
  ' ("[...]:port" for IPv6)';

/** One pattern of `allowNet`. */
export const networkRule: Read<NetworkRule> = (value, path) => {
  const pattern = text(value, path);
  const rule = parseNetworkRule(pattern);
  if (rule === null) throw invalid(path, EXPECTED, `${quote(pattern)}${hint(pattern)}`);
  return rule;
};

/** One of a secret's hosts: a rule that is no block of addresses. */
export const secretHost: Read<NetworkRule> = (value, path) => {
  const rule = networkRule(value, path);
  if (rule.kind === 'cidr' && rule.prefix !== addressBits(rule.family)) {
    throw invalid(path, 'a host name, "*.domain" or an address', `"${formatNetworkRule(rule)}"`);
  }
  return rule;
};

/** The rule that a pattern spells, or null. */
export function parseNetworkRule(pattern: string): NetworkRule | null {
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::([1-9][0-9]{0,4}))?$/.exec(pattern);
  if (bracketed !== null) return withPort(addressRule(bracketed[1] ?? ''), bracketed[2]);
  // Before the port is split off: all of "2001:db8::1:443" is an address.
  const address = addressRule(pattern);
  if (address !== null) return withPort(address, undefined);
  const split = /^([^:]+):([1-9][0-9]{0,4})$/.exec(pattern);
  const target = split?.[1] ?? pattern;
  return withPort(addressRule(target) ?? nameRule(target), split?.[2]);
}

/** The canonical pattern of a rule, which parses to the same. */
export function formatNetworkRule(rule: NetworkRule): string {
  const port = rule.port === null ? '' : `:${rule.port}`;
  switch (rule.kind) {
    case 'host':
      return `${rule.host}${port}`;
    case 'wildcard':
      return `*.${rule.domain}${port}`;
    case 'cidr': {
      const whole = rule.prefix === addressBits(rule.family);
      const target = whole ? rule.address : `${rule.address}/${rule.prefix}`;
      return rule.family === 6 && port !== '' ? `[${target}]${port}` : `${target}${port}`;
    }
  }
}

function withPort(rule: NetworkRule | null, digits: string | undefined): NetworkRule | null {
  const port = digits === undefined ? null : Number(digits);
  if (rule === null || (port !== null && port > 65_535)) return null;
  return Object.freeze({ ...rule, port });
}

function addressRule(target: string): NetworkRule | null {
  const match = /^([^/]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(target);
  const address = parseIpAddress(match?.[1] ?? '');
  if (address === null) return null;
  const bits = addressBits(address.family);
  // The prefix of an IPv4-mapped block counts the 96 bits that we leave out.
  const mapped = address.family === 4 && target.includes(':') ? 96 : 0;
  const prefix = match?.[2] === undefined ? bits : Number(match[2]) - mapped;
  if (prefix < 0 || prefix > bits) return null;
  const network = formatIpAddress(networkOf(address, prefix));
  return { kind: 'cidr', family: address.family, address: network, prefix, port: null };
}

function nameRule(target: string): NetworkRule | null {
  const wildcard = target.startsWith('*.');
  const name = (wildcard ? target.slice(2) : target).toLowerCase().replace(/\.$/, '');
  const labels = name.split('.');
  if (name.length > NAME_CHARS_MAX || !labels.every((label) => LABEL.test(label))) return null;
  if (NUMERIC_LABEL.test(labels.at(-1) ?? '')) return null;
  return wildcard
    ? { kind: 'wildcard', domain: name, port: null }
    : { kind: 'host', host: name, port: null };
}

function addressBits(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function hint(pattern: string): string {
  if (pattern === '*') return '; an empty list allows everything';
  if (pattern.includes('://')) return '; leave out the scheme and the path';
  return /[^\p{ASCII}]/u.test(pattern) ? '; write the name in its xn-- form' : '';
}
