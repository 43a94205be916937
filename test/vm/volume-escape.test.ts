/** Root in the box tries to leave a share, while names change on both sides: nothing outside is read, changed or made. */
import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { compileGuest } from './compile.ts';
import { forEachEngine, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

const SECRET = 'the secret outside of the share';
const ROUNDS = 3;
/** Each round is some hundreds of requests, under a load that it makes itself. */
const TRIES_MS = 120_000;

/** Has a directory of the share be a link out of it every other moment, until it is told to stop. */
async function race(share: string, signal: AbortSignal): Promise<number> {
  const at = (name: string) => join(share, name);
  let turns = 0;
  for (; !signal.aborted; turns++) {
    // The box takes the same names away.
    for (const step of [
      () => renameSync(at('d'), at('away')),
      () => symlinkSync('../outside', at('d')),
      () => symlinkSync('../outside', at('host')),
      () => null,
      () => unlinkSync(at('d')),
      () => renameSync(at('away'), at('d')),
      () => unlinkSync(at('host')),
      () => mkdirSync(at('host')),
      () => rmSync(at('host'), { recursive: true }),
      () => mkdirSync(at('d')),
    ]) {
      try {
        step();
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error, String(error));
      }
      await new Promise(setImmediate);
    }
  }
  return turns;
}

forEachEngine((engine) => {
  it('nothing outside of a share is reached from inside', async () => {
    await using owner = new TestRuntime(engine);
    const [share, outside, tools] = ['share', 'outside', 'tools'].map((name) =>
      join(owner.homeDir, name),
    );
    assert.ok(share !== undefined && outside !== undefined && tools !== undefined);
    for (const folder of [share, join(share, 'd'), outside, tools]) mkdirSync(folder);
    writeFileSync(join(outside, 'secret'), SECRET, { mode: 0o600 });
    compileGuest('ways-out', tools);
    await using box = await owner.makeBox({
      volumes: [
        { hostPath: share, guestPath: '/share' },
        { hostPath: tools, guestPath: '/tools', readOnly: true },
      ],
    });
    await box.start();
    const before = statSync(join(outside, 'secret'));
    const ended = new AbortController();
    const racing = race(share, ended.signal);
    await using execution = await box.run(['/tools/ways-out', '/share', String(ROUNDS)]);
    const ran = inTime('the tries', execution.output(), TRIES_MS);
    const { stdout, exitCode } = await ran.finally(() => ended.abort());
    assert.ok((await racing) > 0);
    assert.equal(stdout, 'tried\n');
    assert.equal(exitCode, 0);
    const after = lstatSync(join(outside, 'secret'));
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), SECRET);
    for (const field of ['ino', 'mode', 'uid', 'mtimeMs', 'ctimeMs', 'nlink'] as const) {
      assert.equal(after[field], before[field], field);
    }
    assert.deepEqual(readdirSync(outside), ['secret']);
    assert.ok(readdirSync(owner.homeDir).every((name) => !name.includes('planted')));
  });
});
