/** A registry of the tests' own that can be told to misbehave. It counts what it is asked. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestBlob, TestImage } from './image-fixture.ts';

export type Request = http.IncomingMessage;
export type Response = http.ServerResponse;
/** Answers a request and says so, or leaves it to the registry. */
export type Intercept = (request: Request, response: Response, url: URL) => boolean;

export class FakeRegistry implements AsyncDisposable {
  /** Every request: `GET /v2/app/manifests/latest`. */
  readonly requests: string[] = [];
  intercept: Intercept = () => false;
  readonly #server: http.Server;
  readonly #secure: boolean;
  readonly #blobs = new Map<string, TestBlob>();
  readonly #tags = new Map<string, string>();

  private constructor(server: http.Server, secure: boolean) {
    this.#server = server;
    this.#secure = secure;
    server.on('request', (request: Request, response: Response) => this.#serve(request, response));
  }

  static async start(tls?: { cert: string; key: string }): Promise<FakeRegistry> {
    const server =
      tls === undefined
        ? http.createServer()
        : https.createServer({ cert: await readFile(tls.cert), key: await readFile(tls.key) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakeRegistry(server, tls !== undefined);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }
  get origin(): string {
    return `${this.#secure ? 'https' : 'http'}://${this.host}`;
  }

  /** Serves an image as `app:<tag>`. Returns its complete reference. */
  add(image: TestImage, tag = 'latest'): string {
    for (const blob of [image.manifest, image.config, ...image.layers]) this.addBlob(blob);
    return this.addManifest(image.manifest, tag);
  }

  addManifest(manifest: TestBlob, tag = 'latest'): string {
    this.addBlob(manifest);
    this.#tags.set(tag, manifest.digest);
    return `${this.host}/app:${tag}`;
  }

  addBlob(blob: TestBlob): void {
    this.#blobs.set(blob.digest, blob);
  }

  /** How many requests match. */
  count(pattern: RegExp): number {
    return this.requests.filter((line) => pattern.test(line)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #serve(request: Request, response: Response): void {
    const url = new URL(request.url ?? '/', this.origin);
    this.requests.push(`${request.method} ${url.pathname}`);
    response.on('error', () => undefined);
    if (this.intercept(request, response, url)) return;
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    const blob = this.#blobs.get(this.#tags.get(name) ?? name);
    if (url.pathname === '/v2/') return void response.writeHead(200).end('{}');
    if (blob === undefined) return sendError(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    if (kind === 'blobs') return sendBlob(request, response, blob.bytes);
    response.writeHead(200, {
      'content-type': blob.mediaType,
      'docker-content-digest': blob.digest,
      'content-length': blob.size,
    });
    response.end(blob.bytes);
  }
}

/** A blob, or the part of it that is asked for. */
export function sendBlob(request: Request, response: Response, bytes: Uint8Array): void {
  const start = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start === 0) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return;
  }
  response.writeHead(206, {
    'content-length': bytes.length - start,
    'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
  });
  response.end(bytes.subarray(start));
}

export function sendError(response: Response, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
