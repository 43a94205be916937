import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { usageWords } from '../../src/cli/usage.ts';
import { boxlite } from './program.ts';

/** What bash offers for the last of these words. */
function offered(script: string, words: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-completion-'));
  try {
    writeFileSync(join(folder, 'script'), script);
    const ask =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _boxlite; declare -p COMPREPLY';
    const args = ['--norc', '-c', ask, 'bash', join(folder, 'script'), ...words];
    const said = execFileSync('bash', args, { encoding: 'utf8' });
    return [...said.matchAll(/\]="([^"]*)"/g)].map(([, word = '']) => word);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a usage text tells the options and the commands of a command', () => {
  const text = `boxlite thing ls|rm [--] [-q] [--format table|json] NAME
boxlite thing add [-f] NAME

  -f, --force NAME  do it
      --long-one    do it slowly`;
  assert.deepEqual(usageWords(text), {
    actions: ['ls', 'rm', 'add'],
    options: [
      { names: ['-f', '--force'], help: 'do it' },
      { names: ['--long-one'], help: 'do it slowly' },
      { names: ['-q'], help: '' },
      { names: ['--format'], help: '' },
    ],
  });
});

test('bash completes commands, their commands and their options', async () => {
  const { stdout: script, status } = await boxlite(['completion', 'bash']);
  assert.equal(status, 0);
  assert.deepEqual(offered(script, ['boxlite', 'exe']), ['exec']);
  assert.deepEqual(offered(script, ['boxlite', 'run', '--pub']), ['--publish']);
  assert.deepEqual(offered(script, ['boxlite', 'image', 'pr']), ['prune']);
  assert.deepEqual(offered(script, ['boxlite', 'completion', 'z']), ['zsh']);
});

test('zsh and fish get the same commands with what they are for', async () => {
  const { stdout: zsh } = await boxlite(['completion', 'zsh']);
  const { stdout: fish } = await boxlite(['completion', 'fish']);
  assert.match(zsh, /'--publish:\[IP:\]\[HOST:\]PORT/);
  assert.match(fish, /from run' -s p -l publish -d '\[IP:\]\[HOST:\]PORT/);
  for (const script of [zsh, fish]) assert.match(script, /boot a box and run a command in it/);
  assert.doesNotMatch(fish, /-[ls] (?:-|$)/m);
});

test('a shell that there is no script for is an error of usage', async () => {
  assert.equal((await boxlite(['completion', 'tcsh'])).status, 2);
  assert.equal((await boxlite(['completion'])).status, 2);
});
