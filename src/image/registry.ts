/**
 * A client for one repository of a registry, as distribution-spec describes it.
 *
 * Manifests come back whole and verified. Blobs come as a stream that resumes by itself after a broken
 * connection; whoever stores them verifies them.
 */

import type { ProxySettings } from '../base/env.ts';
import { BoxliteError } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import { DOCKER_HUB } from '../spec/image-name.ts';
import type { RegistryTransport } from '../spec/image-registry.ts';
import { Authorizer } from './auth.ts';
import type { BlobOrigin } from './blobs.ts';
import { type DockerLogins, findLogin } from './credentials.ts';
import { isDigest, matchesDigest, sha256Digest } from './digest.ts';
import { DEADLINES, type Deadlines, type HttpAnswer, HttpClient } from './http.ts';
import { malformed } from './json-document.ts';
import { type Descriptor, MANIFEST_BYTES_MAX } from './manifest.ts';
import { ACCEPTED_MANIFESTS } from './media-types.ts';
import { isNotTls, isUnreachable } from './network-error.ts';
import { hostOf, isLoopback } from './proxy.ts';
import { htmlAnswer, unexpectedAnswer } from './registry-answer.ts';
import { registryBlob } from './registry-blob.ts';
import { RETRY_POLICY, Retries, type RetryPolicy } from './retry.ts';
import type { ImageCandidate } from './search.ts';

export interface RegistryOptions {
  readonly proxy: ProxySettings;
  /** Where to find logins that are not configured; null to look nowhere. */
  readonly docker: DockerLogins | null;
  readonly deadlines?: Deadlines;
  readonly retry?: RetryPolicy;
  /** Ends every request for a manifest. Streams of blobs have signals of their own. */
  readonly signal?: AbortSignal | undefined;
}

/** A manifest as a registry sent it; its bytes have the digest. */
export interface ManifestAnswer {
  readonly bytes: Uint8Array;
  readonly contentType: string | null;
  readonly digest: string;
}

interface Session {
  readonly base: URL;
  readonly auth: Authorizer;
}

/** Docker Hub's registry does not answer at the name that images carry. */
const DOCKER_HUB_HOST = 'registry-1.docker.io';

export class RegistryClient implements Disposable {
  readonly #candidate: ImageCandidate;
  readonly #options: RegistryOptions;
  readonly #http: HttpClient;
  readonly #retry: RetryPolicy;
  /** Ends what serves no single caller: the login, and tokens. */
  readonly #closed = new AbortController();
  #session: Promise<Session> | null = null;
  #streams = 0;
  #disposed = false;

