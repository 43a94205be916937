/**
 * Identifies us to one registry.
 *
 * A registry answers 401 with a challenge. `Basic` is answered with the login itself; `Bearer` names a
 * token service, where the login (or nobody's) is exchanged for a token that is good for one scope and
 * some minutes (distribution-spec's "token" flow; for refresh tokens, its OAuth 2 variant). Tokens are
 * kept until shortly before they expire, and fetched once however many requests want one.
 */

import { type Challenge, parseChallenges } from './challenge.ts';
import type { Login } from './credentials.ts';
import type { HttpAnswer, HttpClient } from './http.ts';
import { malformed, member, parseJsonObject } from './json-document.ts';
import { unexpectedAnswer } from './registry-answer.ts';

export interface AuthorizerOptions {
  readonly http: HttpClient;
  /** The registry's host, for messages. */
  readonly domain: string;
  /** Whether the registry itself is spoken to in plain text: then its token service may be, too. */
  readonly plainText: boolean;
  readonly login: Login;
  /** What a token must be good for: `repository:library/alpine:pull`. */
  readonly scope: string;
  /** Milliseconds of a clock. */
  readonly now: () => number;
  /** Ends a request for a token, which serves every request that waits for it. */
  readonly signal: AbortSignal;
}

interface Token {
  readonly header: string;
  readonly expiresMs: number;
}

const TOKEN_BYTES_MAX = 256 * 1024;
const TOKEN_PATTERN = /^[\x21-\x7e]+$/;
/** distribution-spec: what a token without `expires_in` is good for. */
const EXPIRES_SECONDS = 60;
const EXPIRES_SECONDS_MAX = 24 * 3600;
/** Renewed so much before the end, for the request still has to travel. */
const MARGIN_MS = 5_000;

/** Knows what to send in `Authorization`. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #challenge: Challenge | null = null;
  #token: Token | null = null;
  #pending: Promise<string> | null = null;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  get login(): Login {
    return this.#options.login;
  }

  /** Whether the registry has to be asked for its challenge before the login can be used. */
  get needsChallenge(): boolean {
    const { kind } = this.login.credentials;
    return this.#challenge === null && kind !== 'anonymous' && kind !== 'bearer';
  }

  /** Takes note of a `WWW-Authenticate` header. */
  learn(header: string | undefined): void {
    const challenges = parseChallenges(header ?? '');
    const by = (scheme: string) => challenges.find((challenge) => challenge.scheme === scheme);
    this.#challenge = by('bearer') ?? by('basic') ?? this.#challenge;
  }

  /** The header to send, or null for none. */
  async header(): Promise<string | null> {
    const { credentials } = this.login;
    if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`;
    if (this.#challenge === null) return null;
    if (this.#challenge.scheme === 'basic') {
      return credentials.kind === 'basic' ? basic(credentials) : null;
    }
    if (this.#token !== null && this.#token.expiresMs > this.#options.now()) {
      return this.#token.header;
    }
    this.#pending ??= this.#fetchToken(this.#challenge).finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  /** The registry refused this header; a token in it is not used again. */
  refused(header: string): void {
    if (this.#token?.header === header) this.#token = null;
  }

  async #fetchToken(challenge: Challenge): Promise<string> {
    const what = `a token for "${this.#options.domain}"`;
    const realm = this.#realm(challenge, what);
    const answer = await this.#ask(realm, challenge.parameters.get('service'), what);
    if (answer.status !== 200) throw await unexpectedAnswer(answer, what, this.login);
    const token = readToken(await answer.bytes(TOKEN_BYTES_MAX), what);
    const header = `Bearer ${token.value}`;
    const expiresMs = this.#options.now() + token.seconds * 1000 - MARGIN_MS;
    this.#token = { header, expiresMs };
    return header;
  }

  #ask(realm: URL, service: string | undefined, what: string): Promise<HttpAnswer> {
    const { http, scope, signal } = this.#options;
    const { credentials } = this.login;
    const about = { ...(service === undefined ? {} : { service }), scope };
    if (credentials.kind === 'identity') {
      const grant = { grant_type: 'refresh_token', refresh_token: credentials.token };
      const form = new URLSearchParams({ ...about, ...grant, client_id: 'boxlite' });
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      return http.request(realm, { method: 'POST', body: form.toString(), headers, what, signal });
    }
    const url = new URL(realm);
    for (const [name, value] of Object.entries(about)) url.searchParams.set(name, value);
    const headers = credentials.kind === 'basic' ? { authorization: basic(credentials) } : {};
    return http.request(url, { headers, what, signal });
  }

  #realm(challenge: Challenge, what: string): URL {
    const { domain, plainText } = this.#options;
    const realm = URL.parse(challenge.parameters.get('realm') ?? '');
    if (realm === null || !/^https?:$/.test(realm.protocol)) {
      throw malformed(what, `"${domain}" names no token service`);
    }
    // Whoever listens would read the login, which the registry itself is only given over TLS.
    if (realm.protocol === 'http:' && !plainText) {
      throw malformed(what, `"${domain}" names the token service "${realm.host}", without TLS`);
    }
    return realm;
  }
}

/** RFC 7617, in UTF-8. */
function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function readToken(bytes: Uint8Array, what: string): { value: string; seconds: number } {
  const object = parseJsonObject(bytes, what, TOKEN_BYTES_MAX);
  // The OAuth 2 variant names it access_token; servers send either, or both alike.
  const value = member(object, 'token') || member(object, 'access_token');
  if (typeof value !== 'string' || !TOKEN_PATTERN.test(value)) {
    throw malformed(what, 'the token service sent none');
  }
  const given = member(object, 'expires_in');
  const seconds = typeof given === 'number' && given > 0 ? given : EXPIRES_SECONDS;
  return { value, seconds: Math.min(seconds, EXPIRES_SECONDS_MAX) };
}
