/** Registries that break off, stall, lie and push their luck. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BoxliteError, type BoxliteErrorKind } from '../../src/base/errors.ts';
import { sha256Digest } from '../../src/image/digest.ts';
import { type PullOptions, pullImage } from '../../src/image/pull.ts';
import { ImageRegistry } from '../../src/spec/image-registry.ts';
import { FakeRegistry, type Intercept, sendBlob, sendError } from './fake-registry.ts';
import { descriptor, jsonBlob, makeImage, makeIndex, testBlob } from './image-fixture.ts';
import { TestProgram } from './program-fixture.ts';
import { collect, QUICK_RETRY, SHORT_DEADLINES, TestStore } from './pull-fixture.ts';

/** One layer that cannot be compressed, so that it takes several packets. */
const image = makeImage({ layers: [{ data: randomBytes(400_000) }] });
const [layer = image.config] = image.layers;
const GIVE_UP_SOON = { retry: { ...QUICK_RETRY, attempts: 2 }, deadlines: SHORT_DEADLINES };
const isLayer = (url: URL) => url.pathname.endsWith(layer.digest);

/** Pulls from a registry that `intercept` makes misbehave; returns the layer and the requests. */
async function pull(
  intercept: Intercept,
  reference?: (registry: FakeRegistry) => string,
  changes: Partial<PullOptions> = {},
) {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const usual = registry.add(image);
  registry.intercept = intercept;
  const registries = [ImageRegistry.http(registry.host)];
  const text = reference?.(registry) ?? usual;
  await using pulled = await pullImage(text, temporary.options({ registries, ...changes }));
  const [source] = pulled.layers;
  assert.ok(source !== undefined);
  const bytes = await collect(source.open());
  await pulled.downloaded();
  return { bytes, requests: registry.requests };
}

function fails(kind: BoxliteErrorKind, message: RegExp) {
  return (error: unknown) => {
    assert.ok(BoxliteError.is(error, kind), String(error));
    assert.match(error.message, message);
    return true;
  };
}

/** Applies to the first `times` requests for the layer. */
function firstTimes(times: number, misbehave: Intercept): Intercept {
  let count = 0;
  return (request, response, url) =>
    isLayer(url) && ++count <= times ? misbehave(request, response, url) : false;
}

/** Sends a part of the layer, from where it is asked for, and hangs up, politely or not. */
const cutAfter =
  (bytes: number, hangUp: 'end' | 'resetAndDestroy' = 'end'): Intercept =>
  (request, response) => {
    const start = Number(/[0-9]+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': layer.size - start,
      'content-range': `bytes ${start}-${layer.size - 1}/${layer.size}`,
    });
    response.write(layer.bytes.subarray(start, start + bytes), () => response.socket?.[hangUp]());
    return true;
  };

test('a download goes on where the connection broke', async () => {
  const ranges: (string | undefined)[] = [];
  const cut = cutAfter(100_000, 'resetAndDestroy');
  const { bytes } = await pull((request, response, url) => {
    if (isLayer(url)) ranges.push(request.headers.range);
    return isLayer(url) && ranges.length <= 3 ? cut(request, response, url) : false;
  });
  assert.deepEqual(bytes, layer.bytes);
  assert.equal(ranges[0], undefined);
  assert.match(ranges[1] ?? '', /^bytes=[1-9][0-9]*-$/);
});

test('a download survives any number of broken connections while it gets on', async () => {
  const { bytes, requests } = await pull(firstTimes(Infinity, cutAfter(66_000)));
  assert.deepEqual(bytes, layer.bytes);
  assert.ok(requests.length > 7);
});

test('a download that never gets on is given up', async () => {
  await assert.rejects(
    pull(firstTimes(Infinity, cutAfter(10))),
    fails('Network', /\(tried 5 times\)$/),
  );
});

