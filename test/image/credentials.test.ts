import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { findLogin } from '../../src/image/credentials.ts';
import { runCommand } from '../../src/process/run.ts';
import { ImageRegistry } from '../../src/spec/image-registry.ts';

const REGISTRY = ImageRegistry.https('registry.example.com');

/** A folder with Docker's configuration and, if given, a credential helper in `PATH`. */
async function dockerFolder(config: object | string | null, helper?: string) {
  const configDir = await mkdtemp(join(tmpdir(), 'boxlite-docker-'));
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  if (config !== null) await writeFile(join(configDir, 'config.json'), text);
  if (helper !== undefined) {
    const path = join(configDir, 'docker-credential-test');
    await writeFile(path, `#!/bin/sh\n${helper}\n`);
    await chmod(path, 0o755);
  }
  const helperEnv = { PATH: `${configDir}:/usr/bin:/bin`, FROM_HOST: 'yes' };
  return {
    docker: { configDir, run: runCommand, helperEnv },
    [Symbol.asyncDispose]: () => rm(configDir, { recursive: true }),
  };
}

test('findLogin() prefers the login of the ImageRegistry', async () => {
  await using folder = await dockerFolder('not even JSON');
  const login = await findLogin(REGISTRY.withBearerAuth('token'), folder.docker);
  assert.deepEqual(login.credentials, { kind: 'bearer', token: 'token' });
});

test('findLogin() is anonymous without a configuration', async () => {
  await using folder = await dockerFolder(null);
  assert.equal((await findLogin(REGISTRY, folder.docker)).credentials.kind, 'anonymous');
  assert.equal((await findLogin(REGISTRY, null)).credentials.kind, 'anonymous');
});

test('findLogin() names the file when it is broken', async () => {
  await using folder = await dockerFolder('not even JSON');
  await assert.rejects(
    findLogin(REGISTRY, folder.docker),
    (error) => BoxliteError.is(error, 'Config') && error.message.includes(folder.docker.configDir),
  );
});

test('findLogin() asks a credential helper for the server, in its own environment', async () => {
  const helper = `read -r server; printf '{"Username":"%s","Secret":"%s %s"}' "$server" "$1" "$FROM_HOST"`;
  await using folder = await dockerFolder({ credsStore: 'test' }, helper);
  const { credentials, origin } = await findLogin(REGISTRY, folder.docker);
  assert.deepEqual(credentials, {
    kind: 'basic',
    username: 'registry.example.com',
    password: 'get yes',
  });
  assert.equal(origin, '"docker-credential-test"');
});

test('findLogin() is anonymous if the helper knows no login', async () => {
  const helper = 'echo "credentials not found in native keychain"; exit 1';
  await using folder = await dockerFolder(
    { credHelpers: { 'registry.example.com': 'test' } },
    helper,
  );
  assert.equal((await findLogin(REGISTRY, folder.docker)).credentials.kind, 'anonymous');
});

test('findLogin() says why a helper failed', async () => {
  await using folder = await dockerFolder({ credsStore: 'test' }, 'echo "locked" >&2; exit 3');
  await assert.rejects(
    findLogin(REGISTRY, folder.docker),
    (error) =>
      BoxliteError.is(error, 'Config') &&
      /"docker-credential-test": locked; .*config.json/.test(error.message),
  );
});

test('findLogin() says that a helper is not installed', async () => {
  await using folder = await dockerFolder({ credsStore: 'missing' });
  await assert.rejects(
    findLogin(REGISTRY, folder.docker),
    (error) =>
      BoxliteError.is(error, 'Config') && error.message.includes('docker-credential-missing'),
  );
});
