/** A real registry, Debian's docker-registry, on the loopback interface. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestBlob, TestImage } from './image-fixture.ts';

export interface TestRegistryOptions {
  /** Serve TLS, with a certificate of a private authority for 127.0.0.1 and localhost. */
  readonly tls?: boolean;
  /** Where it listens, `address:port`. Default: a port of the loopback interface that is free. */
  readonly address?: string;
  /** Files of the certificate to serve TLS with, in place of one made for it. */
  readonly certificate?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** Let only this user in: `REGISTRY_USER` with `REGISTRY_PASSWORD`. */
  readonly htpasswd?: boolean;
}

export const REGISTRY_USER = 'tester';
export const REGISTRY_PASSWORD = 'secret';
/** The password in bcrypt, the one form that docker-registry takes. */
const PASSWORD_HASH = '$2y$04$0c/OoE2XXiOpxihJp8f9ruVD8GMYdfbrlNIQiMEzA74OHTIYYFtxq';

/**
 * @example
 * await using registry = await TestRegistry.start();
 * await registry.push('team/app', 'latest', makeImage());
 */
export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:34567`. */
  readonly host: string;
  /** The authority's certificate in PEM, for NODE_EXTRA_CA_CERTS, or null without TLS. */
  readonly caFile: string | null;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #agent: http.Agent;

  private constructor(host: string, caFile: string | null, folder: string, child: ChildProcess) {
    this.host = host;
    this.caFile = caFile;
    this.#folder = folder;
    this.#child = child;
    this.#agent =
      caFile === null
        ? new http.Agent({ keepAlive: true })
        : new https.Agent({ keepAlive: true, rejectUnauthorized: false });
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const folder = await mkdtemp(join(tmpdir(), 'boxlite-registry-'));
    const tls = options.certificate ?? (options.tls ? makeCertificates(folder) : null);
    if (options.htpasswd) {
      await writeFile(join(folder, 'htpasswd'), `${REGISTRY_USER}:${PASSWORD_HASH}\n`);
    }
    await writeFile(join(folder, 'config.yml'), configuration(folder, options, tls));
    const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const host = await listening(child);
    return new TestRegistry(host, tls?.ca ?? null, folder, child);
  }

  /** Puts an image there, under a tag. Returns the digest of its manifest. */
  async push(repository: string, tag: string, image: TestImage): Promise<string> {
    for (const blob of [image.config, ...image.layers]) await this.pushBlob(repository, blob);
    return this.pushManifest(repository, tag, image.manifest);
  }

  /** Puts a manifest or an index there, under a tag or its digest. */
  async pushManifest(repository: string, tagOrDigest: string, manifest: TestBlob): Promise<string> {
    const path = `/v2/${repository}/manifests/${tagOrDigest}`;
    await this.#send('PUT', path, 201, manifest.bytes, manifest.mediaType);
    return manifest.digest;
  }

  async pushBlob(repository: string, blob: TestBlob): Promise<void> {
    const { location } = await this.#send('POST', `/v2/${repository}/blobs/uploads/`, 202);
    const url = new URL(location ?? '', this.#origin);
    url.searchParams.set('digest', blob.digest);
    await this.#send('PUT', `${url.pathname}${url.search}`, 201, blob.bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #origin(): string {
    return `${this.caFile === null ? 'http' : 'https'}://${this.host}`;
  }

  async #send(
    method: string,
    path: string,
    status: number,
    body: Uint8Array = Buffer.alloc(0),
    type = 'application/octet-stream',
  ): Promise<http.IncomingHttpHeaders> {
    const request = (this.caFile === null ? http : https).request(`${this.#origin}${path}`, {
      method,
      agent: this.#agent,
      auth: `${REGISTRY_USER}:${REGISTRY_PASSWORD}`,
      headers: { 'content-type': type, 'content-length': body.length },
    });
    request.end(body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const text = (await response.toArray()).join('');
    if (response.statusCode === status) return response.headers;
    throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
  }
}

/** Makes an authority and a certificate for this machine in `folder`. */
export function makeCertificates(folder: string): { ca: string; cert: string; key: string } {
  const path = (name: string) => join(folder, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const subject = ['-subj', '/CN=BoxLite test authority'];
  openssl('req', '-x509', ...key, '-keyout', path('ca.key'), '-out', path('ca.pem'), ...subject);
  openssl(
    ...['req', '-x509', ...key, '-keyout', path('key.pem'), '-out', path('cert.pem')],
    ...['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
  return { ca: path('ca.pem'), cert: path('cert.pem'), key: path('key.pem') };
}

/** docker-registry's configuration, which is YAML and so may be JSON. */
function configuration(
  folder: string,
  options: TestRegistryOptions,
  tls: { cert: string; key: string } | null,
): string {
  const auth = { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } };
  return JSON.stringify({
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: {
      addr: options.address ?? '127.0.0.1:0',
      ...(tls === null ? {} : { tls: { certificate: tls.cert, key: tls.key } }),
    },
    ...(options.htpasswd ? { auth } : {}),
  });
}

/** Waits for the line of its log that names its address. */
async function listening(child: ChildProcess): Promise<string> {
  const failed = once(child, 'error').then(([error]) => {
    throw error;
  });
  failed.catch(() => undefined);
  if (child.stderr === null) throw new Error('docker-registry has no log');
  const seen: string[] = [];
  const lines = createInterface({ input: child.stderr });
  const found = (async () => {
    for await (const line of lines) {
      seen.push(line);
      const host = /listening on ([0-9.]+:[0-9]+)/.exec(line)?.[1];
      if (host !== undefined) return host;
    }
    throw new Error(`docker-registry ended: ${seen.join('\n')}`);
  })();
  const host = await Promise.race([found, failed]);
  child.stderr.resume();
  return host;
}
