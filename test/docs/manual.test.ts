/** The manual page is one that man(1) can show. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { commands } from '../../src/cli/command-table.ts';

const page = fileURLToPath(new URL('../../man/boxlite.1', import.meta.url));

it('has nothing in it that mandoc finds fault with', () => {
  const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', page], {
    encoding: 'utf8',
  });
  const found = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('mandoc:'));
  // It is made anew with each release, and has the version in place of a date.
  assert.deepEqual(
    found.filter((line) => !line.includes('missing date')),
    [],
  );
});

it('tells about every command, as its usage text does', () => {
  const shown = execFileSync('mandoc', ['-T', 'ascii', '-O', 'width=200', page], {
    encoding: 'utf8',
  });
  // Bold and underlined characters are struck over.
  const text = shown.replaceAll(/.[\b]/g, '');
  for (const { usage } of Object.values(commands)) {
    for (const line of usage.split('\n')) assert.ok(text.includes(line.trim()), line);
  }
});