test('a registry that knows no ranges sends the beginning once more', async () => {
  let asked = 0;
  const cut = cutAfter(100_000);
  const { bytes } = await pull((request, response, url) => {
    if (!isLayer(url)) return false;
    if (++asked === 1) return cut(request, response, url);
    response.writeHead(200, { 'content-length': layer.size }).end(layer.bytes);
    return true;
  });
  assert.deepEqual(bytes, layer.bytes);
});

test('a registry that refuses ranges is asked for the whole', async () => {
  let asked = 0;
  const cut = cutAfter(100_000);
  const { bytes } = await pull((request, response, url) => {
    if (!isLayer(url)) return false;
    if (++asked === 1) return cut(request, response, url);
    if (request.headers.range === undefined) return false;
    response.writeHead(416).end();
    return true;
  });
  assert.deepEqual(bytes, layer.bytes);
});

test('another part than the one asked for is refused', async () => {
  const cut = cutAfter(100_000);
  let asked = 0;
  await assert.rejects(
    pull((request, response, url) => {
      if (!isLayer(url)) return false;
      if (++asked === 1) return cut(request, response, url);
      response.writeHead(206, { 'content-range': `bytes 5-${layer.size - 1}/${layer.size}` });
      response.end(layer.bytes.subarray(5));
      return true;
    }),
    fails('Image', /sent another part of it than was asked for/),
  );
});

test('passing failures are tried again, later if the registry says so', async () => {
  const answers: [number, Record<string, string>][] = [
    [429, { 'retry-after': '0' }],
    [503, {}],
    [500, {}],
  ];
  let next = 0;
  const { bytes } = await pull((_, response) => {
    const answer = answers[next++];
    if (answer === undefined) return false;
    response.writeHead(...answer).end();
    return true;
  });
  assert.deepEqual(bytes, layer.bytes);
});

test('a registry that asks to wait for an hour is not waited for', async () => {
  let asked = 0;
  await assert.rejects(
    pull((_, response) => {
      asked += 1;
      response.setHeader('retry-after', '3600');
      sendError(response, 429, 'TOOMANYREQUESTS', 'pull rate limit');
      return true;
    }),
    fails('Image', /429 Too Many Requests: pull rate limit; try again in 3600 s, or log in$/),
  );
  assert.equal(asked, 1);
});

test('a registry that does not answer is given up', async () => {
  const silent: Intercept = () => true;
  await assert.rejects(
    pull(silent, undefined, GIVE_UP_SOON),
    fails('Network', /no answer within 0.4 s \(tried 2 times\)/),
  );
});

test('a registry that sends a byte now and then is given up', async () => {
  const drip: Intercept = (_, response) => {
    response.writeHead(200, { 'content-length': layer.size });
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
    return true;
  };
  await assert.rejects(
    pull(firstTimes(Infinity, drip), undefined, GIVE_UP_SOON),
    fails('Network', /stalled: \d+ bytes in 0.3 s/),
  );
});

test('a reader that is slow is waited for', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const registries = [ImageRegistry.http(registry.host)];
  const reference = registry.add(image);
  const options = temporary.options({ registries, deadlines: SHORT_DEADLINES });
  await using pulled = await pullImage(reference, options);
  const chunks: Uint8Array[] = [];
  const [source] = pulled.layers;
  assert.ok(source !== undefined);
  for await (const chunk of source.open()) {
    // Longer than the registry would be given.
    if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 500));
    chunks.push(chunk);
  }
  assert.deepEqual(Buffer.concat(chunks), layer.bytes);
});

test('a page of HTML is said to be one', async () => {
  const page: Intercept = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end('<html>Please log in to the guest network</html>');
    return true;
  };
  const html = fails(
    'Image',
    /answered with a page of HTML; it is no container registry, or a proxy/,
  );
  await assert.rejects(pull(page), html);
  const sized: Intercept = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': 4 }).end('<p/>');
    return true;
  };
  await assert.rejects(pull(firstTimes(Infinity, sized)), html);
  const missing: Intercept = (_, response) => {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found</h1>');
    return true;
  };
  await assert.rejects(pull(missing), fails('Image', /404 Not Found: a page of HTML; check that/));
});

