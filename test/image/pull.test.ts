/** Pulls from Debian's docker-registry, as it is. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { boxPlatform } from '../../src/image/platform.ts';
import { type PullProgress, pullImage } from '../../src/image/pull.ts';
import { runCommand } from '../../src/process/run.ts';
import { ImageRegistry } from '../../src/spec/image-registry.ts';
import { makeImage, makeIndex } from './image-fixture.ts';
import { TestProgram } from './program-fixture.ts';
import { collect, TestStore } from './pull-fixture.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER, TestRegistry } from './registry-fixture.ts';

const image = makeImage({ layers: [{ 'a.txt': 'one' }, { 'b.txt': 'two' }, { 'c.txt': 'three' }] });
let plain: TestRegistry;
let secure: TestRegistry;

before(async () => {
  [plain, secure] = await Promise.all([
    TestRegistry.start(),
    TestRegistry.start({ tls: true, htpasswd: true }),
  ]);
  await Promise.all([plain.push('team/app', 'v1', image), secure.push('app', 'latest', image)]);
});

after(async () => {
  await plain?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
});

const overHttp = () => [ImageRegistry.http(plain.host)];
const imageError = (message: RegExp) => (error: unknown) => {
  assert.ok(BoxliteError.is(error, 'Image'), String(error));
  assert.match(error.message, message);
  return true;
};

test('pullImage() brings an image into the store, verified, and tells how', async () => {
  await using temporary = await TestStore.create();
  const progress: PullProgress[] = [];
  const options = temporary.options({
    registries: overHttp(),
    onProgress: (event) => progress.push(event),
  });
  await using pulled = await pullImage(`${plain.host}/team/app:v1`, options);
  await pulled.downloaded();
  assert.equal(pulled.reference, `${plain.host}/team/app:v1`);
  assert.equal(pulled.digest, image.manifest.digest);
  assert.equal(pulled.manifestDigest, image.manifest.digest);
  assert.equal(pulled.configDigest, image.config.digest);
  assert.deepEqual(Buffer.from(pulled.config), image.config.bytes);
  assert.equal(
    pulled.layerBytes,
    image.layers.reduce((sum, { size }) => sum + size, 0),
  );
  for (const [i, layer] of pulled.layers.entries()) {
    assert.equal(layer.diffId, image.diffIds[i]);
    assert.equal(layer.mediaType, image.layers[i]?.mediaType);
    assert.deepEqual(await collect(layer.open()), image.layers[i]?.bytes);
  }
  assert.deepEqual(progress[0], { kind: 'resolving', reference: pulled.reference });
  assert.equal(progress[1]?.kind, 'resolved');
  const done = progress.filter((event) => event.kind === 'layer' && event.state === 'done');
  assert.equal(done.length, 3);
});

test('pullImage() downloads nothing a second time', async () => {
  await using temporary = await TestStore.create();
  const options = { registries: overHttp() };
  for (const expected of ['done', 'cached']) {
    const states = new Set<string>();
    await using pulled = await pullImage(
      `${plain.host}/team/app:v1`,
      temporary.options({
        ...options,
        onProgress: (event) => {
          if (event.kind === 'layer') states.add(event.state);
        },
      }),
    );
    await pulled.downloaded();
    assert.ok(states.has(expected), [...states].join());
    if (expected === 'cached') assert.equal(states.size, 1);
  }
});

test('pullImage() finds a registry on this machine that nobody configured', async () => {
  await using temporary = await TestStore.create();
  await using pulled = await pullImage(`${plain.host}/team/app:v1`, temporary.options());
  await pulled.downloaded();
  assert.equal(pulled.digest, image.manifest.digest);
});

test('pullImage() needs no network for a digest that is in the store', async () => {
  await using temporary = await TestStore.create();
  await using registry = await TestRegistry.start();
  await registry.push('app', 'latest', image);
  const reference = `${registry.host}/app:ignored@${image.manifest.digest}`;
  const options = temporary.options({ registries: [ImageRegistry.http(registry.host)] });
  {
    await using pulled = await pullImage(reference, options);
    await pulled.downloaded();
  }
  await registry[Symbol.asyncDispose]();
  await using again = await pullImage(reference, options);
  await again.downloaded();
  assert.equal(again.reference, reference);
});

test('pullImage() chooses the image for the box from an index', async () => {
  const arm = makeImage({ architecture: 'arm64', layers: [{ 'arm.txt': '' }] });
  const index = makeIndex({ 'linux/arm64/v8': arm.manifest, 'linux/amd64': image.manifest });
  for (const made of [arm, image]) await plain.push('multi', made.manifest.digest, made);
  await plain.pushManifest('multi', 'latest', index);
  await using temporary = await TestStore.create();
  for (const [arch, expected] of [
    ['x64', image],
    ['arm64', arm],
  ] as const) {
    const options = temporary.options({ registries: overHttp(), platform: boxPlatform(arch) });
    await using pulled = await pullImage(`${plain.host}/multi`, options);
    await pulled.downloaded();
    assert.equal(pulled.digest, index.digest);
    assert.equal(pulled.manifestDigest, expected.manifest.digest);
  }
  assert.ok(await temporary.store.has(index));
});

test('pullImage() says what there is when nothing is for the box', async () => {
  const arm = makeImage({ architecture: 'arm64' });
  await plain.push('arm-only', 'latest', arm);
  await using temporary = await TestStore.create();
  await assert.rejects(
    pullImage(`${plain.host}/arm-only`, temporary.options({ registries: overHttp() })),
    imageError(/not for linux\/amd64, which the box runs; there is: linux\/arm64$/),
  );
});

test('pullImage() says what it did not find, and where', async () => {
  await using temporary = await TestStore.create();
  for (const name of ['team/app:v2', 'nobody/nothing']) {
    await assert.rejects(
      pullImage(`${plain.host}/${name}`, temporary.options({ registries: overHttp() })),
      imageError(/the manifest of "127.*answered 404 Not Found: .*unknown/),
    );
  }
});

test('pullImage() asks the searched registries in order, and takes the first that has it', async () => {
  await using other = await TestRegistry.start();
  await other.push('library/app', 'latest', image);
  await using temporary = await TestStore.create();
  const asked: string[] = [];
  const registries = [
    ImageRegistry.http(`${plain.host}/nowhere`).withSearch(true),
    ImageRegistry.http('127.0.0.1:1').withSearch(true),
    ImageRegistry.http(other.host).withSearch(true),
  ];
  const onProgress = (event: PullProgress) => {
    if (event.kind === 'resolving') asked.push(event.reference);
  };
  await using pulled = await pullImage('app', temporary.options({ registries, onProgress }));
  assert.equal(pulled.reference, `${other.host}/library/app:latest`);
  assert.deepEqual(asked, [
    `${plain.host}/nowhere/app:latest`,
    '127.0.0.1:1/library/app:latest',
    `${other.host}/library/app:latest`,
  ]);
  await assert.rejects(
    pullImage('missing', temporary.options({ registries })),
    imageError(/^Cannot find image "missing" in any registry: .*404.*refused.*404/),
  );
});

test('pullImage() logs in with a password, over a certificate it is told not to verify', async () => {
  await using temporary = await TestStore.create();
  const registry = ImageRegistry.https(secure.host).withSkipVerify(true);
  const pull = (registries: ImageRegistry[]) =>
    pullImage(`${secure.host}/app`, temporary.options({ registries }));
  await using pulled = await pull([registry.withBasicAuth(REGISTRY_USER, REGISTRY_PASSWORD)]);
  await pulled.downloaded();
  assert.equal(pulled.digest, image.manifest.digest);
  await assert.rejects(pull([registry]), imageError(/401 Unauthorized.*needs a login/));
  await assert.rejects(
    pull([registry.withBasicAuth(REGISTRY_USER, 'wrong')]),
    imageError(/401 Unauthorized.*the login is from the ImageRegistry$/),
  );
});

test("pullImage() uses Docker's logins", async () => {
  const configDir = await mkdtemp(join(tmpdir(), 'boxlite-docker-'));
  try {
    const auth = Buffer.from(`${REGISTRY_USER}:${REGISTRY_PASSWORD}`).toString('base64');
    const config = { auths: { [`https://${secure.host}`]: { auth } } };
    await writeFile(join(configDir, 'config.json'), JSON.stringify(config));
    await using temporary = await TestStore.create();
    const registries = [ImageRegistry.https(secure.host).withSkipVerify(true)];
    const docker = { configDir, run: runCommand };
    const options = temporary.options({ registries, docker });
    await using pulled = await pullImage(`${secure.host}/app`, options);
    await pulled.downloaded();
  } finally {
    await rm(configDir, { recursive: true });
  }
});

test('pullImage() verifies certificates, also by an authority that Node is told of', async () => {
  await using registry = await TestRegistry.start({ tls: true });
  await registry.push('app', 'latest', image);
  await using temporary = await TestStore.create();
  const args = [temporary.folder, `${registry.host}/app`, 'https'];
  const last = async (env: Record<string, string>) => {
    await using program = new TestProgram('pull', args, env);
    for (;;) {
      const report = (await program.next()) as { kind: string; message?: string };
      if (['pulled', 'failed'].includes(report.kind)) return report;
    }
  };
  const refused = await last({ NODE_EXTRA_CA_CERTS: '' });
  assert.equal(refused.kind, 'failed');
  assert.match(refused.message ?? '', /certificate cannot be verified.*NODE_EXTRA_CA_CERTS/);
  const pulled = await last({ NODE_EXTRA_CA_CERTS: registry.caFile ?? '' });
  assert.equal(pulled.kind, 'pulled');
});

test('pullImage() says that a registry speaks plain text when TLS was expected', async () => {
  await using temporary = await TestStore.create();
  const registries = [ImageRegistry.https(plain.host)];
  await assert.rejects(
    pullImage(`${plain.host}/team/app:v1`, temporary.options({ registries })),
    (error) =>
      BoxliteError.is(error, 'Network') &&
      error.message.includes(`for plain text use ImageRegistry.http("${plain.host}")`),
  );
});

test('pullImage() refuses a malformed reference before it asks anybody', async () => {
  await using temporary = await TestStore.create();
  await assert.rejects(pullImage('Not A Reference', temporary.options()), (error) =>
    BoxliteError.is(error, 'InvalidArgument'),
  );
  await assert.rejects(pullImage('1.2.3.4.5/app', temporary.options()), (error) =>
    BoxliteError.is(error, 'InvalidArgument'),
  );
});
