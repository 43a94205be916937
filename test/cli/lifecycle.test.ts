import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CommandLine } from './command-line.ts';

const BASE = 'builtin:base';

/** What a server that is about to listen answers. */
async function answerOf(url: string): Promise<string> {
  for (;;) {
    const response = await fetch(url, { headers: { connection: 'close' } }).catch(() => null);
    if (response !== null) return await response.text();
  }
}

describe('boxlite', () => {
  it('publishes ports of a box', async () => {
    await using cli = new CommandLine();
    const serve = 'mkdir /www; echo hi > /www/index.html; exec httpd -f -p 80 -h /www';
    await cli.say('run', '-d', '--name', 'web', '-p', '127.0.0.1::80', BASE, 'sh', '-c', serve);
    const [info] = JSON.parse(await cli.say('inspect', 'web'));
    const [{ hostPort }] = info.ports;
    assert.match(await cli.say('ls'), new RegExp(` 127\\.0\\.0\\.1:${hostPort}->80/tcp$`));
    assert.equal(await answerOf(`http://127.0.0.1:${hostPort}/`), 'hi\n');
    await cli.say('rm', '-f', 'web');
    assert.equal((await cli.run(['run', '-p', 'x', BASE, 'true'])).status, 2);
  });

  it('copies files into a box and out of it', async () => {
    await using cli = new CommandLine();
    const folder = mkdtempSync(join(tmpdir(), 'boxlite-cp-'));
    try {
      writeFileSync(join(folder, 'a:b'), 'text');
      symlinkSync('a:b', join(folder, 'link'));
      await cli.say('create', '--name', 'web', BASE);
      const stopped = await cli.run(['cp', join(folder, 'a:b'), 'web:/f']);
      assert.equal(stopped.status, 125);
      assert.match(stopped.stderr, /^boxlite: Cannot copy files of .*boxlite start"\n$/);
      await cli.say('start', 'web');
      await cli.say('cp', `${folder}/.`, 'web:in');
      assert.equal(
        await cli.say('exec', 'web', 'sh', '-c', 'readlink /in/link; cat /in/link'),
        'a:b\ntext',
      );
      await cli.say('cp', '-L', 'web:/in/link', join(folder, 'out'));
      assert.equal(readFileSync(join(folder, 'out'), 'utf8'), 'text');
      assert.ok(lstatSync(join(folder, 'out')).isFile());
      const missing = await cli.run(['cp', 'web:/none', folder]);
      assert.equal(missing.status, 125);
      assert.match(missing.stderr, /ENOENT.*\/none/);
      for (const wrong of [['web:/a'], ['/a', '/b'], ['web:/a', 'web:/b'], ['-', 'web:/a']]) {
        assert.equal((await cli.run(['cp', ...wrong])).status, 2);
      }
      await cli.say('rm', '-f', 'web');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('makes a box that lasts, and works on it until it is removed', async () => {
    await using cli = new CommandLine();
    const id = await cli.say(
      'create',
      '--name',
      'web',
      '-l',
      'tier=front',
      '-e',
      'NAME=world',
      BASE,
    );
    assert.equal(await cli.say('ls', '-q'), '');
    assert.equal(await cli.say('ls', '-aq'), id);
    assert.equal(await cli.say('start', 'web'), 'web');
    assert.match(await cli.say('ps'), new RegExp(`^ID .*\\n${id} +web +builtin:base +running`));

    assert.equal(await cli.say('exec', 'web', '--', 'sh', '-c', 'echo hello $NAME'), 'hello world');
    const failed = await cli.run([
      'exec',
      id,
      'sh',
      '-c',
      'echo no >&2; echo kept > /file; exit 3',
    ]);
    assert.deepEqual(failed, { status: 3, stdout: '', stderr: 'no\n' });
    const fed = await cli.run(['exec', '-i', '-w', '/tmp', id, 'sh', '-c', 'pwd; cat'], 'input');
    assert.equal(fed.stdout, '/tmp\ninput');
    assert.equal((await cli.run(['exec', 'web', 'no-such-program'])).status, 127);

    const [info] = JSON.parse(await cli.say('inspect', 'web'));
    assert.deepEqual(
      [info.id, info.name, info.status, info.labels],
      [id, 'web', 'running', { tier: 'front' }],
    );
    const [stats] = JSON.parse(await cli.say('stats', '--no-stream', '--format', 'json'));
    assert.equal(stats.id, id);
    assert.ok(stats.memoryBytes > 1024 * 1024);
    assert.equal(stats.commandsRunTotal, 4);

    const refused = await cli.run(['rm', 'web']);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /^boxlite: .*force\n$/);
    assert.equal(await cli.say('stop', '-t', '5', 'web'), 'web');
    const stopped = await cli.run(['exec', 'web', 'true']);
    assert.equal(stopped.status, 125);
    assert.match(stopped.stderr, /^boxlite: .*boxlite start"\n$/);
    await cli.say('start', 'web');
    assert.equal(await cli.say('exec', 'web', 'cat', '/file'), 'kept');
    assert.equal(await cli.say('rm', '-f', 'web'), 'web');
    assert.equal(await cli.say('ls', '-aq'), '');
    assert.deepEqual(readdirSync(join(cli.home, 'boxes')), []);
  });

  it('leaves a box running with run -d, which ends with its command', async () => {
    await using cli = new CommandLine();
    const script = 'echo started; until [ -e /stop ]; do sleep 0.05; done; echo over >&2; exit 4';
    const id = await cli.say('run', '-d', '--name', 'job', BASE, '--', 'sh', '-c', script);
    const following = cli.run(['logs', '-f', 'job']);
    await cli.say('exec', 'job', 'touch', '/stop');
    assert.deepEqual(await following, { status: 0, stdout: 'started\n', stderr: 'over\n' });
    const [info] = JSON.parse(await cli.say('ls', '-a', '--format', 'json'));
    assert.deepEqual([info.id, info.status, info.exitReason], [id, 'stopped', 'exit code 4']);
    assert.equal(await cli.say('logs', 'job'), 'started');
  });

  it('says that a command cannot be run, and keeps no box of it', async () => {
    await using cli = new CommandLine();
    const { status, stdout, stderr } = await cli.run(['run', '-d', BASE, 'no-such-program']);
    assert.deepEqual([status, stdout], [127, '']);
    assert.match(stderr, /^boxlite: Cannot run "no-such-program": it was not found.*\n$/);
    assert.equal(await cli.say('ls', '-aq'), '');
  });

  it('finds boxes by label and status', async () => {
    await using cli = new CommandLine();
    const front = await cli.say('create', '-l', 'tier=front', BASE);
    const back = await cli.say('create', '-l', 'tier=back', '-l', 'env=a=b', BASE);
    assert.equal(await cli.say('ls', '-aq'), `${back}\n${front}`);
    assert.equal(await cli.say('ls', '-aq', '--filter', 'label=tier=front'), front);
    assert.equal(await cli.say('ls', '-aq', '--filter', 'label=env=a=b'), back);
    assert.equal(await cli.say('ls', '-q', '--filter', 'status=configured'), `${back}\n${front}`);
    assert.equal(await cli.say('ls', '-aq', '--filter', 'label=tier=none'), '');
  });

  it('does what it can with several boxes, and fails if it could not do all', async () => {
    await using cli = new CommandLine();
    const id = await cli.say('create', BASE);
    for (const command of ['start', 'stop', 'rm']) {
      const { status, stdout, stderr } = await cli.run([command, 'nobody', id]);
      assert.deepEqual([command, status, stdout], [command, 125, `${id}\n`]);
      assert.match(stderr, /^boxlite: There is no box "nobody".*\n$/);
    }
    const { status, stdout } = await cli.run(['inspect', 'nobody']);
    assert.deepEqual([status, JSON.parse(stdout)], [125, []]);
  });

  it('refuses what makes no sense with status 2, and what is not there with 125', async () => {
    await using cli = new CommandLine();
    const cases: [string[], number, RegExp][] = [
      [['start'], 2, /name a box/],
      [['exec', 'web'], 2, /name a command/],
      [['stop', '-t', 'soon', 'web'], 2, /whole number/],
      [['ls', '--filter', 'colour=red'], 2, /--filter/],
      [['ls', '--format', 'xml'], 2, /table or json/],
      [['create', '--rm', BASE], 2, /autoRemove/],
      [['create', '--name', '-', BASE], 2, /name/],
      [['exec', 'nobody', 'true'], 125, /no box "nobody"/],
      [['logs', 'nobody'], 125, /no box "nobody"/],
    ];
    for (const [args, status, message] of cases) {
      const outcome = await cli.run(args);
      assert.deepEqual([args, outcome.status], [args, status]);
      assert.match(outcome.stderr, message);
    }
  });

  it('shows stats again and again: a list a line as JSON, and in one place on a terminal', async () => {
    await using cli = new CommandLine();
    const id = await cli.say('create', '--name', 'busy', BASE);
    await cli.say('start', 'busy');
    const json = await cli.watch(
      ['stats', '--format', 'json'],
      (text) => text.split('\n').length > 3,
    );
    const samples = json
      .split('\n')
      .slice(0, 3)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      samples.map((list) => list.map((box: { id: string }) => box.id)),
      [[id], [id], [id]],
    );
    const clear = '\x1b[H\x1b[J';
    const shown = await cli.watch(['stats'], (text) => text.split(clear).length > 3, {
      terminal: true,
    });
    const [before, ...screens] = shown.split(clear);
    assert.equal(before, '');
    for (const screen of screens.slice(0, 2)) {
      assert.match(screen, new RegExp(`^ID +NAME [^\\n]*\\n${id} +busy +[0-9.]+ % [^\\n]*\\n$`));
    }
  });

  it('grows the disk of a box when it is started', async () => {
    await using cli = new CommandLine();
    await cli.say('create', '--name', 'data', '--disk-size', '1', BASE);
    await cli.say('start', '--disk-size', '2', 'data');
    const size = Number((await cli.say('exec', 'data', 'df', '-m', '/')).split(/ +/).at(-5));
    assert.ok(size > 1536 && size <= 2048, `${size} MiB`);
    const refused = await cli.run(['start', '--disk-size', '3', 'data']);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /while it runs: stop it first\n$/);
  });

  it('shows stats of nothing when nothing runs', async () => {
    await using cli = new CommandLine();
    assert.match(await cli.say('stats', '--no-stream'), /^ID +NAME +CPU +MEMORY[^\n]*$/);
  });
});
