/**
 * Carries what a box may reach, and refuses the rest. A connection that is allowed by address passes as it is. One
 * that is allowed by name is looked into until it says which host it is for: TLS in its first message, HTTP/1 in
 * each request. Whatever else it speaks goes by the address that its name was resolved to.
 */

import { isIP, type Socket } from 'node:net';
import { type Duplex, Transform } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { messageOf, systemCode } from '../base/errors.ts';
import type { SecretRule } from '../spec/box-spec.ts';
import type { NetworkEvent, NetworkRefusal } from '../spec/network-event.ts';
import type { NetworkRule } from '../spec/network-rule.ts';
import { GATEWAY, HOST_ALIAS_NAME } from './addresses.ts';
import { beginningOf } from './beginning.ts';
import type { ClientHello } from './client-hello.ts';
import type { Endpoint, GuestConnection, GuestFlow, Uplink } from './connection.ts';
import { dial } from './dial.ts';
import { Resolver } from './dns/resolver.ts';
import { serveDatagrams, serveStream } from './dns/service.ts';
import type { Beginning } from './first-bytes.ts';
import { type Gates, loadGates } from './gates.ts';
import type { HttpLeg } from './http/leg.ts';
import { NamePins } from './pins.ts';
import {
  type Denial,
  dialed,
  endpointText,
  isHostAlias,
  NetworkPolicy,
  type Verdict,
} from './policy.ts';
import { pump, pumpThrough } from './pump.ts';
import { Refusals } from './refusals.ts';
import { SecondHello } from './second-hello.ts';
import { isFor, Substitution } from './secrets/substitution.ts';
import { refusalFor, SocketUplink } from './socket-uplink.ts';
import type { CertificateAuthority } from './tls/authority.ts';

const DNS_PORT = 53;

/** What a box may reach, and who is told what it may not. */
export interface PolicyUplinkOptions {
  /** None: everything. */
  readonly rules: readonly NetworkRule[];
  /** With their values. */
  readonly secrets: readonly SecretRule[];
  /** What a secret's host is to the box. Asked for only if there are secrets. */
  readonly authority: () => CertificateAuthority;
  readonly onRefused: (event: NetworkEvent) => void;
}

/** A connection with both its ends open. */
interface Joined {
  readonly to: Endpoint;
  readonly verdict: Verdict;
  readonly guest: Duplex;
  readonly upstream: Socket;
  readonly gates: Gates;
}

/** See the top of this file. */
export class PolicyUplink implements Uplink {
  readonly #secrets: readonly SecretRule[];
  readonly #authority: () => CertificateAuthority;
  readonly #refusals: Refusals;
  readonly #pins = new NamePins();
  readonly #resolver: Resolver;
  /** Carries what need not be looked into. */
  readonly #sockets = new SocketUplink();
  readonly #closed = new AbortController();
  readonly #open = new Set<Duplex>();
  #policy: NetworkPolicy;
  #gates: Promise<Gates> | null = null;

