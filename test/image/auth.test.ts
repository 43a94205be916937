/** Logging in, with registries and token services of the tests' own. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { pullImage } from '../../src/image/pull.ts';
import { runCommand } from '../../src/process/run.ts';
import { ImageRegistry } from '../../src/spec/image-registry.ts';
import { FakeRegistry, type Intercept, sendError } from './fake-registry.ts';
import { makeImage } from './image-fixture.ts';
import { TestStore } from './pull-fixture.ts';
import { makeCertificates } from './registry-fixture.ts';

const image = makeImage({ layers: [{ a: '1' }, { b: '2' }, { c: '3' }] });
const BASIC = `Basic ${Buffer.from('user:pass').toString('base64')}`;
let certificates: { cert: string; key: string };
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'boxlite-auth-'));
  certificates = makeCertificates(folder);
});
after(() => rm(folder, { recursive: true }));

interface TokenOptions {
  /** What the service gives out, one after the other; the last again and again. */
  readonly tokens: readonly object[];
  readonly realm?: string;
  /** Whether the registry takes this token, the n-th request that carries one. */
  readonly accepts?: (token: string, n: number) => boolean;
}

/** Makes a registry want a token of `/token`, and notes the requests for one. */
function wantToken(registry: FakeRegistry, options: TokenOptions) {
  const asked: { query: string; authorization: string | undefined; body: string }[] = [];
  const realm = options.realm ?? `${registry.origin}/token`;
  let uses = 0;
  const intercept: Intercept = (request, response, url) => {
    const { authorization } = request.headers;
    if (url.pathname === '/token') {
      void request.toArray().then((chunks) => {
        asked.push({ query: url.search, authorization, body: chunks.join('') });
        const token = options.tokens[Math.min(asked.length, options.tokens.length) - 1];
        response.end(JSON.stringify(token));
      });
      return true;
    }
    const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
    if (token !== undefined && (options.accepts?.(token, ++uses) ?? true)) return false;
    const scope = 'repository:app:pull,push,delete';
    const challenge = `Bearer realm="${realm}",service="test",scope="${scope}"`;
    response.setHeader('www-authenticate', challenge);
    sendError(response, 401, 'UNAUTHORIZED', 'authentication required');
    return true;
  };
  registry.intercept = intercept;
  return asked;
}

async function pull(reference: string, registries: ImageRegistry[], configDir?: string) {
  await using temporary = await TestStore.create();
  const docker = configDir === undefined ? null : { configDir, run: runCommand };
  await using pulled = await pullImage(reference, temporary.options({ registries, docker }));
  await pulled.downloaded();
}

test('a token is fetched once, for the right to pull alone, and used for everything', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const asked = wantToken(registry, { tokens: [{ token: 'T1', expires_in: 300 }] });
  await pull(reference, [ImageRegistry.http(registry.host)]);
  assert.deepEqual(asked, [
    { query: '?service=test&scope=repository%3Aapp%3Apull', authorization: undefined, body: '' },
  ]);
  assert.equal(registry.count(/manifests/), 2);
  assert.equal(registry.count(/blobs/), 4);
});

test('a password goes to the token service, and the registry is asked for it first', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const asked = wantToken(registry, { tokens: [{ access_token: 'T1' }] });
  await pull(reference, [ImageRegistry.http(registry.host).withBasicAuth('user', 'pass')]);
  assert.deepEqual(
    asked.map(({ authorization }) => authorization),
    [BASIC],
  );
  assert.equal(registry.requests[0], 'GET /v2/');
  assert.equal(registry.count(/manifests/), 1);
});

test('a bearer token goes to the registry as it is', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const asked = wantToken(registry, { tokens: [{}], accepts: (token) => token === 'mine' });
  await pull(reference, [ImageRegistry.http(registry.host).withBearerAuth('mine')]);
  assert.deepEqual(asked, []);
});

test("Docker's refresh token is exchanged by a form", async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const asked = wantToken(registry, { tokens: [{ access_token: 'T1' }] });
  const config = { auths: { [registry.host]: { identitytoken: 'refresh me' } } };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await pull(reference, [ImageRegistry.http(registry.host)], folder);
  const form = Object.fromEntries(new URLSearchParams(asked[0]?.body));
  assert.deepEqual(form, {
    grant_type: 'refresh_token',
    refresh_token: 'refresh me',
    service: 'test',
    scope: 'repository:app:pull',
    client_id: 'boxlite',
  });
  assert.equal(asked[0]?.authorization, undefined);
});

test("Docker's refresh token does not follow a redirect", async () => {
  await using registry = await FakeRegistry.start();
  await using thief = await FakeRegistry.start();
  const reference = registry.add(image);
  wantToken(registry, { tokens: [{}], realm: `${registry.origin}/elsewhere` });
  const { intercept } = registry;
  registry.intercept = (request, response, url) => {
    if (url.pathname !== '/elsewhere') return intercept(request, response, url);
    response.writeHead(307, { location: `${thief.origin}/token` }).end();
    return true;
  };
  const config = { auths: { [registry.host]: { identitytoken: 'refresh me' } } };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await assert.rejects(
    pull(reference, [ImageRegistry.http(registry.host)], folder),
    /a token for .* answered 307 Temporary Redirect/,
  );
  assert.deepEqual(thief.requests, []);
});

