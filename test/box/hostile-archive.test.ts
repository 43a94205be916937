/** What a box could send in place of a tree: nothing of it may touch the host outside of the target. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxliteError, systemCode } from '../../src/base/errors.ts';
import {
  type ArchiveEntry,
  type ArchiveRecord,
  encodeEntry,
  encodeMark,
} from '../../src/box/files/archive.ts';
import { HostDirectory } from '../../src/box/files/host-directory.ts';
import { HostWriter } from '../../src/box/files/host-writer.ts';
import { hostileBox } from './hostile-box.ts';

let scratch: string;
let target: string;
let secret: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'boxlite-hostile-'));
  target = join(scratch, 'target');
  secret = join(scratch, 'secret');
  mkdirSync(target);
  mkdirSync(secret);
  writeFileSync(join(secret, 'key'), 'untouched');
});

afterEach(() => {
  assert.deepEqual(readdirSync(secret), ['key']);
  assert.equal(readFileSync(join(secret, 'key'), 'utf8'), 'untouched');
  assert.equal(statSync(join(secret, 'key')).mode & 0o777, 0o644);
  assert.equal(statSync(join(secret, 'key')).nlink, 1);
  assert.deepEqual(readdirSync(scratch).sort(), ['secret', 'target']);
  rmSync(scratch, { recursive: true, force: true });
});

function entry(
  kind: ArchiveEntry['kind'],
  name: string,
  given: Partial<ArchiveEntry> = {},
): ArchiveEntry {
  return {
    kind,
    mode: 0o777,
    link: 0,
    seconds: 0,
    nanoseconds: 0,
    name: Buffer.from(name),
    target: Buffer.alloc(0),
    ...given,
  };
}

const up = { kind: 'up' } as const;
const end = { kind: 'end' } as const;
const content: ArchiveRecord = { kind: 'bytes', bytes: Buffer.from('from the box') };
const linkTo = (name: string, path: string) =>
  entry('symlink', name, { target: Buffer.from(path) });

/** Applies records as if they had come as they are. */
async function apply(records: readonly ArchiveRecord[], name: Buffer | null = null): Promise<void> {
  const directory = await HostDirectory.open(target);
  await using writer = new HostWriter(directory, { overwrite: true, name }, { current: '' });
  for (const record of records) await writer.apply(record);
}

const code = (expected: string) => (error: unknown) => systemCode(error) === expected;

