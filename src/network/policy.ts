// pure
/**
 * What a box may reach. Names are allowed by rules for names: they are what DNS answers, and an address that it
 * has answered may be connected to by the names it was answered for. Addresses are allowed by rules for addresses.
 * Without rules everything is allowed but what never is.
 */
import type { NetworkRefusal } from '../spec/network-event.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import { type AddressClass, addressClass, isWithin } from './address-class.ts';
import {
  BOX,
  GATEWAY,
  HOST_ALIAS,
  HOST_ALIAS_NAME,
  HOST_LOOPBACK,
  LINK_PREFIX,
} from './addresses.ts';
import type { Endpoint } from './connection.ts';

/** A refusal and the sentence that explains it. */
export interface Denial {
  readonly reason: NetworkRefusal;
  readonly message: string;
}

/** What becomes of a connection or a flow. */
export type Verdict =
  /** By address, whatever is said on it. */
  | { readonly kind: 'address' }
  /** As a connection to one of these hosts and no other. */
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | ({ readonly kind: 'denied' } & Denial);

const HTTPS_PORT = 443;

/** See the top of this file. Immutable; a box whose rules change gets another one. */
export class NetworkPolicy {
  /** Whether there are rules at all. */
  readonly limited: boolean;
  readonly #rules: readonly NetworkRule[];

  /**
   * The hosts of secrets may be reached as if there were a rule for them, on the port of TLS where they name
   * none. No rules at all still means that everything is allowed.
   */
  constructor(rules: readonly NetworkRule[], secretHosts: readonly NetworkRule[] = []) {
    this.limited = rules.length > 0;
    this.#rules = [
      ...rules,
      ...secretHosts.map((rule) => ({ ...rule, port: rule.port ?? HTTPS_PORT })),
    ];
  }

  /** Whether a name may be looked up; null if so. */
  lookup(name: string): Denial | null {
    if (!this.limited || this.#rules.some((rule) => ruleNames(rule, name))) return null;
    if (name === HOST_ALIAS_NAME && this.#hasAddress(HOST_ALIAS.v4, null)) return null;
    return { reason: 'name-not-allowed', message: `no rule of allowNet allows "${name}"` };
  }

  /** Whether an address may be the answer to a name that may be looked up; null if so. */
  answer(name: string, address: string): Denial | null {
    if (!this.limited || this.#hasAddress(address, null)) return null;
    const kind = addressClass(address);
    if (kind === 'public') return null;
    const message = `"${name}" resolves to ${address}, a ${kind} address, which no rule for addresses allows`;
    return { reason: kind === 'metadata' ? 'metadata-address' : 'private-answer', message };
  }

  /** What becomes of a TCP connection to an address that was answered for `names`. */
  connection(to: Endpoint, names: readonly string[]): Verdict {
    const never = neverAllowed(to.address);
    if (never !== null) return { kind: 'denied', ...never };
    if (!this.limited || this.#hasAddress(to.address, to.port)) return { kind: 'address' };
    const allowed = names.filter((name) =>
      this.#rules.some((rule) => ruleNames(rule, name) && portFits(rule, to.port)),
    );
    // Nobody stands in front of the host's loopback: what is asked for there is its own business.
    if (allowed.includes(HOST_ALIAS_NAME)) return { kind: 'address' };
    if (allowed.length > 0) return { kind: 'names', names: allowed };
    const known = names.length === 0 ? 'no name' : names.map((name) => `"${name}"`).join(', ');
    const message =
      `no rule of allowNet allows ${endpointText(to)}, which ${known}` +
      ` was resolved to${names.length === 0 ? '' : ', on this port'}`;
    return { kind: 'denied', reason: 'address-not-allowed', message };
  }

  /** What becomes of datagrams. Nothing in them says which host they are for. */
  flow(to: Endpoint, names: readonly string[]): Verdict {
    const verdict = this.connection(to, names);
    if (verdict.kind !== 'names') return verdict;
    const message = `UDP to ${endpointText(to)} needs a rule for its address: a name allows TCP alone`;
    return { kind: 'denied', reason: 'udp-not-allowed', message };
  }

  #hasAddress(address: string, port: number | null): boolean {
    return this.#rules.some(
      (rule) =>
        rule.kind === 'cidr' &&
        isWithin(address, rule.address, rule.prefix) &&
        // Whoever allows a private network does not mean the host's loopback, which happens to look like a part of it.
        (!isHostAlias(address) || rule.address === address) &&
        (port === null || portFits(rule, port)),
    );
  }
}

/** Where a connection to an address that is allowed really goes. */
export function dialed(address: string): string {
  if (address === HOST_ALIAS.v4) return HOST_LOOPBACK.v4;
  return address === HOST_ALIAS.v6 ? HOST_LOOPBACK.v6 : address;
}

/** Whether it is the host's loopback, as the box sees it. */
export function isHostAlias(address: string): boolean {
  return address === HOST_ALIAS.v4 || address === HOST_ALIAS.v6;
}

/** Whether a rule is for this name, on whatever port. */
export function ruleNames(rule: NetworkRule, name: string): boolean {
  if (rule.kind === 'host') return rule.host === name;
  return rule.kind === 'wildcard' && name.endsWith(`.${rule.domain}`);
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function portFits(rule: NetworkRule, port: number): boolean {
  return rule.port === null || rule.port === port;
}

const NEVER: Readonly<Record<AddressClass, Denial | null>> = {
  public: null,
  private: null,
  metadata: {
    reason: 'metadata-address',
    message: 'link-local addresses and metadata services are never reached',
  },
  loopback: {
    reason: 'unroutable-address',
    message: `loopback addresses of the host are reached through ${HOST_ALIAS_NAME} alone`,
  },
  unroutable: { reason: 'unroutable-address', message: 'the address leads to no host' },
};

/**
 * Forms of IPv6 that stand for something else: IPv4-compatible addresses and their kin, NAT64, Teredo, 6to4, and the
 * older kind of local ones. A host that knew the way there could be led anywhere by them.
 */
const DISGUISES = ['::/32', '64:ff9b::/32', '2001::/32', '2002::/16', 'fec0::/10'].map((text) => {
  const [network = '', prefix] = text.split('/');
  return { network, prefix: Number(prefix) };
});

/** What no rule can allow. */
function neverAllowed(address: string): Denial | null {
  if (isHostAlias(address)) return null;
  const onLink =
    isWithin(address, BOX.v4, LINK_PREFIX.v4) || isWithin(address, GATEWAY.v6, LINK_PREFIX.v6);
  if (!onLink) {
    const disguised = DISGUISES.some(({ network, prefix }) => isWithin(address, network, prefix));
    return NEVER[addressClass(address)] ?? (disguised ? NEVER.unroutable : null);
  }
  return { reason: 'unroutable-address', message: 'there is nobody at this address of the link' };
}
