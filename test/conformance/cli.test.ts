import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { CommandLine } from '../cli/command-line.ts';
import { TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { forEachEngine } from '../vm/fixture.ts';
import { prove } from './prove.ts';

const BASE = 'builtin:base';

forEachEngine((engine) => {
  let cli: CommandLine;
  let registry: TestRegistry;
  before(async () => {
    cli = new CommandLine();
    registry = await TestRegistry.start();
    await registry.push('app', '1', busyboxImage());
  });
  after(async () => {
    await cli[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  const run = (...args: string[]) => cli.run(['run', '--engine', engine, ...args]);

  prove('boxlite run', async () => {
    const outcome = await run(BASE, '--', 'sh', '-c', 'echo out; echo err >&2; exit 42');
    assert.deepEqual(outcome, { status: 42, stdout: 'out\n', stderr: 'err\n' });
  });

  prove('boxlite run: no image', async () => {
    // The image by default is here under its name, and so needs no registry.
    await cli.say('pull', '-q', `${registry.host}/app:1`);
    const archive = join(cli.home, 'app.tar');
    await cli.say('image', 'export', `${registry.host}/app:1`, archive);
    await cli.say('image', 'import', archive, 'alpine:latest');
    for (const command of [['--', 'cat', '/etc/upper']]) {
      assert.deepEqual(await run(...command), { status: 0, stdout: 'upper\n', stderr: '' });
    }
  });

  prove('boxlite run: no command', async () => {
    // The image runs "sh", which reads its commands.
    const given = ['run', '--engine', engine, '-i', `${registry.host}/app:1`];
    const outcome = await cli.run(given, 'echo $FROM_IMAGE $((6 * 7)); id -u\n');
    assert.deepEqual([outcome.status, outcome.stdout], [0, 'yes 42\n1234\n'], outcome.stderr);
    const none = await run(BASE);
    assert.equal(none.status, 2);
    assert.match(none.stderr, /name a command/);
  });

  prove('-v', async () => {
    writeFileSync(join(cli.home, 'shared'), 'shared\n');
    const outcome = await run('-v', `${cli.home}:/data:ro`, BASE, 'cat', '/data/shared');
    assert.equal(outcome.stdout, 'shared\n');
    assert.notEqual((await run('-v', `${cli.home}:/d:ro`, BASE, 'touch', '/d/x')).status, 0);
  });

  prove('--rm', async () => {
    assert.equal((await run('--rm', '--name', 'once', BASE, 'true')).status, 0);
    assert.equal(await cli.say('ls', '-aq'), '');
    // A detached box is kept: both is as wrong as it is for the library.
    assert.equal((await run('-d', '--rm', BASE, 'true')).status, 2);
  });

  prove('--name', async () => {
    await cli.say('run', '--engine', engine, '-d', '--name', 'called', BASE, 'sleep', '100000');
    assert.equal(await cli.say('exec', 'called', '--', 'echo', 'here'), 'here');
    const twice = await run('--name', 'called', BASE, 'true');
    assert.equal(twice.status, 125);
    assert.match(twice.stderr, /called/);
    await cli.say('rm', '-f', 'called');
  });

  prove('--entrypoint', async () => {
    const outcome = await run('--entrypoint', 'echo', BASE, '--', 'as', 'arguments');
    assert.deepEqual([outcome.status, outcome.stdout], [0, 'as arguments\n']);
  });
});
