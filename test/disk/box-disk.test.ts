import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programPath } from '../../src/base/env.ts';
import { BoxDisks, DISK, type RunDiskTool } from '../../src/disk/box-disk.ts';
import { ext4Bytes, ext4Condition, SUPERBLOCK } from '../../src/disk/ext4-state.ts';
import { parseSparseTar } from '../../src/disk/sparse.ts';
import { runCommand } from '../../src/process/run.ts';
import { jailedDiskTools } from '../../src/runtime/disk-tools.ts';
import { Host } from '../../src/runtime/host.ts';
import { SecurityOptions } from '../../src/spec/security.ts';
import { eventually, eventuallyNone } from '../vm/polling.ts';
import { descendants, isAlive } from '../vm/processes.ts';

const scratch = mkdtempSync(join(tmpdir(), 'boxlite-disk-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const disks = () => new BoxDisks(join(scratch, 'cache'), runCommand);
/** What opening an old disk starts, in the jail of a box. */
function tools({
  path = programPath(),
  security = SecurityOptions.enabled(),
  signal,
}: {
  path?: string;
  security?: SecurityOptions;
  signal?: AbortSignal;
} = {}): RunDiskTool {
  const host = new Host({ cacheDir: scratch, path, run: runCommand });
  return jailedDiskTools(host, { security, boxId: 'box', signal });
}
const GIB = 1024 ** 3;

function check(path: string): string {
  return execFileSync('e2fsck', ['-f', '-n', path], { encoding: 'utf8', stdio: 'pipe' });
}

function superblockOf(path: string): Uint8Array {
  const superblock = new Uint8Array(SUPERBLOCK.bytes);
  const file = openSync(path, 'r');
  readSync(file, superblock, 0, superblock.length, SUPERBLOCK.offset);
  closeSync(file);
  return superblock;
}

describe('BoxDisks.create()', () => {
  it('makes an ext4 of the asked size that takes next to nothing', async () => {
    const path = join(scratch, 'made');
    await using _file = await disks().create({ path }, 10);
    const { size, blocks } = statSync(path);
    assert.equal(size, 10 * GIB);
    assert.ok(blocks * 512 < 1024 * 1024, `${blocks * 512} bytes`);
    check(path);
  });

  it("has the overlay's folders, which are root's", async () => {
    const path = join(scratch, 'folders');
    await using _file = await disks().create({ path }, 1);
    const listed = execFileSync('debugfs', ['-R', 'ls -p /', path], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    for (const name of ['upper', 'work']) {
      assert.match(listed, new RegExp(`^/\\d+/040755/0/0/${name}//$`, 'm'));
    }
  });

  it('makes an unnamed one that leaves nothing behind', async () => {
    const folder = join(scratch, 'unnamed');
    await using file = await disks().create({ unnamedIn: folder }, 1);
    assert.equal((await file.stat()).size, GIB);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('never takes the place of an existing disk', async () => {
    const path = join(scratch, 'twice');
    await using _file = await disks().create({ path }, 1);
    await assert.rejects(disks().create({ path }, 1), { kind: 'Storage' });
    check(path);
  });

  it('makes its template anew when a crash has cut it short', async () => {
    await (await disks().create({ unnamedIn: scratch }, 2)).close();
    const folder = join(scratch, 'cache/disks');
    const template = readdirSync(folder).find((name) => name.endsWith('-2.tar'));
    assert.ok(template !== undefined);
    await using file = await open(join(folder, template), 'r+');
    await file.truncate(2048);
    const path = join(scratch, 'after-crash');
    await using _disk = await disks().create({ path }, 2);
    check(path);
  });
});

describe('BoxDisks.reopen()', () => {
  it('says that there is none', async () => {
    assert.equal(await disks().reopen(join(scratch, 'nothing'), 1, tools()), null);
  });

  it('repairs a disk that was not unmounted in order', async () => {
    const path = join(scratch, 'broken');
    await (await disks().create({ path }, 1)).close();
    // Not clean, and the root directory's link count is wrong.
    execFileSync('debugfs', ['-w', '-R', 'set_inode_field <2> links_count 7', path], {
      stdio: 'pipe',
    });
    execFileSync('debugfs', ['-w', '-R', 'set_super_value state 0', path], { stdio: 'pipe' });
    assert.throws(() => check(path));
    await using _file = await disks().reopen(path, 1, tools());
    check(path);
  });

  it('grows one that is smaller than it should be, and leaves what is on it', async () => {
    const path = join(scratch, 'small');
    await (await disks().create({ path }, 1)).close();
    execFileSync('debugfs', ['-w', '-R', `write ${import.meta.filename} kept`, path], {
      stdio: 'pipe',
    });
    for (const size of [2, 20]) {
      await using file = await disks().reopen(path, size, tools());
      assert.equal((await file?.stat())?.size, size * GIB);
      assert.equal(ext4Bytes(superblockOf(path)), size * GIB);
    }
    check(path);
    const text = execFileSync('debugfs', ['-R', 'cat kept', path], { stdio: 'pipe' });
    assert.deepEqual(text, readFileSync(import.meta.filename));
    assert.ok(statSync(path).blocks * 512 < 8 * 1024 * 1024);
    // Who asks for less gets what there is.
    await using _file = await disks().reopen(path, 1, tools());
    assert.equal(ext4Bytes(superblockOf(path)), 20 * GIB);
  });

  it('grows one whose file has grown already, as when it was killed in the middle', async () => {
    const path = join(scratch, 'cut-short');
    await (await disks().create({ path }, 1)).close();
    truncateSync(path, 3 * GIB);
    execFileSync('debugfs', ['-w', '-R', 'set_super_value state 0', path], { stdio: 'pipe' });
    await using _file = await disks().reopen(path, 3, tools());
    assert.equal(ext4Bytes(superblockOf(path)), 3 * GIB);
    check(path);
  });

  it('refuses what is no disk any more', async () => {
    const path = join(scratch, 'zeros');
    await using file = await open(path, 'w');
    await file.truncate(1024 * 1024);
    await assert.rejects(disks().reopen(path, 1, tools()), { kind: 'Storage' });
  });
});

describe('what reads old disks', () => {
  /** Puts a stand-in for e2fsck first in a `PATH`: one that tells what it can reach, or another one. */
  function taken(program = 'taken-tool.c'): string {
    const folder = mkdtempSync(join('/var/tmp', 'boxlite-tools-'));
    after(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    const source = fileURLToPath(new URL(`programs/${program}`, import.meta.url));
    const flags = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-static'];
    execFileSync('gcc', [...flags, '-o', join(folder, 'e2fsck'), source]);
    return `${folder}:${programPath()}`;
  }

  async function reached(security: SecurityOptions): Promise<string> {
    const path = join(scratch, 'read');
    await using file = await open(path, 'w+');
    await file.truncate(4096);
    const run = tools({ path: taken(), security });
    const disk = { fd: file.fd, bytesMax: 8192 };
    const { stdout, code } = await run('e2fsck', ['-p', DISK], disk);
    assert.equal(code, 8);
    return stdout;
  }

  it('reaches its disk and nothing else, however it was fooled', async () => {
    process.env['BOXLITE_TEST_SECRET'] = 'do not tell';
    try {
      const said = await reached(SecurityOptions.enabled());
      // Behind the disk come libraries, which only root may change.
      assert.match(
        said,
        new RegExp(
          '^disk 0\nfile 2\nsocket 38\nprocess 38\nprocesses 2\nvariable 2\n' +
            'beyond 27\nmemory 12\ndescriptors 0 1 2 3 4( \\d+)*\n$',
        ),
      );
    } finally {
      delete process.env['BOXLITE_TEST_SECRET'];
    }
  });

  it('is as free as the box it is for', async () => {
    const said = await reached(
      SecurityOptions.builder().chrootEnabled(false).seccompEnabled(false).newPidNs(false).build(),
    );
    assert.match(said, /^disk 0\nfile 0\nsocket 0\nprocess 0\nprocesses [0-9]{2,}\nvariable 2\n/);
  });

  it('may be killed by what it reads, which is an error', async () => {
    const file = join(scratch, 'endless');
    await (await disks().create({ path: file }, 1)).close();
    execFileSync('debugfs', ['-w', '-R', 'set_super_value state 0', file], { stdio: 'pipe' });
    await assert.rejects(disks().reopen(file, 1, tools({ path: taken() })), {
      kind: 'Storage',
      message: /e2fsck says "descriptors 0 1 2 3 4[ \d]*"/,
    });
  });

  it('is ended with all it has started when nobody waits for it any more', async () => {
    const path = join(scratch, 'endless');
    writeFileSync(path, new Uint8Array(4096));
    const abort = new AbortController();
    const reason = new Error('enough');
    const run = tools({ path: taken('endless-tool.c'), signal: abort.signal });
    const reopening = disks().reopen(path, 1, run);
    const running = await eventually('e2fsck', () => {
      const found = descendants();
      return found.some(({ name }) => name === 'e2fsck') ? found : null;
    });
    abort.abort(reason);
    await assert.rejects(reopening, (error) => error === reason);
    await eventuallyNone('still run', () => running.filter(isAlive).map(({ name }) => name));
  });
});

describe('ext4Condition()', () => {
  it('tells an ext4 from noise', () => {
    assert.equal(ext4Condition(new Uint8Array(SUPERBLOCK.bytes)), 'unknown');
    assert.equal(ext4Condition(new Uint8Array(3)), 'unknown');
    assert.equal(ext4Bytes(new Uint8Array(SUPERBLOCK.bytes)), 0);
  });
});

describe('parseSparseTar()', () => {
  it('refuses what is no such archive', () => {
    for (const bytes of [0, 100, 512, 4096]) {
      assert.throws(() => parseSparseTar(new Uint8Array(bytes)), RangeError);
    }
  });
});