  constructor(candidate: ImageCandidate, options: RegistryOptions) {
    this.#candidate = candidate;
    this.#options = options;
    this.#retry = options.retry ?? RETRY_POLICY;
    this.#http = new HttpClient({
      skipVerify: candidate.registry.skipVerify || this.#isImplicitLoopback(),
      proxy: options.proxy,
      deadlines: options.deadlines ?? DEADLINES,
    });
  }

  /**
   * The manifest or index of a tag or a digest.
   *
   * @throws BoxliteError `Image`, `Network`
   */
  async manifest(tagOrDigest: string, what: string): Promise<ManifestAnswer> {
    const retries = new Retries(this.#retry, this.#options.signal);
    for (;;) {
      try {
        return await this.#manifestOnce(tagOrDigest, what);
      } catch (error) {
        await retries.pause(error);
      }
    }
  }

  /**
   * Where the bytes of a blob come from, from any offset on. A stream that has begun goes on when the
   * client is disposed of: others may have come to wait for what it brings.
   */
  blob(blob: Descriptor, what: string): BlobOrigin {
    const ask = (headers: Record<string, string>, signal: AbortSignal) =>
      this.#ask(`blobs/${blob.digest}`, headers, what, signal);
    const refuse = async (answer: HttpAnswer) => {
      const { auth } = await this.#connect();
      return unexpectedAnswer(answer, what, auth.login);
    };
    const source = { blob, what, ask, refuse, policy: this.#retry };
    return (offset, signal) => this.#keepOpen(registryBlob(source, offset, signal));
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#closeIfUnused();
  }

  async *#keepOpen(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#streams += 1;
    try {
      yield* stream;
    } finally {
      this.#streams -= 1;
      this.#closeIfUnused();
    }
  }

  #closeIfUnused(): void {
    if (!this.#disposed || this.#streams > 0) return;
    this.#closed.abort();
    this.#http[Symbol.dispose]();
  }

  async #manifestOnce(tagOrDigest: string, what: string): Promise<ManifestAnswer> {
    const headers = { accept: ACCEPTED_MANIFESTS.join(', ') };
    const answer = await this.#ask(`manifests/${tagOrDigest}`, headers, what, this.#options.signal);
    if (answer.status !== 200) {
      const { auth } = await this.#connect();
      throw await unexpectedAnswer(answer, what, auth.login);
    }
    if (answer.isHtml) {
      await answer.discard();
      throw htmlAnswer(answer, what);
    }
    const bytes = await answer.bytes(MANIFEST_BYTES_MAX);
    const said = answer.header('docker-content-digest') ?? '';
    const digest = isDigest(tagOrDigest)
      ? tagOrDigest
      : isDigest(said)
        ? said
        : sha256Digest(bytes);
    if (!matchesDigest(bytes, digest)) {
      throw malformed(
        what,
        `"${answer.url.host}" sent something that does not have digest ${digest}`,
      );
    }
    return { bytes, contentType: answer.header('content-type') ?? null, digest };
  }

  /** One request, identified as well as we can. */
  async #ask(
    path: string,
    headers: Record<string, string>,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const { base, auth } = await orAborted(this.#connect(), signal);
    const url = new URL(`/v2/${this.#candidate.reference.path}/${path}`, base);
    const send = (authorization: string | null) => {
      const login = authorization === null ? {} : { authorization };
      return this.#http.request(url, { headers: { ...headers, ...login }, what, signal });
    };
    const first = await orAborted(auth.header(), signal);
    const answer = await send(first);
    // What another host asks for, where a redirect has led, is not the registry's to ask.
    if (answer.status !== 401 || answer.url.origin !== url.origin) return answer;
    auth.learn(answer.header('www-authenticate'));
    if (first !== null) auth.refused(first);
    const second = await orAborted(auth.header(), signal);
    if (second === null || second === first) return answer;
    await answer.discard();
    return send(second);
  }

  /** The registry's address and our way to identify there, found once. */
  #connect(): Promise<Session> {
    this.#session ??= this.#openSession().catch((error: unknown) => {
      this.#session = null;
      throw error;
    });
    return this.#session;
  }

  async #openSession(): Promise<Session> {
    const { registry, reference } = this.#candidate;
    const { signal } = this.#closed;
    const login = await findLogin(registry, this.#options.docker, signal);
    const base = await this.#findBase();
    const auth = new Authorizer({
      http: this.#http,
      domain: reference.domain,
      plainText: base.protocol === 'http:',
      login,
      scope: `repository:${reference.path}:pull`,
      now: () => performance.now(),
      signal,
    });
    // Asked first, for a registry may hide from strangers what it shows to those who log in.
    if (auth.needsChallenge) auth.learn(await this.#challengeOf(base));
    return { base, auth };
  }

  async #challengeOf(base: URL): Promise<string | undefined> {
    const what = 'the ways to log in';
    const { signal } = this.#closed;
    const answer = await this.#http.request(new URL('/v2/', base), { what, signal });
    await answer.discard();
    return answer.header('www-authenticate');
  }

  /**
   * As Docker does, a registry on this machine that nobody configured is looked for over TLS and then
   * in plain text.
   */
  async #findBase(): Promise<URL> {
    const { registry, reference } = this.#candidate;
    const host = reference.domain === DOCKER_HUB ? DOCKER_HUB_HOST : reference.domain;
    const base = registryUrl(registry.transport, host);
    if (!this.#isImplicitLoopback()) return base;
    try {
      await this.#challengeOf(base);
      return base;
    } catch (error) {
      if (isNotTls(error) || isUnreachable(error)) return registryUrl('http', host);
      throw error;
    }
  }

  #isImplicitLoopback(): boolean {
    const { configured, reference } = this.#candidate;
    return !configured && isLoopback(hostOf(registryUrl('https', reference.domain)));
  }
}

/** A name may keep to the grammar and still be no address: `1.2.3.4.5`. */
function registryUrl(transport: RegistryTransport, host: string): URL {
  const url = URL.parse(`${transport}://${host}`);
  if (url !== null) return url;
  throw new BoxliteError('InvalidArgument', `Cannot use registry "${host}": it is not a host`);
}
