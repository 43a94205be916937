import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BoxLog, logFiles } from '../../src/runtime/box-log.ts';
import { readLog } from '../../src/runtime/log-reader.ts';

/** A folder that goes with the test. */
class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'boxlite-log-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function lines(folder: Folder, goesOn: (() => boolean) | null = null): Promise<string[]> {
  const found: string[] = [];
  for await (const { line } of readLog(folder.path, { goesOn })) found.push(line);
  return found;
}

describe('BoxLog', () => {
  it('keeps every line as it was, with its time and source', async () => {
    using folder = new Folder();
    const odd = ['', '"quoted"', '\\', '\u0000\u001b[0m', 'snow ☃', ' '.repeat(70_000)];
    {
      await using log = await BoxLog.open(folder.path, 'main');
      await Promise.all(odd.map((line) => log.append('stderr', line)));
    }
    assert.deepEqual(await lines(folder), odd);
    for await (const { time, source } of readLog(folder.path, { goesOn: null })) {
      assert.ok(Number.isFinite(time.getTime()));
      assert.equal(source, 'stderr');
    }
  });

  it('takes twice its bound at most, and keeps the newest lines', async () => {
    using folder = new Folder();
    {
      await using log = await BoxLog.open(folder.path, 'main', 1_000);
      for (let i = 0; i < 200; i++) await log.append('stdout', String(i));
    }
    const { current, older } = logFiles(folder.path, 'main');
    assert.ok(statSync(current).size <= 1_000);
    assert.ok(statSync(older).size <= 1_000);
    assert.equal(readdirSync(folder.path).length, 2);
    const kept = (await lines(folder)).map(Number);
    assert.equal(kept.at(-1), 199);
    assert.deepEqual(
      kept,
      [...kept.keys()].map((i) => i + 200 - kept.length),
    );
  });

  it('goes on behind half a line that a dead owner left', async () => {
    using folder = new Folder();
    appendFileSync(
      logFiles(folder.path, 'main').current,
      '{"time":"2026-01-01T00:00:00Z","source":"std',
    );
    {
      await using log = await BoxLog.open(folder.path, 'main');
      await log.append('stdout', 'whole');
    }
    assert.deepEqual(await lines(folder), ['whole']);
  });
});

describe('readLog()', () => {
  it('follows a log through its files being put aside', async () => {
    using folder = new Folder();
    await using log = await BoxLog.open(folder.path, 'main', 2_000);
    await log.append('stdout', '0');
    const found: string[] = [];
    // Never so far ahead of the reader that a file is overwritten which it has not read.
    for await (const { line } of readLog(folder.path, { goesOn: () => found.length < 101 })) {
      found.push(line);
      if (found.length <= 100) await log.append('stdout', String(found.length));
    }
    assert.deepEqual(found, [...new Array(101).keys()].map(String));
  });

  it('reads what is left of a log that was deleted meanwhile', async () => {
    using folder = new Folder();
    let log: BoxLog | null = await BoxLog.open(folder.path, 'main');
    await log.append('stdout', 'first');
    const found: string[] = [];
    for await (const { line } of readLog(folder.path, { goesOn: () => log !== null })) {
      found.push(line);
      if (line !== 'first') continue;
      await log?.append('stdout', 'last');
      await log?.[Symbol.asyncDispose]();
      log = null;
      rmSync(folder.path, { recursive: true });
    }
    assert.deepEqual(found, ['first', 'last']);
  });

  it('finds nothing where there is no log', async () => {
    using folder = new Folder();
    assert.deepEqual(await lines(folder), []);
  });
});
