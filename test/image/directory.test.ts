import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { imageFromDirectory } from '../../src/image/directory.ts';
import { GETFATTR_COMMAND, parseGetfattr } from '../../src/image/getfattr.ts';
import { readErofs } from './support/erofs-reader.ts';
import { comparable, readHostTree } from './support/host-tree.ts';
import { removeXattr, setXattr } from './support/xattrs.ts';

const home = fs.mkdtempSync(join(tmpdir(), 'boxlite-directory-'));
after(() => fs.rmSync(home, { recursive: true, force: true }));

const top = join(home, 'top');
const image = join(home, 'image');
const notRoot = process.getuid?.() !== 0 && 'only root makes devices and gives files away';

function makeTree(): void {
  fs.mkdirSync(join(top, 'd/e'), { recursive: true });
  fs.writeFileSync(join(top, 'a'), 'hello');
  fs.linkSync(join(top, 'a'), join(top, 'd/b'));
  fs.symlinkSync('../a', join(top, 'd/s'));
  fs.linkSync(join(top, 'd/s'), join(top, 'd/e/s'));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0x0a])]), 'bytes');
  fs.writeFileSync(join(top, 'large'), Buffer.alloc(3_000_001, 'x'));
  fs.writeFileSync(join(top, 'setuid'), '');
  fs.chmodSync(join(top, 'setuid'), 0o6711);
  fs.chmodSync(join(top, 'd/e'), 0o1777);
  fs.truncateSync(join(top, 'large'), 5_000_000);
  execFileSync('mkfifo', [join(top, 'pipe')]);
  fs.utimesSync(join(top, 'a'), 0, -1.5);
  setXattr(join(top, 'large'), 'user.x=y', 'v\n');
  setXattr(top, 'user.top', '1');
}

/** What only root can make. */
function addDevicesAndOwners(): void {
  execFileSync('mknod', [join(top, 'null'), 'c', '1', '3']);
  execFileSync('mknod', [join(top, 'disk'), 'b', '259', '70000']);
  fs.chownSync(join(top, 'large'), 70_000, 12_345);
}

async function isKeptAsItIs(): Promise<void> {
  await imageFromDirectory(top, image, { xattrs: xattrs() });
  assert.deepEqual(comparable(readErofs(fs.readFileSync(image))), comparable(readHostTree(top)));
  execFileSync('fsck.erofs', [image], { stdio: 'pipe' });
}

function xattrs() {
  const [command = '', ...args] = GETFATTR_COMMAND;
  return parseGetfattr(execFileSync(command, args, { cwd: top }));
}

describe('imageFromDirectory()', () => {
  before(makeTree);

  test('keeps everything lstat(2) shows, links, and attributes it is given', isKeptAsItIs);

  test('keeps devices and owners', { skip: notRoot }, async () => {
    addDevicesAndOwners();
    await isKeptAsItIs();
  });

  test("takes a file's capabilities, and not what the host's security modules say", {
    skip: notRoot,
  }, () => {
    const file = join(top, 'd/b');
    // Version 2 of vfs_cap_data (linux/capability.h), with CAP_NET_RAW.
    setXattr(
      file,
      'security.capability',
      Buffer.from(`00000002${'00200000'}${'0'.repeat(24)}`, 'hex'),
    );
    setXattr(file, 'security.selinux', 'system_u:object_r:bin_t:s0');
    const names = xattrs()
      .get('d/b')
      ?.map(({ name }) => name);
    assert.deepEqual(names, ['security.capability']);
    for (const name of ['security.capability', 'security.selinux']) removeXattr(file, name);
  });

  test('gives the same bytes for the same directory', async () => {
    await imageFromDirectory(top, image);
    await imageFromDirectory(`${top}/`, `${image}2`);
    assert.ok(fs.readFileSync(image).equals(fs.readFileSync(`${image}2`)));
  });

  test('follows a link that leads to the directory, and no other', async () => {
    fs.symlinkSync('top', join(home, 'link'));
    await imageFromDirectory(join(home, 'link'), `${image}2`);
    await imageFromDirectory(top, image);
    assert.ok(fs.readFileSync(image).equals(fs.readFileSync(`${image}2`)));
  });

  test('replaces an image that is there', async () => {
    fs.writeFileSync(image, 'old');
    await imageFromDirectory(top, image);
    assert.ok(fs.statSync(image).size > 1000);
  });

  test('refuses what is no directory, and a destination inside', async () => {
    const refuses = (directory: string, destination: string, problem: RegExp) =>
      assert.rejects(
        imageFromDirectory(directory, destination),
        (error) => BoxliteError.is(error, 'InvalidArgument') && problem.test(error.message),
      );
    await refuses(join(top, 'a'), image, /expected a directory/);
    await refuses(join(top, 'no'), image, /expected a directory/);
    await refuses(top, join(top, 'd', 'image'), /inside itself/);
    await refuses(join(home, 'link'), join(top, 'image'), /inside itself/);
    assert.ok(!fs.readdirSync(top).some((name) => name.startsWith('image')));
  });

  test('ends when it is aborted, and leaves nothing', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(imageFromDirectory(top, `${image}3`, { signal }), /enough/);
    assert.deepEqual(
      fs.readdirSync(home).filter((name) => name.startsWith('image3')),
      [],
    );
  });

  test('says which file it cannot read', async () => {
    // Nobody can open a path of more than 4096 bytes, root included. It is made in two parts.
    const part = Array.from({ length: 11 }, () => 'n'.repeat(200)).join('/');
    fs.mkdirSync(join(top, part), { recursive: true });
    fs.mkdirSync(join(home, 'second', part), { recursive: true });
    fs.renameSync(join(home, 'second', 'n'.repeat(200)), join(top, part, 'n'.repeat(200)));
    await assert.rejects(
      imageFromDirectory(top, image),
      (error) => BoxliteError.is(error, 'Image') && /"nnn.*ENAMETOOLONG/.test(error.message),
    );
    execFileSync('rm', ['-rf', join(top, 'n'.repeat(200))]);
  });
});

describe('parseGetfattr()', () => {
  test('reads names and values with any bytes in them', () => {
    const dump = [
      '# file: .\nuser.top=0x31\n',
      '# file: a\\012b\\134\nuser.x\\075y=0x0a00\nuser.empty=0x\n',
      '# file: ./c\nuser.none\n',
      '',
    ].join('\n');
    assert.deepEqual(
      [...parseGetfattr(Buffer.from(dump))].map(([path, xattrs]) => [
        path,
        xattrs.map(({ name, value }) => `${name}=${Buffer.from(value).toString('hex')}`),
      ]),
      [
        ['', ['user.top=31']],
        ['a\nb\\', ['user.x=y=0a00', 'user.empty=']],
        ['c', ['user.none=']],
      ],
    );
  });

  test('refuses what getfattr does not print', () => {
    for (const dump of ['user.a=0x00', '# file: a\nuser.a="text"', '# file: a\n=0x00']) {
      assert.throws(
        () => parseGetfattr(Buffer.from(dump)),
        (error) => BoxliteError.is(error, 'Image'),
      );
    }
  });
});
