/**
 * The HTTP client of the image room: one request, one answer, every wait bounded.
 *
 * It is node:http with what a registry needs on top: deadlines, proxies, certificates that are not
 * looked at when told so, and redirects that do not carry a login to another host. It knows nothing of
 * registries; logins and tries are the caller's.
 */

import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type { ProxySettings } from '../base/env.ts';
import { BoxliteError } from '../base/errors.ts';
import { malformed } from './json-document.ts';
import { CutShort, networkError, TimedOut } from './network-error.ts';
import { proxyFor } from './proxy.ts';
import { type Pace, paced } from './throughput.ts';

/** How long a server may take. */
export interface Deadlines {
  /** To a TCP connection, through the proxy if there is one. */
  readonly connectMs: number;
  /** From there to the head of the answer, TLS included. */
  readonly answerMs: number;
  readonly pace: Pace;
}

export const DEADLINES: Deadlines = {
  connectMs: 15_000,
  answerMs: 60_000,
  pace: { bytes: 20 * 1024, windowMs: 20_000 },
};

export interface HttpOptions {
  /** Whether any certificate will do. */
  readonly skipVerify: boolean;
  readonly proxy: ProxySettings;
  readonly deadlines: Deadlines;
}

export interface HttpRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What is asked for, for messages: `the manifest of "docker.io/library/alpine"`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** As Go's client, and so every container tool. */
const REDIRECTS_MAX = 10;
/** What is read of an answer nobody wants, so that its connection can be used again. */
const DISCARD_BYTES_MAX = 64 * 1024;
/** The first version whose agents take `proxyEnv`. */
const PROXY_NODE_VERSION = [24, 5] as const;

/** An answer: its head, and its body still to be read, once. */
export class HttpAnswer {
  readonly status: number;
  readonly url: URL;
  readonly #message: http.IncomingMessage;
  readonly #request: HttpRequest;
  readonly #pace: Pace;