  constructor({ rules, secrets, authority, onRefused }: PolicyUplinkOptions) {
    this.#secrets = secrets;
    this.#authority = authority;
    this.#refusals = new Refusals(onRefused);
    this.#policy = this.#policyFor(rules);
    this.#resolver = new Resolver({
      pins: this.#pins,
      policy: () => this.#policy,
      mustNameItself: (name) => this.#policy.limited || this.#hasSecrets(name, null),
      onRefused: (name, reason, message) => {
        this.#refusals.add({ protocol: 'dns', target: name, name, reason, message });
      },
    });
  }

  /** From now on; what is connected stays so. */
  setRules(rules: readonly NetworkRule[]): void {
    this.#policy = this.#policyFor(rules);
  }

  connection(connection: GuestConnection): void {
    const { to } = connection;
    if (isResolver(to)) return void serveStream(connection.accept(), this.#resolver);
    const verdict = this.#policy.connection(to, this.#namesOf(to));
    if (verdict.kind === 'denied') {
      this.#refused('tcp', to, null, verdict);
      return connection.refuse('prohibited');
    }
    if (verdict.kind === 'address' && this.#secrets.length === 0) {
      return this.#sockets.dial(connection, dialed(to.address));
    }
    void this.#connect(connection, verdict, dialed(to.address));
  }

  flow(flow: GuestFlow): void {
    const { to } = flow;
    if (isResolver(to)) return serveDatagrams(flow, this.#resolver);
    const names = this.#namesOf(to);
    const verdict = this.#policy.flow(to, names);
    const secret = names.find((name) => this.#hasSecrets(name, to.port));
    if (verdict.kind !== 'denied' && secret === undefined) {
      return this.#sockets.relay(flow, dialed(to.address));
    }
    const message = `"${secret}" has a secret, which goes by TCP alone`;
    const withSecret: Denial = { reason: 'udp-not-allowed', message };
    this.#refused('udp', to, secret ?? null, verdict.kind === 'denied' ? verdict : withSecret);
    // What it sends is what the refusal is about.
    flow.onDatagram = () => flow.refuse('prohibited');
  }

  close(): void {
    this.#closed.abort();
    this.#resolver.close();
    this.#refusals.flush();
    this.#sockets.close();
    for (const stream of this.#open) stream.destroy();
  }

  async #connect(connection: GuestConnection, verdict: Verdict, address: string): Promise<void> {
    const { to } = connection;
    const signal = AbortSignal.any([connection.signal, this.#closed.signal]);
    let upstream: Socket;
    let gates: Gates;
    try {
      this.#gates ??= loadGates();
      gates = await this.#gates;
      upstream = await dial({ address, port: to.port }, signal);
    } catch (error) {
      return connection.refuse(refusalFor(systemCode(error) ?? undefined));
    }
    const guest = connection.accept();
    for (const stream of [guest, upstream]) {
      this.#open.add(stream);
      stream.once('close', () => this.#open.delete(stream));
    }
    if (this.#closed.signal.aborted) return this.close();
    const joined = { to, verdict, guest, upstream, gates };
    await this.#look(joined).catch(() => abandon(joined));
  }

  /** Looks at what the box says first, and lets it go on if that is in order. */
  async #look(joined: Joined): Promise<void> {
    const { guest, upstream } = joined;
    const broken = () => abandon(joined);
    for (const stream of [guest, upstream]) stream.on('error', broken);
    let greeted = false;
    const beginning = await beginningOf(guest, upstream, () => {
      // A server that speaks first: what it says may be heard.
      greeted = true;
      upstream.pipe(guest);
    });
    for (const stream of [guest, upstream]) stream.off('error', broken);
    if (beginning === null && !guest.readableEnded) return abandon(joined);
    const denial = beginning === null ? null : this.#judge(joined, beginning, greeted);
    if (denial !== null) {
      const name = beginning?.kind === 'tls' ? beginning.hello.serverName : null;
      this.#refused(beginning?.kind === 'tls' ? 'tls' : 'http', joined.to, name, denial);
      return abandon(joined);
    }
    // A server that spoke first is joined to the box already; the other half comes to it.
    if (greeted) return pump(guest, upstream.unpipe(guest));
    if (beginning?.kind === 'tls') {
      const host = beginning.hello.serverName ?? joined.to.address;
      if (this.#hasSecrets(host, joined.to.port)) {
        return this.#intercept(joined, host, beginning.hello);
      }
      return this.#watchHello(joined);
    }
    if (beginning?.kind === 'http') return joined.gates.http1.serve(this.#leg(joined));
    pump(guest, upstream);
  }

  /** Ends TLS to a secret's host, so that placeholders on it can be replaced. */
  async #intercept(joined: Joined, host: string, hello: ClientHello): Promise<void> {
    const { to, guest, gates } = joined;
    let upstream: TLSSocket;
    // A box that has gone does not wait for the server.
    const gone = () => joined.upstream.destroy();
    guest.once('close', gone);
    try {
      upstream = await gates.openServer(joined.upstream, { host, protocols: hello.protocols });
    } catch (error) {
      const message = `the TLS handshake with "${host}" failed: ${messageOf(error)}`;
      this.#refused('tls', to, host, { reason: 'certificate-invalid', message });
      return abandon(joined);
    } finally {
      guest.off('close', gone);
    }
    const protocol = upstream.alpnProtocol || 'http/1.1';
    const lost = () => guest.destroy();
    upstream.once('close', lost);
    const inner = await gates.openGuest(guest, this.#authority().identityFor(host), protocol);
    upstream.off('close', lost);
    const leg: HttpLeg = {
      guest: inner,
      upstream,
      scheme: 'https',
      check: (named) => judgeHost(named, [host], to),
      secretsFor: () => new Substitution(this.#secrets, host, to.port),
      onRefused: (named, reason, message) => this.#refused('http', to, named, { reason, message }),
    };
    if (protocol === 'h2') gates.serveHttp2(leg);
    else gates.http1.serve(leg);
  }

  /** Lets TLS go on, but to no other host than the one it began for. */
  #watchHello({ guest, upstream, verdict, to }: Joined): void {
    if (verdict.kind !== 'names') return pump(guest, upstream);
    const second = new SecondHello((hello) => {
      const denial = judgeHello(hello, verdict.names, to);
      if (denial !== null) this.#refused('tls', to, hello.serverName, denial);
      return denial === null;
    });
    const listen = (chunk: Buffer) => {
      second.fromServer(chunk);
      if (second.done) upstream.off('data', listen);
    };
    const filter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const passed = second.fromClient(chunk);
        if (passed === null) return done(new Error('another host'));
        done(null, passed.length === 0 ? undefined : passed);
      },
    });
    upstream.on('data', listen);
    pumpThrough(guest, filter, upstream);
  }

  /** Why a connection that begins like this may not go on; null if it may. */
  #judge({ verdict, to }: Joined, beginning: Beginning, greeted: boolean): Denial | null {
    const looked = beginning.kind === 'tls' || beginning.kind === 'http';
    if (greeted && beginning.kind === 'http' && verdict.kind === 'names') {
      return malformed('a server that speaks first was sent HTTP');
    }
    if (beginning.kind === 'malformed') {
      // By address, whatever it is.
      return verdict.kind === 'names' ? malformed('it is neither TLS nor HTTP') : null;
    }
    if (verdict.kind !== 'names') return null;
    if (beginning.kind === 'http2') {
      const message = 'HTTP/2 without TLS says only inside which host it is for';
      return { reason: 'name-hidden', message };
    }
    if (!looked || beginning.kind === 'http') return null;
    return judgeHello(beginning.hello, verdict.names, to);
  }

  #leg({ guest, upstream, to, verdict }: Joined): HttpLeg {
    const names = verdict.kind === 'names' ? verdict.names : null;
    return {
      guest,
      upstream,
      scheme: 'http',
      check: (host) => (names === null ? null : judgeHost(host, names, to)),
      secretsFor: (host) => this.#secretsFor(host, to),
      onRefused: (host, reason, message) => this.#refused('http', to, host, { reason, message }),
    };
  }

  /** Without TLS only the address tells who it is: it must be what the host's servers say the name is. */
  #secretsFor(host: string, to: Endpoint): Substitution | null {
    if (this.#secrets.length === 0) return null;
    const known = isIP(host) === 0 ? this.#namesOf(to).includes(host) : host === to.address;
    return new Substitution(this.#secrets, known ? host : '', to.port);
  }

  #hasSecrets(host: string, port: number | null): boolean {
    return this.#secrets.some((secret) =>
      port === null
        ? secret.hosts.some((rule) => isFor(secret, host, rule.port ?? 0))
        : isFor(secret, host, port),
    );
  }

  #policyFor(rules: readonly NetworkRule[]): NetworkPolicy {
    return new NetworkPolicy(
      rules,
      this.#secrets.flatMap(({ hosts }) => hosts),
    );
  }

  #namesOf({ address }: Endpoint): string[] {
    const names = this.#pins.namesOf(address, performance.now());
    // The box has this name in a file, and need not ask.
    return isHostAlias(address) ? [HOST_ALIAS_NAME, ...names] : names;
  }

  #refused(
    protocol: NetworkEvent['protocol'],
    to: Endpoint,
    name: string | null,
    { reason, message }: { readonly reason: NetworkRefusal; readonly message: string },
  ): void {
    this.#refusals.add({ protocol, target: endpointText(to), name, reason, message });
  }
}

function isResolver({ address, port }: Endpoint): boolean {
  return port === DNS_PORT && (address === GATEWAY.v4 || address === GATEWAY.v6);
}

function judgeHello(hello: ClientHello, names: readonly string[], to: Endpoint): Denial | null {
  const { serverName, encrypted } = hello;
  if (encrypted) {
    const message = `TLS to ${endpointText(to)} has an encrypted client hello, which may name another host`;
    return { reason: 'name-hidden', message };
  }
  return judgeHost(serverName, names, to);
}

function judgeHost(host: string | null, names: readonly string[], to: Endpoint): Denial | null {
  const expected = names.map((name) => `"${name}"`).join(' or ');
  if (host === null) {
    const message = `a connection to ${endpointText(to)} has to say that it is for ${expected}`;
    return { reason: 'name-missing', message };
  }
  if (names.includes(host)) return null;
  const message = `a connection to ${endpointText(to)} is for "${host}" and not for ${expected}`;
  return { reason: 'name-mismatch', message };
}

function malformed(message: string): Denial {
  return { reason: 'malformed', message };
}

function abandon({ guest, upstream }: Joined): void {
  guest.destroy();
  upstream.destroy();
}