test('a message cannot take over the terminal', async () => {
  await assert.rejects(
    pull((_, response) => {
      sendError(response, 403, 'DENIED', `\u001b[2J\u202eno\nway${'!'.repeat(5000)}`);
      return true;
    }),
    (error) =>
      error instanceof Error &&
      !/[\p{Cc}\p{Cf}]/u.test(error.message) &&
      error.message.length < 600,
  );
});

test('a manifest must have the digest it is asked for by, and the one it is said to have', async () => {
  const other = makeImage({ layers: [{ other: '' }] });
  const lie =
    (digest: string): Intercept =>
    (_, response, url) => {
      if (!url.pathname.includes('/manifests/')) return false;
      response.writeHead(200, {
        'content-type': other.manifest.mediaType,
        'docker-content-digest': digest,
      });
      response.end(other.manifest.bytes);
      return true;
    };
  const wrong = fails('Image', /sent something that does not have digest sha256:/);
  await assert.rejects(pull(lie(image.manifest.digest)), wrong);
  const byDigest = ({ host }: FakeRegistry) => `${host}/app@${image.manifest.digest}`;
  await assert.rejects(pull(lie(other.manifest.digest), byDigest), wrong);
});

test('a manifest that never ends is cut off', async () => {
  const endless: Intercept = (_, response, url) => {
    if (!url.pathname.includes('/manifests/')) return false;
    const more = () => void (response.destroyed || response.write(Buffer.alloc(65_536, ' '), more));
    response.writeHead(200, { 'content-type': image.manifest.mediaType });
    more();
    return true;
  };
  await assert.rejects(pull(endless), fails('Image', /sent more than 4194304 bytes/));
});

test('a layer must be what the manifest says', async () => {
  const send =
    (bytes: Uint8Array, headers: Record<string, string | number> = {}): Intercept =>
    (_, response) => {
      response.writeHead(200, headers).end(bytes);
      return true;
    };
  const cases: [Intercept, RegExp][] = [
    [send(randomBytes(layer.size)), /what came has the digest sha256:/],
    [
      send(Buffer.concat([layer.bytes, Buffer.from('x')])),
      /longer than the \d+ bytes that its manifest/,
    ],
    [send(layer.bytes.subarray(1), { 'content-length': layer.size - 1 }), /its manifest says \d+$/],
    [send(gzipSync(layer.bytes), { 'content-encoding': 'gzip' }), /was sent with encoding "gzip"/],
  ];
  for (const [lie, message] of cases) {
    await assert.rejects(pull(firstTimes(Infinity, lie)), fails('Image', message));
  }
  const short = send(layer.bytes.subarray(1));
  await assert.rejects(
    pull(firstTimes(Infinity, short)),
    fails('Network', /ended after \d+ of \d+ bytes/),
  );
});

test('a configuration must be what the manifest says, and fit it', async () => {
  const swap: Intercept = (request, response, url) => {
    if (!url.pathname.endsWith(image.config.digest)) return false;
    sendBlob(request, response, Buffer.alloc(image.config.size, '{'));
    return true;
  };
  await assert.rejects(pull(swap), fails('Image', /what came has the digest/));
  const unfit = makeImage({ config: { rootfs: { type: 'layers', diff_ids: [] } } });
  const add = (registry: FakeRegistry) => registry.add(unfit, 'unfit');
  await assert.rejects(
    pull(() => false, add),
    fails('Image', /names 0 layers, its manifest 1$/),
  );
});

test('an index must be right about the size of what it lists', async () => {
  const manifest = { ...image.manifest, size: image.manifest.size + 1 };
  const index = makeIndex({ 'linux/amd64': manifest });
  const add = (registry: FakeRegistry) => registry.addManifest(index, 'index');
  await assert.rejects(
    pull(() => false, add),
    fails('Image', /has \d+ bytes, its index says \d+$/),
  );
});