  constructor(message: http.IncomingMessage, url: URL, request: HttpRequest, pace: Pace) {
    this.status = message.statusCode ?? 0;
    this.url = url;
    this.#message = message;
    this.#request = request;
    this.#pace = pace;
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  get isHtml(): boolean {
    return /^\s*(text\/html|application\/xhtml)/i.test(this.header('content-type') ?? '');
  }

  /** The body as it comes. @throws BoxliteError `Network` if it breaks off or comes too slowly. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const message = this.#message;
    try {
      yield* paced(message, this.#pace, (error) => message.destroy(error));
      if (!message.complete) throw new CutShort('the connection was closed before the end');
    } catch (error) {
      this.#request.signal?.throwIfAborted();
      throw networkError(this.#request.what, this.url, error);
    } finally {
      message.destroy();
    }
  }

  /** The whole body. @throws BoxliteError `Image` if it is larger than allowed. */
  async bytes(maxBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.chunks()) {
      size += chunk.length;
      if (size > maxBytes) {
        throw malformed(this.#request.what, `"${this.url.host}" sent more than ${maxBytes} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  /** Reads the body if it is short, else hangs up. */
  async discard(): Promise<void> {
    await this.bytes(DISCARD_BYTES_MAX).catch(() => undefined);
    this.#request.signal?.throwIfAborted();
  }
}

/** Sends requests and keeps connections for the next ones until it is disposed of. */
export class HttpClient implements Disposable {
  readonly #options: HttpOptions;
  readonly #agents = new Map<string, http.Agent>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * The answer to a request, wherever redirects lead. `Authorization` stays with the first host, and
   * TLS is not given up on the way. A `POST` is not redirected: its body is a login.
   *
   * @throws BoxliteError `Network`
   * @throws the signal's reason
   */
  async request(start: URL, request: HttpRequest): Promise<HttpAnswer> {
    let url = start;
    let headers = request.headers ?? {};
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      const answer = await this.#send(url, { ...request, headers });
      const location = answer.header('location');
      const isRedirect = REDIRECTS.has(answer.status) && request.method !== 'POST';
      if (!isRedirect || location === undefined) return answer;
      await answer.discard();
      const next = redirectTarget(url, location, request.what);
      if (next.origin !== url.origin) headers = withoutLogin(headers);
      url = next;
    }
    throw networkError(request.what, start, new Error(`more than ${REDIRECTS_MAX} redirects`));
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #send(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    request.signal?.throwIfAborted();
    const agent = this.#agent(url);
    try {
      const message = await exchange(url, request, agent, this.#options.deadlines);
      return new HttpAnswer(message, url, request, this.#options.deadlines.pace);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw networkError(request.what, url, error);
    }
  }

  #agent(url: URL): http.Agent {
    const proxy = proxyFor(url, this.#options.proxy);
    const key = `${url.protocol} ${proxy}`;
    const agent = this.#agents.get(key) ?? makeAgent(url, proxy, this.#options.skipVerify);
    this.#agents.set(key, agent);
    return agent;
  }
}

function makeAgent(url: URL, proxy: string | null, skipVerify: boolean): http.Agent {
  const options = { keepAlive: true };
  const tls = { ...options, rejectUnauthorized: !skipVerify };
  if (proxy === null) return isTls(url) ? new https.Agent(tls) : new http.Agent(options);
  requireProxySupport();
  const proxyEnv = { http_proxy: proxy, https_proxy: proxy };
  return isTls(url)
    ? new TunnelAgent({ ...tls, proxyEnv })
    : new http.Agent({ ...options, proxyEnv });
}

/**
 * Goes through a proxy by `CONNECT`. Until that is done a request knows of no socket, and destroying it
 * has no effect; so whoever sends one is told of the socket to destroy.
 */
class TunnelAgent extends https.Agent {
  override createConnection(
    options: https.RequestOptions & { readonly onTunnel?: (socket: Duplex) => void },
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const socket = super.createConnection(options, callback);
    if (socket) options.onTunnel?.(socket);
    return socket;
  }
}

/** Older versions would quietly go around the proxy. */
function requireProxySupport(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [needMajor, needMinor] = PROXY_NODE_VERSION;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new BoxliteError(
    'Unsupported',
    `Cannot use the proxy set in the environment with Node ${process.versions.node}:` +
      ` use Node ${needMajor}.${needMinor} or newer`,
  );
}

/** One request on the wire, to the head of its answer. */
async function exchange(
  url: URL,
  request: HttpRequest,
  agent: http.Agent,
  deadlines: Deadlines,
): Promise<http.IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const { method = 'GET', headers = {}, body, signal } = request;
  let tunnel: Duplex | null = null;
  const options: https.RequestOptions & { onTunnel: (socket: Duplex) => void } = {
    agent,
    method,
    headers: { 'user-agent': 'boxlite', ...headers },
    ...(signal === undefined ? {} : { signal }),
    onTunnel: (socket) => {
      tunnel = socket;
    },
  };
  const outgoing = isTls(url) ? https.request(url, options) : http.request(url, options);
  const fail = (error: Error) => {
    reject(error);
    outgoing.destroy(error);
    tunnel?.destroy(error);
  };
  const expire = (ms: number, what: string) =>
    setTimeout(() => fail(new TimedOut(`${what} within ${ms / 1000} s`)), ms);
  let timer = expire(deadlines.connectMs, 'no connection');
  const connected = () => {
    clearTimeout(timer);
    timer = expire(deadlines.answerMs, 'no answer');
  };
  outgoing.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', connected);
    else connected();
  });
  outgoing.once('response', resolve);
  // Stays for the life of the request: it may fail again after its answer began.
  outgoing.on('error', reject);
  const onAbort = () => fail(new Error('aborted'));
  signal?.addEventListener('abort', onAbort);
  outgoing.end(body);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function isTls(url: URL): boolean {
  return url.protocol === 'https:';
}

/** Where a redirect leads. @throws BoxliteError `Network` if that is nowhere to go. */
export function redirectTarget(from: URL, location: string, what: string): URL {
  const target = URL.parse(location, from.href);
  if (target === null || !/^https?:$/.test(target.protocol)) {
    throw networkError(what, from, new Error('it redirects to something that is not a URL'));
  }
  if (from.protocol === 'https:' && target.protocol !== 'https:') {
    const why = `it redirects to "${target.host}" without TLS`;
    throw networkError(what, from, new Error(why));
  }
  // A login in a URL would be sent as one.
  target.username = '';
  target.password = '';
  return target;
}

function withoutLogin(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
}
