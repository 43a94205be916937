import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { REGISTRY_PASSWORD, REGISTRY_USER, TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { testedEngines } from '../vm/fixture.ts';
import { CommandLine } from './command-line.ts';

const image = busyboxImage();
const shortDigests = image.layers.map(({ digest }) => digest.replace('sha256:', '').slice(0, 12));

describe('boxlite image', () => {
  let registry: TestRegistry;
  let reference: string;
  const scratch = mkdtempSync(join(tmpdir(), 'boxlite-cli-images-'));

  before(async () => {
    registry = await TestRegistry.start();
    await registry.push('app', '1', image);
    reference = `${registry.host}/app:1`;
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  it('pulls, lists, tells about, exports, removes and imports images', async () => {
    await using cli = new CommandLine();
    const pulled = await cli.run(['pull', reference]);
    assert.equal(pulled.stdout, `${reference}@${image.manifest.digest}\n`);
    for (const digest of shortDigests) {
      assert.match(pulled.stderr, new RegExp(`^${digest} done [0-9.]+ [kM]?B$`, 'm'));
    }
    const again = await cli.run(['pull', '-q', reference]);
    assert.deepEqual([again.status, again.stdout, again.stderr], [0, pulled.stdout, '']);
    assert.equal(await cli.say('images', '-q'), reference);
    assert.match(await cli.say('images'), new RegExp(`^IMAGE +ID [^\\n]*\\n${reference} `));
    const [listed] = JSON.parse(await cli.say('image', 'ls', '--format', 'json'));
    const [told] = JSON.parse(await cli.say('image', 'inspect', reference));
    assert.equal(listed.digest, image.manifest.digest);
    assert.deepEqual([told.digest, told.config.user], [image.manifest.digest, 'worker']);

    const archive = join(scratch, 'app.tar');
    assert.equal(await cli.say('image', 'export', reference, archive), '');
    assert.equal(await cli.say('image', 'rm', reference), reference);
    assert.equal(await cli.say('images', '-q'), '');
    const imported = await cli.say('image', 'import', archive, 'local/app:2');
    assert.match(imported, /local\/app:2@sha256:/);
    assert.ok(imported.endsWith(image.manifest.digest));
    assert.equal(await cli.say('run', 'local/app:2', '--', 'cat', '/etc/upper'), 'upper');
    const removed = await cli.run(['image', 'rm', 'nothing:1', 'local/app:2']);
    assert.deepEqual([removed.status, removed.stdout], [125, 'local/app:2\n']);
    assert.match(removed.stderr, /nothing:1/);
  });

  it("runs the image's own command if none is named", async () => {
    await using cli = new CommandLine();
    await registry.push(
      'own',
      '1',
      busyboxImage('/', { Entrypoint: ['echo', 'own'], Cmd: ['words'] }),
    );
    const own = `${registry.host}/own:1`;
    assert.equal(await cli.say('run', own), 'own words');
    assert.equal(await cli.say('run', own, '--', 'echo', 'named'), 'named');
    const none = await cli.run(['run', 'builtin:base']);
    assert.equal(none.status, 2);
    assert.match(none.stderr, /run: name a command/);
    const nothing = await cli.run(['run']);
    assert.match(nothing.stderr, /run: name an image/);
  });

  it('says what pruning has freed, and spares what boxes use', async () => {
    await using cli = new CommandLine();
    await cli.say('pull', '-q', reference);
    await cli.say('create', '--name', 'user', reference);
    assert.match(await cli.say('image', 'prune'), /^freed 0 B$/);
    await cli.say('start', 'user');
    await cli.say('stop', 'user');
    const used = await cli.run(['image', 'rm', reference]);
    assert.equal(used.status, 125);
    assert.match(used.stderr, /in use by .*user/);
    assert.match(await cli.say('image', 'prune', '-a'), /^freed 0 B$/);
    await cli.say('rm', 'user');
    const pruned = await cli.say('image', 'prune', '-a');
    assert.match(pruned, new RegExp(`^${reference}\\nfreed [0-9.]+ MB$`));
    assert.equal(await cli.say('images', '-q'), '');
  });

  it('draws a bar for each layer on a terminal', async () => {
    await using cli = new CommandLine();
    const shown = await cli.watch(['pull', reference], (text) => text.includes('@sha256:'), {
      terminal: true,
    });
    for (const digest of shortDigests) {
      assert.match(shown, new RegExp(`${digest} \\[#{24}\\] done `));
    }
  });

  it('refuses what makes no sense with 2, and what is not there with 125', async () => {
    await using cli = new CommandLine();
    const cases: [string[], number, RegExp][] = [
      [['pull'], 2, /name one image/],
      [['pull', 'Not A Reference'], 2, /Not A Reference/],
      [['image', 'burn'], 2, /expected ls, inspect/],
      [['image', 'export', 'app'], 2, /1 argument\(s\) missing/],
      [['image', 'rm', 'nothing:1'], 125, /nothing/],
      [['image', 'inspect', 'nothing:1'], 125, /nothing/],
      [['image', 'import', join(scratch, 'nothing')], 125, /nothing/],
      [['pull', `${registry.host}/nothing`], 125, /nothing/],
    ];
    for (const [args, status, message] of cases) {
      const outcome = await cli.run(args);
      assert.deepEqual([args, outcome.status], [args, status]);
      assert.match(outcome.stderr, message);
    }
  });
});

describe('boxlite run, from a registry of an authority of its own with a login in a helper', () => {
  let registry: TestRegistry;
  const scratch = mkdtempSync(join(tmpdir(), 'boxlite-cli-login-'));

  before(async () => {
    registry = await TestRegistry.start({ tls: true, htpasswd: true });
    await registry.push('private/app', 'latest', image);
    writeFileSync(
      join(scratch, 'config.json'),
      JSON.stringify({ credHelpers: { [registry.host]: 'boxlite-test' } }),
    );
    const helper = join(scratch, 'docker-credential-boxlite-test');
    const login = { ServerURL: registry.host, Username: REGISTRY_USER, Secret: REGISTRY_PASSWORD };
    writeFileSync(helper, `#!/bin/sh\ncat > ${scratch}/asked\necho '${JSON.stringify(login)}'\n`);
    chmodSync(helper, 0o755);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  for (const engine of testedEngines) {
    const skip = engine === 'uml' && process.arch !== 'x64' ? 'x86-64 only' : false;
    it(`boots on ${engine}`, { skip }, async () => {
      await using cli = new CommandLine({
        NODE_EXTRA_CA_CERTS: registry.caFile ?? '',
        DOCKER_CONFIG: scratch,
        PATH: [scratch, process.env['PATH']].join(delimiter),
      });
      const reference = `${registry.host}/private/app`;
      const said = await cli.say('run', '--engine', engine, reference, '--', 'cat', '/etc/upper');
      assert.equal(said, 'upper');
      assert.ok(existsSync(join(scratch, 'asked')));
    });
  }

  it('is refused without the authority, and without the login', async () => {
    await using cli = new CommandLine({
      NODE_EXTRA_CA_CERTS: '',
      DOCKER_CONFIG: scratch,
      PATH: [scratch, process.env['PATH']].join(delimiter),
    });
    // A registry on this machine that is not configured needs no certificate, but it does need the login.
    rmSync(join(scratch, 'config.json'));
    const { status, stderr } = await cli.run(['pull', '-q', `${registry.host}/private/app`]);
    assert.equal(status, 125);
    assert.match(stderr, /401 Unauthorized.*needs a login/);
  });
});