test('indexes are not followed for ever', async () => {
  const nest = (registry: FakeRegistry, depth: number) => {
    let inner = image.manifest;
    for (let i = 0; i < depth; i++) {
      inner = makeIndex({ 'linux/amd64': inner });
      registry.addBlob(inner);
    }
    return registry.addManifest(inner, 'nested');
  };
  const { bytes } = await pull(
    () => false,
    (registry) => nest(registry, 4),
  );
  assert.deepEqual(bytes, layer.bytes);
  await assert.rejects(
    pull(
      () => false,
      (registry) => nest(registry, 5),
    ),
    fails('Image', /nested more than 4 deep/),
  );
});

test('an index that lists itself comes to nothing', async () => {
  const claimed = testBlob('application/vnd.oci.image.index.v1+json', Buffer.from('x'));
  const index = makeIndex({ 'linux/amd64': claimed });
  const loop: Intercept = (_, response, url) => {
    if (!url.pathname.includes('/manifests/')) return false;
    response.writeHead(200, { 'content-type': index.mediaType }).end(index.bytes);
    return true;
  };
  await assert.rejects(pull(loop), fails('Image', /does not have digest/));
});

test('two layers of one digest but different sizes do not pass as each other', async () => {
  const lie = { ...descriptor(layer), size: layer.size - 1 };
  const config = jsonBlob(image.config.mediaType, {
    rootfs: { type: 'layers', diff_ids: [image.diffIds[0], image.diffIds[0]] },
  });
  const manifest = jsonBlob(image.manifest.mediaType, {
    schemaVersion: 2,
    mediaType: image.manifest.mediaType,
    config: descriptor(config),
    layers: [descriptor(layer), lie],
  });
  const add = (registry: FakeRegistry) => {
    registry.addBlob(config);
    return registry.addManifest(manifest, 'lie');
  };
  await assert.rejects(
    pull(() => false, add),
    fails('Image', /its manifest says|longer than/),
  );
});

test('redirects come to an end, and lead nowhere but to http', async () => {
  const redirect =
    (location: string): Intercept =>
    (_, response) => {
      response.writeHead(302, { location }).end();
      return true;
    };
  await assert.rejects(pull(redirect('/v2/again')), fails('Network', /more than 10 redirects/));
  await assert.rejects(pull(redirect('file:///etc/passwd')), fails('Network', /not a URL/));
});

/** Begins to send the layer and then does nothing more. Says when it began, and when it was hung up on. */
function stallLayer(registry: FakeRegistry) {
  const [begun, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  registry.intercept = (_, response, url) => {
    if (!isLayer(url)) return false;
    response.writeHead(200, { 'content-length': layer.size });
    response.write(layer.bytes.subarray(0, 1000), () => begun.resolve());
    response.on('close', () => closed.resolve());
    return true;
  };
  return { begun: begun.promise, closed: closed.promise };
}

test('aborting ends the pull, its connections and its readers', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const { begun, closed } = stallLayer(registry);
  const controller = new AbortController();
  const registries = [ImageRegistry.http(registry.host)];
  const { signal } = controller;
  await using pulled = await pullImage(reference, temporary.options({ registries, signal }));
  const [source] = pulled.layers;
  assert.ok(source !== undefined);
  const read = collect(source.open());
  await begun;
  controller.abort(new Error('changed my mind'));
  await assert.rejects(read, /changed my mind/);
  await assert.rejects(pulled.downloaded(), /changed my mind/);
  await closed;
  await pulled[Symbol.asyncDispose]();
  const left = await readdir(join(temporary.folder, 'partial'));
  assert.deepEqual(left, [layer.digest.replace(':', '-')]);
});

test('aborting ends a pull that has not found anything yet', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const controller = new AbortController();
  registry.intercept = () => {
    controller.abort(new Error('changed my mind'));
    return true;
  };
  const registries = [ImageRegistry.http(registry.host)];
  const { signal } = controller;
  await assert.rejects(
    pullImage(reference, temporary.options({ registries, signal })),
    /changed my mind/,
  );
  assert.deepEqual(await readdir(join(temporary.folder, 'partial')), []);
});

