/**
 * What the documentation's names stand for, within a network namespace: Docker's registry with the images it names, a
 * web service with an interface for programs, and a folder with the files it names. So its code is run as it is written.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { makeImage, type TestImage } from '../image/image-fixture.ts';
import { TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { debianLayer } from '../image/support/debian-layer.ts';
import { serverKeyFiles, serverKeys, servers } from '../network/namespace.ts';

const top = fileURLToPath(new URL('../../', import.meta.url));

/** Where the names lead, as /etc/hosts has it. */
export const worldHosts = [
  `${servers.one} registry-1.docker.io`,
  `${servers.two} api.openai.com api.example.com news.example.com`,
].join('\n');

/** Programs of the documentation are short. */
const PROGRAM_MS = 60_000;

/** The value that the documentation's secrets have. Nothing but the web service may see it. */
export const API_KEY = 'sk-documentation-0123456789';

export class DocumentedWorld implements AsyncDisposable {
  /** A user's project: code runs here. */
  readonly folder: string;
  /** The environment that code runs in. */
  readonly env: NodeJS.ProcessEnv;
  readonly #resources: AsyncDisposableStack;

  private constructor(folder: string, resources: AsyncDisposableStack) {
    this.folder = folder;
    this.#resources = resources;
    this.env = {
      ...process.env,
      BOXLITE_HOME: join(folder, 'home'),
      OPENAI_API_KEY: API_KEY,
      NEWS_API_KEY: API_KEY,
      PATH: `${join(folder, 'node_modules/.bin')}:${process.env['PATH']}`,
    };
  }

  static async start(): Promise<DocumentedWorld> {
    await using resources = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'boxlite-docs-'));
    resources.defer(() => rmSync(folder, { recursive: true, force: true }));
    makeProject(folder);
    const { key, certificate } = serverKeyFiles();
    const registry = await TestRegistry.start({
      address: `${servers.one}:443`,
      certificate: { cert: certificate, key, ca: process.env['NODE_EXTRA_CA_CERTS'] ?? '' },
    });
    resources.use(registry);
    for (const [name, image] of images()) {
      const [repository = '', tag = ''] = name.split(':');
      await registry.push(repository, tag, image);
    }
    resources.use(await startService());
    return new DocumentedWorld(folder, resources.move());
  }

  /** What a program prints here. It must end well, unless it is ended once it has printed enough. */
  async say(
    command: string,
    args: readonly string[],
    until: string | null = null,
  ): Promise<string> {
    const { folder, env } = this;
    const child = spawn(command, args, {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PROGRAM_MS,
      killSignal: 'SIGKILL',
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    let seen = '';
    child.stdout.on('data', (chunk) => {
      seen += String(chunk);
      if (until !== null && seen.includes(until)) child.kill();
    });
    const [errors, status] = await Promise.all([text(child.stderr), ended]);
    if (until !== null) assert.ok(seen.includes(until), `${seen}\n${errors}`);
    else assert.equal(status, 0, `${seen}\n${errors}`);
    return seen;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

/** By the names that Docker's registry gives them. */
function* images(): Generator<[name: string, image: TestImage]> {
  const debian = makeImage({
    // The host's /tmp is no part of it.
    layers: [readFileSync(debianLayer()), { 'tmp/.keep': '' }],
    compression: 'zstd',
    config: { config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin'], Cmd: ['python3'] } },
  });
  for (const name of ['python:3.12-slim', 'debian:12']) yield [`library/${name}`, debian];
  yield ['library/alpine:latest', busyboxImage()];
  const server = ['busybox', 'httpd', '-f', '-p', '80', '-h', '/etc'];
  yield ['my/server:latest', busyboxImage('/', { Cmd: server, User: 'root' })];
}

/** An interface for programs: it says who asks, and has news for those who may read them. */
async function startService(): Promise<AsyncDisposable> {
  const service = https.createServer(serverKeys(), (request, response) => {
    const allowed = request.headers.authorization === `Bearer ${API_KEY}`;
    response.writeHead(allowed ? 200 : 401, { 'content-type': 'application/json' });
    const news = [{ title: 'Boxes are small' }, { title: 'Kernels boot fast' }];
    response.end(JSON.stringify(allowed ? { data: news } : { error: 'who are you?' }));
  });
  service.listen(443, servers.two);
  await once(service, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      service.closeAllConnections();
      service.close();
      await once(service, 'close');
    },
  };
}

/** A folder in which `boxlite` is installed, with the files that the documentation names. */
function makeProject(folder: string): void {
  const file = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  file('package.json', '{ "type": "module", "private": true }');
  // Node strips no types below node_modules: what is there leads out of it.
  file('package/package.json', '{ "name": "boxlite", "type": "module", "exports": "./index.ts" }');
  file('package/index.ts', `export * from '${join(top, 'src/index.ts')}';\n`);
  file(
    'node_modules/.bin/boxlite',
    `#!/bin/sh\nexec "${process.execPath}" "${join(top, 'src/cli/boxlite.ts')}" "$@"\n`,
  );
  chmodSync(join(folder, 'node_modules/.bin/boxlite'), 0o755);
  symlinkSync('../package', join(folder, 'node_modules/boxlite'));
  file('src/main.py', 'print("hello from a volume")\n');
  file('data/numbers.csv', 'a,b\n1,2\n3,4\n');
  file('input.txt', 'one\ntwo\n');
  mkdirSync(join(folder, 'my-rootfs/bin'), { recursive: true });
  execFileSync('cp', ['/bin/busybox', join(folder, 'my-rootfs/bin/busybox')]);
  for (const name of ['sh', 'ls', 'echo']) {
    symlinkSync('busybox', join(folder, 'my-rootfs/bin', name));
  }
}
