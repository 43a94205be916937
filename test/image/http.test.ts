import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { DEADLINES, HttpClient, redirectTarget } from '../../src/image/http.ts';
import { pullImage } from '../../src/image/pull.ts';
import { ImageRegistry } from '../../src/spec/image-registry.ts';
import { FakeRegistry } from './fake-registry.ts';
import { makeImage } from './image-fixture.ts';
import { TestStore } from './pull-fixture.ts';
import { makeCertificates } from './registry-fixture.ts';

const image = makeImage();
const NO_PROXY = { http: null, https: null, none: null };
let certificates: { cert: string; key: string };
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'boxlite-http-'));
  certificates = makeCertificates(folder);
});
after(() => rm(folder, { recursive: true }));

/** What to do with `CONNECT`: do it, refuse, do it but say nothing more, or never answer. */
type TunnelMode = 200 | 407 | 'mute' | null;

/** A proxy that leads every host to one port of this machine. */
class TestProxy implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly #server: http.Server;
  readonly #closed = Promise.withResolvers<void>();

  private constructor(server: http.Server, port: number, mode: TunnelMode) {
    this.#server = server;
    server.on('request', (request, response) => {
      this.seen.push(`${request.method} ${request.url}`);
      const { pathname } = new URL(request.url ?? '');
      const { headers } = request;
      const onward = http.get({ port, path: pathname, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
    });
    server.on('connect', (request, client) => {
      this.seen.push(`CONNECT ${request.url} ${request.headers['proxy-authorization']}`);
      client.on('error', () => undefined);
      client.on('end', () => client.destroy());
      client.on('close', () => this.#closed.resolve());
      if (mode === 407) return void client.end('HTTP/1.1 407 No\r\n\r\n');
      if (mode === 'mute') client.write('HTTP/1.1 200 OK\r\n\r\n');
      if (mode !== 200) return void client.resume();
      const onward = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(client).pipe(onward);
      });
      onward.on('error', () => client.destroy());
      client.on('close', () => onward.destroy());
    });
  }

  /** Settles when a client has closed its tunnel. */
  get clientClosed(): Promise<void> {
    return this.#closed.promise;
  }

  static async start(port: number, mode: TunnelMode = 200): Promise<TestProxy> {
    const server = http.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestProxy(server, port, mode);
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

test('a registry in plain text is reached through the proxy for http', async () => {
  await using registry = await FakeRegistry.start();
  registry.add(image);
  await using proxy = await TestProxy.start(registry.port);
  await using temporary = await TestStore.create();
  const options = temporary.options({
    registries: [ImageRegistry.http('registry.test')],
    proxy: { ...NO_PROXY, http: `http://${proxy.host}` },
  });
  await using pulled = await pullImage('registry.test/app', options);
  await pulled.downloaded();
  assert.equal(proxy.seen[0], 'GET http://registry.test/v2/app/manifests/latest');
});

test('a registry with TLS is reached through a tunnel, which the proxy may want a login for', async () => {
  await using registry = await FakeRegistry.start(certificates);
  registry.add(image);
  await using proxy = await TestProxy.start(registry.port);
  await using temporary = await TestStore.create();
  const options = temporary.options({
    registries: [ImageRegistry.https('registry.test').withSkipVerify(true)],
    proxy: { ...NO_PROXY, https: `http://user:pass@${proxy.host}` },
  });
  await using pulled = await pullImage('registry.test/app', options);
  await pulled.downloaded();
  const login = `Basic ${Buffer.from('user:pass').toString('base64')}`;
  assert.ok(proxy.seen.length > 0);
  assert.ok(proxy.seen.every((line) => line === `CONNECT registry.test:443 ${login}`));
});

test('a proxy that refuses is named in the error, without its password', async () => {
  await using proxy = await TestProxy.start(1, 407);
  await using temporary = await TestStore.create();
  const proxySettings = { ...NO_PROXY, https: `http://user:hunter2@${proxy.host}` };
  const pull = pullImage('registry.test/app', temporary.options({ proxy: proxySettings }));
  await assert.rejects(pull, (error) => {
    assert.ok(BoxliteError.is(error, 'Network'), String(error));
    assert.match(error.message, /the proxy refused: .*407/);
    assert.ok(!error.message.includes('hunter2'), error.message);
    return true;
  });
});

test('a registry with TLS on this machine that nobody configured needs no certificate', async () => {
  await using registry = await FakeRegistry.start(certificates);
  const reference = registry.add(image);
  await using temporary = await TestStore.create();
  await using pulled = await pullImage(reference, temporary.options());
  await pulled.downloaded();
});

test('HttpClient gives up on a tunnel that does not come about, and closes it', async () => {
  await using silent = await TestProxy.start(1, null);
  await using mute = await TestProxy.start(1, 'mute');
  for (const proxy of [silent, mute]) {
    using client = new HttpClient({
      skipVerify: false,
      proxy: { ...NO_PROXY, https: proxy.host },
      deadlines: { ...DEADLINES, connectMs: 50 },
    });
    await assert.rejects(
      client.request(new URL('https://registry.test/'), { what: 'it' }),
      (error) =>
        BoxliteError.is(error, 'Network') && /no connection within 0.05 s/.test(error.message),
    );
    await proxy.clientClosed;
  }
});

test('HttpClient ends a tunnel when it is aborted', async () => {
  await using proxy = await TestProxy.start(1, null);
  using client = new HttpClient({
    skipVerify: false,
    proxy: { ...NO_PROXY, https: proxy.host },
    deadlines: DEADLINES,
  });
  const controller = new AbortController();
  const { signal } = controller;
  const answer = client.request(new URL('https://registry.test/'), { what: 'it', signal });
  while (proxy.seen.length === 0) await new Promise(setImmediate);
  controller.abort(new Error('changed my mind'));
  await assert.rejects(answer, /changed my mind/);
  await proxy.clientClosed;
});

test('redirectTarget() keeps TLS, drops logins, and knows only http', () => {
  const target = (from: string, to: string) => redirectTarget(new URL(from), to, 'it').href;
  assert.equal(target('https://a.b/x/y', '../z?q'), 'https://a.b/z?q');
  assert.equal(target('https://a.b/', '//user:pw@c.d/e'), 'https://c.d/e');
  assert.equal(target('http://a.b/', 'https://c.d/'), 'https://c.d/');
  assert.throws(() => target('https://a.b/', 'http://c.d/'), /redirects to "c.d" without TLS/);
  for (const bad of ['ftp://a.b/', 'javascript:alert(1)', 'http://[']) {
    assert.throws(() => target('http://a.b/', bad), /not a URL/);
  }
});