test('disposing of a pull ends what still downloads', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const { begun, closed } = stallLayer(registry);
  const registries = [ImageRegistry.http(registry.host)];
  const pulled = await pullImage(reference, temporary.options({ registries }));
  await begun;
  await pulled[Symbol.asyncDispose]();
  await closed;
  await assert.rejects(pulled.downloaded(), /The pull was ended/);
});

test('a pull whose download another one began goes on when that one is aborted', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const gate = Promise.withResolvers<void>();
  registry.intercept = (_, response, url) => {
    if (!isLayer(url)) return false;
    response.writeHead(200, { 'content-length': layer.size });
    response.write(layer.bytes.subarray(0, 1000));
    void gate.promise.then(() => response.end(layer.bytes.subarray(1000)));
    return true;
  };
  const options = { registries: [ImageRegistry.http(registry.host)] };
  const controller = new AbortController();
  const { signal } = controller;
  const first = await pullImage(reference, temporary.options({ ...options, signal }));
  for await (const _ of first.layers[0]?.open() ?? assert.fail()) break;
  await using second = await pullImage(reference, temporary.options(options));
  const reader = (second.layers[0]?.open() ?? assert.fail())[Symbol.asyncIterator]();
  await reader.next();
  controller.abort(new Error('changed my mind'));
  await first[Symbol.asyncDispose]();
  await assert.rejects(first.downloaded(), /changed my mind/);
  gate.resolve();
  await second.downloaded();
  await reader.return?.();
  assert.equal(registry.count(new RegExp(layer.digest)), 1);
});

test('what a listener throws ends its own pull', async () => {
  const changes: Partial<PullOptions> = {
    onProgress: ({ kind }) => {
      if (kind === 'layer') throw new Error('listener broke');
    },
  };
  await assert.rejects(
    pull(() => false, undefined, changes),
    /listener broke/,
  );
});

test('two processes download an image once', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const gate = Promise.withResolvers<void>();
  registry.intercept = (request, response, url) => {
    if (!isLayer(url)) return false;
    void gate.promise.then(() => sendBlob(request, response, layer.bytes));
    return true;
  };
  await using first = new TestProgram('pull', [temporary.folder, reference]);
  await using second = new TestProgram('pull', [temporary.folder, reference]);
  const outcomes = [];
  for (const program of [first, second]) {
    while (((await program.next()) as { kind: string }).kind !== 'resolved');
  }
  gate.resolve();
  for (const program of [first, second]) {
    for (;;) {
      const report = (await program.next()) as { kind: string; state?: string };
      if (report.kind === 'layer' && report.state !== 'downloading') outcomes.push(report.state);
      if (report.kind !== 'layer') break;
    }
  }
  assert.deepEqual(outcomes.sort(), ['cached', 'done']);
  assert.equal(registry.count(new RegExp(layer.digest)), 1);
});

test('a download of a process that was killed is continued by the next one', async () => {
  await using registry = await FakeRegistry.start();
  await using temporary = await TestStore.create();
  const reference = registry.add(image);
  const sent = Promise.withResolvers<void>();
  const ranges: (string | undefined)[] = [];
  registry.intercept = (request, response, url) => {
    if (!isLayer(url)) return false;
    ranges.push(request.headers.range);
    if (ranges.length > 1) return false;
    response.writeHead(200, { 'content-length': layer.size });
    response.write(layer.bytes.subarray(0, 200_000), () => sent.resolve());
    return true;
  };
  await using program = new TestProgram('pull', [temporary.folder, reference]);
  await sent.promise;
  const partial = join(temporary.folder, 'partial', layer.digest.replace(':', '-'));
  while (((await program.next()) as { kind: string }).kind !== 'layer');
  while ((await stat(partial)).size < 200_000) await new Promise(setImmediate);
  await program.kill();
  const registries = [ImageRegistry.http(registry.host)];
  await using pulled = await pullImage(reference, temporary.options({ registries }));
  await pulled.downloaded();
  assert.equal(sha256Digest(await temporary.store.readAll(layer)), layer.digest);
  assert.deepEqual(ranges, [undefined, 'bytes=200000-']);
});