describe('an archive of a hostile box', () => {
  it('cannot enter a directory by a link it has made', async () => {
    const records = [
      linkTo('out', secret),
      entry('directory', 'out'),
      entry('file', 'key'),
      content,
      up,
      end,
    ];
    await assert.rejects(apply(records), code('ENOTDIR'));
  });

  it('cannot enter a directory by a link that was there', async () => {
    symlinkSync(secret, join(target, 'out'));
    const records = [entry('directory', 'out'), entry('file', 'key'), content, up, end];
    await assert.rejects(apply(records), code('ENOTDIR'));
  });

  it('cannot write through a link, only replace it', async () => {
    await apply([linkTo('key', join(secret, 'key')), entry('file', 'key'), content, end]);
    assert.ok(lstatSync(join(target, 'key')).isFile());
    assert.equal(readFileSync(join(target, 'key'), 'utf8'), 'from the box');
  });

  it('cannot change the mode or time of what a link leads to', async () => {
    const before = statSync(join(secret, 'key'));
    await apply([linkTo('key', join(secret, 'key')), end]);
    const after = statSync(join(secret, 'key'));
    assert.deepEqual([after.mode, after.mtimeMs], [before.mode, before.mtimeMs]);
  });

  it('cannot give a file outside a name in the target', async () => {
    const records = [
      entry('directory', 'd'),
      entry('file', 'key', { link: 1 }),
      content,
      up,
      // The way to the first name leads elsewhere by now.
      linkTo('moved', secret),
      entry('link', 'again', { link: 1 }),
      end,
    ];
    await apply(records);
    assert.equal(readFileSync(join(target, 'again'), 'utf8'), 'from the box');
    rmSync(join(target, 'd'), { recursive: true });
    const replaced = [
      entry('file', 'key', { link: 1 }),
      content,
      linkTo('key', join(secret, 'key')),
      entry('link', 'x', { link: 1 }),
      end,
    ];
    await apply(replaced);
    assert.ok(lstatSync(join(target, 'x')).isSymbolicLink());
  });

  it('cannot make set-id files, nor keep the owner out of a directory while it is filled', async () => {
    await apply([
      entry('file', 'suid', { mode: 0o7755 }),
      entry('directory', 'closed', { mode: 0o7000 }),
      entry('file', 'inside'),
      up,
      end,
    ]);
    assert.equal(statSync(join(target, 'suid')).mode & 0o7777, 0o755);
    assert.equal(statSync(join(target, 'closed')).mode & 0o7777, 0);
    // An ordinary user could not remove it.
    chmodSync(join(target, 'closed'), 0o700);
  });

  it('cannot send more than the one file that was asked for', async () => {
    const records = [entry('file', 'a'), entry('file', 'b'), end];
    await assert.rejects(apply(records, Buffer.from('wanted')), (error) =>
      BoxliteError.is(error, 'Portal'),
    );
    assert.deepEqual(readdirSync(target), ['wanted']);
  });

  it('cannot choose the name of the one file that was asked for', async () => {
    await apply([entry('file', '.bashrc'), content, end], Buffer.from('wanted'));
    assert.deepEqual(readdirSync(target), ['wanted']);
  });

  it('may name times that no file system has', async () => {
    await apply([
      entry('file', 'f', { seconds: 2 ** 63 }),
      linkTo('l', 'x'),
      entry('directory', 'd', { seconds: -(2 ** 63) }),
      up,
      end,
    ]);
    assert.deepEqual(readdirSync(target).sort(), ['d', 'f', 'l']);
  });

  it('leaves no half of a file when it breaks off', async () => {
    await apply([entry('file', 'a'), content]);
    await apply([entry('directory', 'd'), entry('file', 'b'), content]);
    assert.deepEqual(readdirSync(target), ['d']);
    assert.deepEqual(readdirSync(join(target, 'd')), []);
  });

  it('leaves the file that was there as it was when it breaks off', async () => {
    writeFileSync(join(target, 'a'), 'old');
    await apply([entry('file', 'a'), content]);
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'old');
  });

  it('stays in the target whatever it says', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const to = fc.constantFrom(
      '..',
      '../secret',
      '../secret/key',
      '/',
      '/tmp',
      '.',
      'a',
      'b/../..',
      'c',
    );
    const record: fc.Arbitrary<ArchiveRecord> = fc.oneof(
      name.map((name) => entry('file', name)),
      name.map((name) => entry('directory', name)),
      fc.tuple(name, to).map(([name, path]) => linkTo(name, path)),
      fc.constant(up),
      fc.constant(content),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 12 }), async (records) => {
        let depth = 0;
        let inFile = false;
        // Only what the reader would let through.
        const sound = records.filter(({ kind }) => {
          if (kind === 'bytes') return inFile;
          inFile = kind === 'file';
          if (kind === 'up') return depth > 0 && depth-- > 0;
          if (kind === 'directory') depth++;
          return true;
        });
        await apply(sound).catch((error: unknown) =>
          assert.ok(systemCode(error) !== null, String(error)),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('copyOut() from a hostile box', () => {
  const good = (...records: Buffer[]) => Buffer.concat([...records, encodeMark('end')]);
  const file = encodeEntry(entry('file', 'key'));

  async function refused(archive: Buffer, kind: 'Portal' | 'Storage' = 'Portal'): Promise<void> {
    const box = hostileBox(archive);
    await assert.rejects(box.copyOut('/file', join(target, 'copy')), (error) =>
      BoxliteError.is(error, kind),
    );
    assert.equal(existsSync(join(target, 'copy')), false);
  }

  it('copies what a good one sends', async () => {
    await hostileBox(good(file)).copyOut('/file', join(target, 'copy'));
    assert.deepEqual(readdirSync(target), ['copy']);
  });

  it('refuses names that lead elsewhere', async () => {
    for (const name of ['..', '.', '../secret/key', '/etc/passwd', 'a/b', '', 'a\0']) {
      await refused(good(encodeEntry(entry('file', name))));
    }
  });

  it('refuses an archive that is cut off, at every byte', async () => {
    const archive = good(file);
    for (let size = 0; size < archive.length; size++) {
      await refused(archive.subarray(0, size));
    }
  });

  it('refuses what comes after the end', async () => {
    const box = hostileBox(Buffer.concat([good(file), file]));
    await assert.rejects(box.copyOut('/file', join(target, 'copy')), (error) =>
      BoxliteError.is(error, 'Portal'),
    );
  });

  it('refuses noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 100 }), (noise) =>
        refused(Buffer.from([...noise, 0xff, 0xff, 0xff, 0xff, 0xff])),
      ),
      { numRuns: 50 },
    );
  });
});