test('a token that has expired by its own word is not used', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const seen: string[] = [];
  const accepts = (token: string) => seen.push(token) > 0;
  const asked = wantToken(registry, {
    tokens: [
      { token: 'T1', expires_in: 1 },
      { token: 'T2', expires_in: 300 },
    ],
    accepts,
  });
  await pull(reference, [ImageRegistry.http(registry.host)]);
  assert.equal(asked.length, 2);
  assert.deepEqual([seen.filter((token) => token === 'T1').length, seen.at(-1)], [1, 'T2']);
});

test('a token that the registry no longer takes is renewed once', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const accepts = (token: string, n: number) => token === 'T2' || n <= 2;
  const asked = wantToken(registry, { tokens: [{ token: 'T1' }, { token: 'T2' }], accepts });
  await pull(reference, [ImageRegistry.http(registry.host)]);
  assert.ok(asked.length >= 2);
});

test('a registry that takes no token at all is not asked for ever', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const asked = wantToken(registry, { tokens: [{ token: 'T1' }], accepts: () => false });
  await assert.rejects(
    pull(reference, [ImageRegistry.http(registry.host)]),
    (error) =>
      BoxliteError.is(error, 'Image') &&
      /401 Unauthorized: authentication required/.test(error.message),
  );
  assert.equal(asked.length, 1);
});

test('a login is not sent to a token service without TLS', async () => {
  await using registry = await FakeRegistry.start(certificates);
  await using thief = await FakeRegistry.start();
  const reference = registry.add(image);
  wantToken(registry, { tokens: [{}], realm: `${thief.origin}/token` });
  const own = ImageRegistry.https(registry.host).withSkipVerify(true).withBasicAuth('user', 'pass');
  await assert.rejects(pull(reference, [own]), /names the token service .* without TLS/);
  assert.deepEqual(thief.requests, []);
});

test('a token service that makes no sense is refused', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  const own = [ImageRegistry.http(registry.host)];
  const tokens: object[] = [{}, { token: 7 }, { token: 'a b' }, { token: 'x\r\ny: z' }, []];
  for (const token of tokens) {
    wantToken(registry, { tokens: [token] });
    await assert.rejects(pull(reference, own), (error) => BoxliteError.is(error, 'Image'));
  }
  for (const realm of ['', 'file:///etc/passwd', 'nonsense']) {
    wantToken(registry, { tokens: [{}], realm });
    await assert.rejects(pull(reference, own), /names no token service/);
  }
});

test('a login stays with the registry when a blob is elsewhere', async () => {
  await using registry = await FakeRegistry.start();
  await using blobs = await FakeRegistry.start();
  const reference = registry.add(image);
  for (const layer of [image.config, ...image.layers]) blobs.addBlob(layer);
  const leaked: unknown[] = [];
  blobs.intercept = (request) => {
    leaked.push(request.headers.authorization, request.headers.cookie);
    return false;
  };
  registry.intercept = (request, response, url) => {
    if (request.headers.authorization !== BASIC) {
      response.setHeader('www-authenticate', 'Basic realm="test"');
      sendError(response, 401, 'UNAUTHORIZED', 'who are you?');
    } else if (url.pathname.includes('/blobs/')) {
      response.writeHead(307, { location: `${blobs.origin}${url.pathname}?signature=x` }).end();
    } else return false;
    return true;
  };
  await pull(reference, [ImageRegistry.http(registry.host).withBasicAuth('user', 'pass')]);
  assert.equal(blobs.count(/blobs/), 4);
  assert.ok(leaked.length > 0 && leaked.every((value) => value === undefined));
});

test('a login goes along when the same registry redirects to itself', async () => {
  await using registry = await FakeRegistry.start();
  const reference = registry.add(image);
  registry.intercept = (request, response, url) => {
    if (url.pathname === '/v2/') {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    } else if (request.headers.authorization !== BASIC) {
      sendError(response, 403, 'DENIED', 'no');
    } else if (url.pathname.includes('/blobs/') && url.search === '') {
      response.writeHead(302, { location: `${url.pathname}?again` }).end();
    } else return false;
    return true;
  };
  await pull(reference, [ImageRegistry.http(registry.host).withBasicAuth('user', 'pass')]);
});

test('a blob store that wants a login is not given one', async () => {
  await using registry = await FakeRegistry.start();
  await using blobs = await FakeRegistry.start();
  const reference = registry.add(image);
  blobs.intercept = (_, response) => {
    response.writeHead(401, { 'www-authenticate': `Basic realm="thief"` }).end();
    return true;
  };
  registry.intercept = (_, response, url) => {
    if (!url.pathname.includes('/blobs/')) return false;
    response.writeHead(307, { location: `${blobs.origin}${url.pathname}` }).end();
    return true;
  };
  const own = ImageRegistry.http(registry.host).withBasicAuth('user', 'pass');
  await assert.rejects(pull(reference, [own]), /answered 401 Unauthorized/);
  assert.equal(blobs.requests.length, 1);
});
