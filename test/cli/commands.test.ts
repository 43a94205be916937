import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folders, testedEngines } from '../vm/fixture.ts';
import { watchForLeaks } from '../vm/leaks.ts';
import { boxlite } from './program.ts';

const commands = ['run', 'doctor', 'kernel'];

describe('boxlite', () => {
  it('tells with --help what there is', async () => {
    for (const word of ['--help', '-h']) {
      const { status, stdout, stderr } = await boxlite([word]);
      assert.deepEqual([status, stderr], [0, '']);
      for (const name of commands) assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'));
    }
  });

  it('tells with --version which one it is', async () => {
    const { status, stdout } = await boxlite(['--version']);
    assert.equal(status, 0);
    assert.match(stdout, /^boxlite \d+\.\d+\.\d+\n$/);
  });

  it('without a command tells the same, and ends with 2', async () => {
    const { status, stdout, stderr } = await boxlite([]);
    assert.equal(status, 2);
    assert.match(stdout + stderr, /boxlite COMMAND/);
  });

  it('tells with COMMAND --help about the command', async () => {
    for (const name of commands) {
      const { status, stdout, stderr } = await boxlite([name, '--help']);
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, new RegExp(`^boxlite ${name} `));
    }
  });

  it('does not know a command that there is none of', async () => {
    const { status, stdout, stderr } = await boxlite(['fly']);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /"fly"/);
    assert.match(stderr, /Try "boxlite --help"/);
  });

  it('does not know an option that there is none of', async () => {
    for (const name of ['doctor', 'kernel']) {
      const words = name === 'kernel' ? ['kernel', 'ls'] : [name];
      const { status, stderr } = await boxlite([...words, '--no-such-option']);
      assert.equal(status, 2);
      assert.match(stderr, /no-such-option/);
    }
    assert.equal((await boxlite(['kernel', 'burn'])).status, 2);
    assert.equal((await boxlite(['kernel', 'build', 'steam'])).status, 2);
  });

  it('does not know words that mean nothing to it, nor names of what every object has', async () => {
    for (const words of [
      ['constructor'],
      ['image', 'constructor'],
      ['doctor', 'now'],
      ['doctor', '--format', 'yaml'],
      ['images', 'alpine'],
      ['image', 'export', 'alpine', 'file', 'more'],
      ['image', 'prune', 'alpine'],
      ['kernel', 'ls', 'uml'],
      ['kernel', 'ls', '--format', 'yaml'],
      ['kernel', 'ls', '--source', 'linux.tar'],
    ]) {
      const { status, stderr } = await boxlite(words);
      assert.equal(status, 2, words.join(' '));
      assert.match(stderr, /^boxlite: .+\nTry "boxlite .*--help"\.\n$/, words.join(' '));
    }
  });

  it('says which folder is wrong when a variable is', async () => {
    const { status, stderr } = await boxlite(['kernel', 'ls'], {
      env: { BOXLITE_CACHE: 'relative' },
    });
    assert.equal(status, 125);
    assert.match(stderr, /^boxlite: BOXLITE_CACHE: expected an absolute path, got "relative"\n$/);
  });

  watchForLeaks(folders);
});

describe('boxlite doctor', () => {
  it('tells which engines work, on which kernels, and which one "auto" takes', async () => {
    const { status, stdout } = await boxlite(['doctor']);
    assert.equal(status, 0);
    for (const name of testedEngines) assert.match(stdout, new RegExp(`^${name} +works$`, 'm'));
    assert.match(stdout, /^ +kernel: \S+ \((own|distribution), /m);
    assert.match(stdout, /^"auto" takes (kvm|hvf|uml|tcg)\./m);
  });

  it('tells the same as JSON', async () => {
    const { status, stdout } = await boxlite(['doctor', '--format', 'json']);
    assert.equal(status, 0);
    const reports: Record<string, unknown>[] = JSON.parse(stdout);
    assert.deepEqual(
      reports.map(({ engine }) => engine),
      ['kvm', 'hvf', 'uml', 'tcg'],
    );
    for (const { usable, reason, kernel, tried } of reports) {
      assert.equal(usable, reason === null);
      assert.equal(usable, kernel !== null);
      assert.ok(Array.isArray(tried));
    }
  });

  it('ends with 1 where nothing works, and says why and what to do', async () => {
    const { status, stdout } = await boxlite(['doctor'], { env: { PATH: folders.temporary } });
    assert.equal(status, 1);
    assert.match(stdout, /^uml +does not work$/m);
    assert.match(stdout, /^ +why: Cannot find "bwrap".*install bubblewrap/m);
    assert.match(stdout, /^No engine works here\.$/m);
  });

  watchForLeaks(folders);
});

describe('boxlite kernel ls', () => {
  it('lists what there is, as a table and as JSON', async () => {
    const table = await boxlite(['kernel', 'ls']);
    const json = await boxlite(['kernel', 'ls', '--format', 'json']);
    assert.deepEqual([table.status, json.status], [0, 0]);
    const kernels: Record<string, unknown>[] = JSON.parse(json.stdout);
    assert.ok(kernels.length > 0);
    for (const { flavor, version, origin, path } of kernels) {
      assert.ok(flavor === 'uml' || flavor === 'vm');
      assert.ok(origin === 'own' || origin === 'distribution');
      assert.ok(table.stdout.includes(String(version)));
      assert.ok(table.stdout.includes(String(path)));
    }
  });

  watchForLeaks(folders);
});
