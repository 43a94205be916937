/** The DNS server of a box: the host's names and servers behind the box's policy. */
import { readFile } from 'node:fs/promises';
import { parseIpAddress } from '../../spec/ip-address.ts';
import type { NetworkRefusal } from '../../spec/network-event.ts';
import { HOST_ALIAS, HOST_ALIAS_NAME } from '../addresses.ts';
import type { NamePins } from '../pins.ts';
import type { NetworkPolicy } from '../policy.ts';
import { DnsCache } from './cache.ts';
import { parseHosts, parseResolvConf } from './host-files.ts';
import {
  answerTo,
  CLASS_INTERNET,
  type DnsAddressRecord,
  type DnsQuery,
  type DnsQuestion,
  encodeAnswer,
  malformedAnswer,
  parseQuery,
  recordTypes,
  resultCodes,
} from './message.ts';
import { askServers, type UpstreamAnswer } from './upstream.ts';

/** Questions that wait for the host's servers at once. */
const ASKING_MAX = 256;
/** How long an answer from a file of the host holds: it may be edited at any time. */
const HOSTS_TTL_SECONDS = 10;
const LOOPBACK = ['127.0.0.1', '::1'];

/** What a resolver needs of its box. */
export interface ResolverOptions {
  readonly pins: NamePins;
  /** The policy as it is now. */
  readonly policy: () => NetworkPolicy;
  /** Whether TLS to this host has to say that it is for this host. */
  readonly mustNameItself: (name: string) => boolean;
  readonly onRefused: (name: string, reason: NetworkRefusal, message: string) => void;
}

/** See the top of this file. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #cache = new DnsCache();
  readonly #closed = new AbortController();
  #asking = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** Gives up what it is asking. */
  close(): void {
    this.#closed.abort();
  }

  /** The answer to a message from the box, and the question if it was one; null: none at all. */
  async resolve(
    message: Uint8Array,
  ): Promise<{ answer: Uint8Array; query: DnsQuery | null } | null> {
    const query = parseQuery(message);
    if (query === null) {
      const answer = malformedAnswer(message);
      return answer === null ? null : { answer, query };
    }
    return { answer: await this.#answer(query), query };
  }

  async #answer(query: DnsQuery): Promise<Uint8Array> {
    const { question } = query;
    const { NOTIMP, NXDOMAIN, SERVFAIL, NOERROR } = resultCodes;
    if (query.opcode !== 0 || isTransfer(question)) return encodeAnswer(query, NOTIMP);
    if (isBelow(question.name, 'localhost')) return this.#own(query, LOOPBACK, 0);
    const denial = this.#options.policy().lookup(question.name);
    if (denial !== null) {
      this.#options.onRefused(question.name, denial.reason, denial.message);
      return encodeAnswer(query, NXDOMAIN);
    }
    if (question.name === HOST_ALIAS_NAME) {
      return this.#own(query, [HOST_ALIAS.v4, HOST_ALIAS.v6], HOSTS_TTL_SECONDS);
    }
    // These carry keys with which a client could hide the name it connects for.
    if (isServiceBinding(question) && this.#options.mustNameItself(question.name)) {
      return encodeAnswer(query, NOERROR);
    }
    const known = parseHosts(await readText('/etc/hosts')).get(question.name);
    if (known !== undefined) return this.#own(query, known, HOSTS_TTL_SECONDS);
    return (await this.#forward(query)) ?? encodeAnswer(query, SERVFAIL);
  }

  /** An answer of the host's own. Whoever owns the host has chosen it, so any address will do. */
  #own(query: DnsQuery, addresses: readonly string[], ttlSeconds: number): Uint8Array {
    const { question } = query;
    const records: DnsAddressRecord[] = [];
    for (const address of addresses) {
      const { family, bytes } = parseIpAddress(address) ?? { family: 4, bytes: [] };
      const type = family === 4 ? recordTypes.A : recordTypes.AAAA;
      if (question.class !== CLASS_INTERNET || type !== question.type) continue;
      records.push({ type, address: bytes, ttlSeconds });
      this.#pin(question.name, address, ttlSeconds);
    }
    return encodeAnswer(query, resultCodes.NOERROR, records);
  }

  async #forward(query: DnsQuery): Promise<Uint8Array | null> {
    const { question } = query;
    const now = performance.now();
    const found = this.#cache.get(question, now) ?? (await this.#ask(question));
    if (found === null) return null;
    const { answer, message } = found;
    // Asked now: the rules may have changed since the answer was kept.
    const policy = this.#options.policy();
    for (const address of answer.addresses) {
      const denial = policy.answer(question.name, address);
      if (denial === null) continue;
      this.#options.onRefused(question.name, denial.reason, denial.message);
      return encodeAnswer(query, resultCodes.NXDOMAIN);
    }
    const ageSeconds = Math.max(0, Math.floor((now - found.since) / 1_000));
    const ttlSeconds = (answer.ttlSeconds ?? 0) - ageSeconds;
    for (const address of answer.addresses) this.#pin(question.name, address, ttlSeconds);
    return answerTo(query, message, answer, ageSeconds);
  }

  async #ask(question: DnsQuestion): Promise<(UpstreamAnswer & { since: number }) | null> {
    if (this.#asking >= ASKING_MAX) {
      const message = `more than ${ASKING_MAX} names are being looked up at once`;
      this.#options.onRefused(question.name, 'limit', message);
      return null;
    }
    this.#asking++;
    try {
      const { servers } = parseResolvConf(await readText('/etc/resolv.conf'));
      const found = await askServers(servers, question, this.#closed.signal);
      if (found === null) return null;
      const entry = { ...found, since: performance.now() };
      this.#cache.put(question, entry);
      return entry;
    } finally {
      this.#asking--;
    }
  }

  #pin(name: string, address: string, ttlSeconds: number): void {
    this.#options.pins.add(name, address, ttlSeconds, performance.now());
  }
}

function isTransfer({ type }: DnsQuestion): boolean {
  return type === recordTypes.AXFR || type === recordTypes.IXFR || type === recordTypes.ANY;
}

function isServiceBinding({ type }: DnsQuestion): boolean {
  return type === recordTypes.HTTPS || type === recordTypes.SVCB;
}

function isBelow(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

/** A file that is not there says nothing. */
function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
