/** The host's half of a copy, without a box: what is read of one tree is written as another. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemCode } from '../../src/base/errors.ts';
import { type ArchiveRecord, DEPTH_MAX, encodeMark } from '../../src/box/files/archive.ts';
import { ArchiveReader } from '../../src/box/files/archive-reader.ts';
import { ArchiveWriter } from '../../src/box/files/archive-writer.ts';
import { HostDirectory } from '../../src/box/files/host-directory.ts';
import { HostReader } from '../../src/box/files/host-reader.ts';
import { HostWriter } from '../../src/box/files/host-writer.ts';

let scratch: string;
let from: string;
let to: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'boxlite-tree-'));
  from = join(scratch, 'from');
  to = join(scratch, 'to');
  mkdirSync(from);
  mkdirSync(to);
});

// Node cannot remove what is deeper than a path is long, nor an ordinary user what he may not look into.
afterEach(() => {
  execFileSync('find', [
    scratch,
    '-type',
    'd',
    '!',
    '-perm',
    '-u=rwx',
    '-exec',
    'chmod',
    'u+rwx',
    '{}',
    ';',
  ]);
  execFileSync('rm', ['-rf', scratch]);
});

/** Reads `from` into an archive of its contents. */
async function pack(options: { follow?: boolean } = {}): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const out = new ArchiveWriter(async (chunk) => void chunks.push(chunk));
  await using directory = await HostDirectory.open(from);
  await new HostReader(out, { follow: options.follow ?? false }).tree(directory, null);
  await out.put(encodeMark('end'));
  await out.finish();
  return Buffer.concat(chunks);
}

async function unpack(archive: Uint8Array, overwrite = true): Promise<void> {
  await using writer = new HostWriter(
    await HostDirectory.open(to),
    { overwrite, name: null },
    { current: '' },
  );
  const reader = new ArchiveReader();
  for (let at = 0; at < archive.length; at += 1000) {
    for (const record of reader.push(archive.subarray(at, at + 1000))) await writer.apply(record);
  }
  reader.finish();
}

async function copy(options: { follow?: boolean; overwrite?: boolean } = {}): Promise<void> {
  await unpack(await pack(options), options.overwrite ?? true);
}

function records(archive: Uint8Array): ArchiveRecord[] {
  return [...new ArchiveReader().push(archive)];
}

function code(expected: string) {
  return (error: unknown) => systemCode(error) === expected;
}

