import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));

describe('npm start', () => {
  const home = mkdtempSync(join(tmpdir(), 'boxlite-start-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  it('shows what a box prints, and commands to go on with that work', () => {
    const env = { ...process.env, BOXLITE_HOME: home };
    const run = (command: string, ...args: string[]) =>
      execFileSync(command, args, { cwd: top, env, encoding: 'utf8' });
    const said = run(process.execPath, join(top, 'scripts/start.ts'));
    assert.match(said, /Hello from inside a box/);
    const [, next = ''] = said.split('Next:\n');
    const commands = next.trimEnd().split('\n');
    assert.equal(commands.length, 2, said);
    const [hi = '', doctor = ''] = commands.map((command) => run('sh', '-c', command));
    assert.equal(hi, 'hi\n');
    assert.match(doctor, /"auto" takes/);
  });
});