describe('a tree of the host', () => {
  it('is copied with its contents, modes and times', async () => {
    mkdirSync(join(from, 'dir/empty'), { recursive: true });
    writeFileSync(join(from, 'dir/file'), 'content');
    writeFileSync(join(from, 'none'), '');
    writeFileSync(join(from, 'large'), Buffer.alloc(700_000, 'abc'));
    chmodSync(join(from, 'dir/file'), 0o640);
    chmodSync(join(from, 'none'), 0o400);
    chmodSync(join(from, 'dir'), 0o500);
    utimesSync(join(from, 'dir/file'), 1, 1_234_567_890.125);
    utimesSync(join(from, 'dir'), 1, 987_654_321.5);
    utimesSync(join(from, 'none'), 1, -5.25);
    await copy();
    assert.equal(readFileSync(join(to, 'dir/file'), 'utf8'), 'content');
    assert.deepEqual(readFileSync(join(to, 'large')), readFileSync(join(from, 'large')));
    assert.equal(statSync(join(to, 'none')).size, 0);
    assert.deepEqual(readdirSync(join(to, 'dir/empty')), []);
    for (const name of ['dir', 'dir/empty', 'dir/file', 'none', 'large']) {
      const [was, is] = [statSync(join(from, name)), statSync(join(to, name))];
      assert.equal(is.mode, was.mode, name);
      assert.ok(Math.abs(is.mtimeMs - was.mtimeMs) < 0.002, name);
    }
    chmodSync(join(to, 'dir'), 0o700);
  });

  it('keeps symbolic links, also those that lead nowhere', async () => {
    symlinkSync('file', join(from, 'link'));
    symlinkSync('/does/not/exist', join(from, 'broken'));
    symlinkSync('loop', join(from, 'loop'));
    writeFileSync(join(from, 'file'), 'content');
    await copy();
    assert.equal(readlinkSync(join(to, 'link')), 'file');
    assert.equal(readlinkSync(join(to, 'broken')), '/does/not/exist');
    assert.equal(readlinkSync(join(to, 'loop')), 'loop');
  });

  it('has what links lead to in their place, if that is asked for', async () => {
    mkdirSync(join(scratch, 'elsewhere'));
    writeFileSync(join(scratch, 'elsewhere/file'), 'content');
    symlinkSync('../elsewhere', join(from, 'dir'));
    symlinkSync('../elsewhere/file', join(from, 'file'));
    await copy({ follow: true });
    assert.equal(readFileSync(join(to, 'dir/file'), 'utf8'), 'content');
    assert.ok(lstatSync(join(to, 'dir')).isDirectory());
    assert.ok(lstatSync(join(to, 'file')).isFile());
  });

  it('is not followed in circles, nor to nowhere', async () => {
    mkdirSync(join(from, 'dir'));
    symlinkSync('..', join(from, 'dir/up'));
    await assert.rejects(pack({ follow: true }), code('ELOOP'));
    rmSync(join(from, 'dir/up'));
    symlinkSync('nothing', join(from, 'dir/broken'));
    await assert.rejects(pack({ follow: true }), code('ENOENT'));
  });

  it('keeps hard links, within and across directories', async () => {
    mkdirSync(join(from, 'a/b'), { recursive: true });
    writeFileSync(join(from, 'a/first'), 'one');
    linkSync(join(from, 'a/first'), join(from, 'a/b/second'));
    linkSync(join(from, 'a/first'), join(from, 'third'));
    for (let round = 0; round < 2; round++) {
      await copy();
      const inodes = ['a/first', 'a/b/second', 'third'].map((name) => statSync(join(to, name)).ino);
      assert.equal(new Set(inodes).size, 1);
      assert.equal(statSync(join(to, 'third')).nlink, 3);
    }
  });

  it('keeps holes', async () => {
    const size = 64 * 1024 * 1024;
    execFileSync('truncate', ['-s', String(size), join(from, 'holes')]);
    execFileSync(
      'dd',
      ['if=/dev/zero', `of=${join(from, 'holes')}`, 'conv=notrunc', 'bs=1', 'count=1'],
      {
        stdio: 'ignore',
      },
    );
    const archive = await pack();
    assert.ok(archive.length < 200_000);
    await unpack(archive);
    const copied = statSync(join(to, 'holes'));
    assert.equal(copied.size, size);
    assert.ok(copied.blocks * 512 < 1024 * 1024);
  });

  it('may have names of any bytes', async () => {
    const names = ['new\nline', ' ', '-rf', '...', 'ünïcødé', 'n'.repeat(255)].map((name) =>
      Buffer.from(name),
    );
    names.push(Buffer.from([0xff, 0xfe, 0x01]));
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${from}/`), name]), name);
    await copy();
    const found = readdirSync(to, { encoding: 'buffer' });
    assert.deepEqual(found.sort(Buffer.compare), names.sort(Buffer.compare));
  });

  it('may be deeper than a path is long', async () => {
    const depth = 500;
    const name = Buffer.from('directory');
    const bottom = async (start: string, make: boolean) => {
      let at = await HostDirectory.open(start);
      for (let i = 0; i < depth; i++) {
        await using upper = at;
        if (make) mkdirSync(upper.at(name));
        at = await upper.enter(name);
      }
      return at;
    };
    const file = Buffer.from('file');
    {
      await using deepest = await bottom(from, true);
      writeFileSync(deepest.at(file), 'bottom');
    }
    await copy();
    await using copied = await bottom(to, false);
    assert.equal(readFileSync(copied.at(file), 'utf8'), 'bottom');
  });

  it('is refused beyond a depth that no descriptors are for', async () => {
    const name = Buffer.from('d');
    let at = await HostDirectory.open(from);
    for (let i = 0; i <= DEPTH_MAX; i++) {
      await using upper = at;
      mkdirSync(upper.at(name));
      at = await upper.enter(name);
    }
    await at[Symbol.asyncDispose]();
    await assert.rejects(pack(), code('ENAMETOOLONG'));
  });

  it('leaves sockets, FIFOs and devices out', async () => {
    execFileSync('mkfifo', [join(from, 'fifo')]);
    writeFileSync(join(from, 'file'), '');
    const names = records(await pack()).flatMap((record) =>
      'name' in record ? [String(record.name)] : [],
    );
    assert.deepEqual(names, ['file']);
  });

  it('replaces files and merges directories', async () => {
    mkdirSync(join(from, 'dir'));
    mkdirSync(join(to, 'dir'), { mode: 0o711 });
    writeFileSync(join(from, 'dir/file'), 'new');
    writeFileSync(join(to, 'dir/file'), 'old, and longer');
    writeFileSync(join(to, 'dir/other'), 'other');
    symlinkSync('/does/not/exist', join(to, 'link'));
    writeFileSync(join(from, 'link'), 'in its place');
    await copy();
    assert.equal(readFileSync(join(to, 'dir/file'), 'utf8'), 'new');
    assert.equal(readFileSync(join(to, 'dir/other'), 'utf8'), 'other');
    assert.equal(readFileSync(join(to, 'link'), 'utf8'), 'in its place');
    assert.equal(statSync(join(to, 'dir')).mode & 0o777, 0o711);
    assert.deepEqual(readdirSync(join(to, 'dir')).sort(), ['file', 'other']);
  });

  it('replaces nothing, if that is asked for', async () => {
    writeFileSync(join(from, 'file'), 'new');
    writeFileSync(join(to, 'file'), 'old');
    await assert.rejects(copy({ overwrite: false }), code('EEXIST'));
    assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'old');
    assert.deepEqual(readdirSync(to), ['file']);
  });

  it('never puts a directory in the place of a file, nor a file in that of a directory', async () => {
    mkdirSync(join(from, 'a'));
    writeFileSync(join(to, 'a'), 'file');
    await assert.rejects(copy(), code('ENOTDIR'));
    rmSync(join(from, 'a'), { recursive: true });
    rmSync(join(to, 'a'));
    writeFileSync(join(from, 'a'), 'file');
    mkdirSync(join(to, 'a'));
    await assert.rejects(copy(), code('EISDIR'));
    assert.deepEqual(readdirSync(to), ['a']);
  });
});
