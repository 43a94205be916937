/**
 * Everybody else's opinion: what `umoci unpack` makes of an image as root, what the kernel's driver
 * shows of ours, and what fsck.erofs says.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { debianLayer } from './support/debian-layer.ts';
import { comparable } from './support/host-tree.ts';
import { type TarMember, tar } from './support/tar-maker.ts';
import { mountMissing, readMounted, umociMissing, unpackBoth } from './support/umoci.ts';

const home = fs.mkdtempSync(join(tmpdir(), 'boxlite-umoci-'));
after(() => fs.rmSync(home, { recursive: true, force: true }));
const skip = umociMissing();

/** The trees are the same, by our reader and by the kernel's, and the image is sound. */
async function agree(name: string, layers: readonly Buffer[]): Promise<void> {
  const { ours, theirs, image, messages } = await unpackBoth(join(home, name), layers);
  assert.ok(ours !== null && theirs !== null, messages);
  same(comparable(ours), comparable(theirs));
  execFileSync('fsck.erofs', [image], { stdio: 'pipe' });
  if (mountMissing() === false) same(comparable(readMounted(image)), comparable(theirs));
  fs.rmSync(join(home, name), { recursive: true });
}

function same(ours: Record<string, unknown>, theirs: Record<string, unknown>): void {
  assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort());
  for (const path of Object.keys(theirs)) assert.deepEqual(ours[path], theirs[path], path);
}

/** An archive of a directory, made by GNU tar. */
function gnuTar(directory: string, ...options: readonly string[]): Buffer {
  const args = ['-C', directory, '--numeric-owner', ...options, '-cf', '-', '.'];
  return execFileSync('tar', args, { maxBuffer: 1 << 30 });
}

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
const acl = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000600ffffffff20000000ffffffff',
  'hex',
);

/** One of everything that images hold and that goes wrong. */
function nastyLayers(): Buffer[] {
  const lower: readonly TarMember[] = [
    { name: './', flag: '5', mode: 0o711, uid: 7, mtime: 1234 },
    { name: 'usr/', flag: '5' },
    { name: 'usr/lib/', flag: '5', mtime: 5 },
    { name: 'lib', flag: '2', linkName: 'usr/lib' },
    { name: 'abs', flag: '2', linkName: '/usr/lib/../lib' },
    { name: 'usr/lib/a', content: 'lower' },
    { name: 'usr/lib/b', flag: '1', linkName: 'lib/a' },
    { name: 'setuid', content: 'x', mode: 0o6755, uid: 1000, gid: 2000 },
    { name: 'sticky/', flag: '5', mode: 0o1777 },
    { name: 'dev/', flag: '5' },
    { name: 'dev/null', flag: '3', major: 1, minor: 3, mode: 0o666 },
    { name: 'dev/disk', flag: '4', major: 259, minor: 70_000, mode: 0o660, gid: 6 },
    { name: 'dev/pipe', flag: '6', mode: 0o600 },
    { name: 'old', content: '1901', pax: { mtime: '-2000000000.25' } },
    // Beyond 2262 umoci's count of nanoseconds overflows.
    { name: 'new', content: '2255', pax: { mtime: '9000000000.000000001' } },
    { name: 'owner', pax: { uid: '4294967294', gid: '100000' } },
    { name: 'cap', content: 'x', pax: { 'SCHILY.xattr.security.capability': capability } },
    {
      name: 'attributes/',
      flag: '5',
      pax: {
        'SCHILY.xattr.user.a': 'value',
        'SCHILY.xattr.user.empty': '',
        'SCHILY.xattr.trusted.t': Buffer.from([0, 1, 255, 10]),
        'SCHILY.xattr.security.selinux': 'not ours',
        'SCHILY.xattr.com.apple.quarantine': 'unknown',
      },
    },
    { name: 'acl', mode: 0o660, pax: { 'SCHILY.xattr.system.posix_acl_access': acl } },
    { name: 'long', flag: '2', pax: { linkpath: 't/'.repeat(2000) } },
    { name: Buffer.from([0x6e, 0xff, 0x0a, 0x22, 0x5c]), content: 'not UTF-8' },
    { name: 'x', content: 'y', pax: { path: `${'n'.repeat(255)}` } },
    { name: '././@LongLink', flag: 'L', content: `deep/${'d'.repeat(120)}/e\0` },
    { name: 'cut', content: 'gnu', magic: 'gnu' },
    {
      name: 'sparse',
      content: 'abc',
      pax: {
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.numblocks': '1',
        'GNU.sparse.size': '1000000',
        'GNU.sparse.map': '70000,3',
      },
    },
    { name: 'type/', flag: '5' },
    { name: 'type/inner', content: 'gone' },
    { name: 'type2', content: 'gone' },
    { name: 'opaque/', flag: '5' },
    { name: 'opaque/below', content: 'gone' },
    { name: 'twice', content: 'first' },
    { name: 'twice', content: 'second, longer' },
  ];
  const upper: readonly TarMember[] = [
    { name: 'lib/new', content: 'through a link' },
    { name: '/abs/absolute', content: 'through another' },
    { name: '../../escape', content: 'stays within' },
    { name: 'usr/../up', content: 'taken off first' },
    { name: 'linked', flag: '1', linkName: '/lib/a' },
    { name: 'usr/lib/a', content: 'upper' },
    { name: 'type', content: 'a file now' },
    { name: 'type2/', flag: '5' },
    { name: 'type2/inner', content: 'new' },
    { name: 'opaque/above', content: 'kept' },
    { name: 'opaque/.wh..wh..opq' },
    { name: '.wh.setuid' },
    { name: 'dev/.wh.missing' },
    { name: 'sticky/', flag: '5', mode: 0o700, uid: 5 },
  ];
  const top: readonly TarMember[] = [
    { name: 'type/', flag: '5', mtime: 9 },
    { name: 'lib', flag: '2', linkName: 'usr' },
    { name: 'lib/here', content: 'the link leads elsewhere now' },
    { name: '.wh.attributes' },
  ];
  // Every directory is described: the time of others is that of the unpacking, with umoci.
  const described = { name: `deep/${'d'.repeat(80)}`, flag: '5' };
  const deep = [
    { name: 'deep/', flag: '5' },
    { ...described, pax: { path: `deep/${'d'.repeat(120)}` } },
  ];
  return [tar(...deep, ...lower), tar(...upper), tar(...top)];
}

describe('an image is what umoci makes of the same layers', { skip }, () => {
  test('nasty', () => agree('nasty', nastyLayers()));

  test('busybox', async () => {
    const root = join(home, 'root');
    const busybox = fs.realpathSync('/bin/busybox');
    fs.mkdirSync(join(root, 'bin'), { recursive: true });
    fs.copyFileSync(busybox, join(root, 'bin/busybox'));
    const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
    for (const [i, applet] of applets.entries()) {
      const path = join(root, 'bin', applet);
      if (applet === 'busybox') continue;
      if (i % 2 === 0) fs.linkSync(join(root, 'bin/busybox'), path);
      else fs.symlinkSync('busybox', path);
    }
    await agree('busybox', [gnuTar(root, '--format=gnu')]);
    await agree('busybox', [gnuTar(root, '--format=ustar')]);
  });

  test('sparse files and long names, as GNU tar writes them', async () => {
    const root = join(home, 'sparse');
    fs.mkdirSync(join(root, 'd'.repeat(200), 'e'.repeat(200)), { recursive: true });
    fs.symlinkSync('t'.repeat(300), join(root, 'd'.repeat(200), 'link'));
    const file = fs.openSync(join(root, 'sparse'), 'w');
    for (const at of [0, 1 << 20, 5_000_000, 9_999_999]) fs.writeSync(file, 'data', at);
    fs.closeSync(file);
    for (const version of ['0.0', '0.1', '1.0']) {
      await agree('sparse-tar', [
        gnuTar(root, '--format=posix', '--sparse', `--sparse-version=${version}`),
      ]);
    }
    await agree('sparse-tar', [gnuTar(root, '--format=gnu')]);
  });

  test('Debian with Python', async () => {
    await agree('debian', [fs.readFileSync(debianLayer())]);
  });
});

describe('random layers', { skip }, () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc
    .tuple(
      fc.constantFrom('', '', '', '', './', '/', '../', 'a/../'),
      fc.array(name, { minLength: 1, maxLength: 3 }),
    )
    .map(([prefix, names]) => `${prefix}${names.join('/')}`);
  const target = fc.constantFrom('a', 'b', '../a', '/b', 'c/a', '.', '..', '/', '../../b', 'a/b/c');
  const hidden = path.map((each) => each.replace(/[^/]*$/, (last) => `.wh.${last}`));
  const opaque = path.map((each) => `${each}/.wh..wh..opq`);
  // Without set-group-id, which the directories that umoci makes on its way inherit.
  const mode = fc.nat(0o7777).map((bits) => bits & ~0o2000);
  const entry: fc.Arbitrary<TarMember> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ name: path, flag: fc.constant('5'), mode }),
    },
    { weight: 3, arbitrary: fc.record({ name: path, content: fc.string({ maxLength: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ name: path, flag: fc.constant('2'), linkName: target }) },
    { weight: 1, arbitrary: fc.record({ name: path, flag: fc.constant('1'), linkName: path }) },
    { weight: 1, arbitrary: fc.record({ name: path, flag: fc.constant('6') }) },
    { weight: 2, arbitrary: fc.record({ name: fc.oneof(hidden, opaque) }) },
  );
  const layers = fc.array(fc.array(entry, { maxLength: 5 }), { minLength: 1, maxLength: 3 });

  test('are taken or refused alike, and give the same tree', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(layers, async (each) => {
        const { ours, theirs, messages } = await unpackBoth(
          join(home, 'random'),
          each.map((members) => tar(...members)),
        );
        fs.rmSync(join(home, 'random'), { recursive: true });
        assert.equal(ours === null, theirs === null, messages);
        if (ours === null || theirs === null) return;
        taken += 1;
        // Directories no layer describes have the time of the unpacking with umoci, ours none.
        for (const [at, file] of theirs) {
          const own = ours.get(at);
          if (own?.type !== 'directory' || (own.seconds !== 0n && file.seconds < 1_700_000_000n))
            continue;
          for (const tree of [ours, theirs]) {
            tree.set(at, { ...(tree.get(at) ?? file), seconds: 0n, nanoseconds: 0 });
          }
        }
        same(comparable(ours), comparable(theirs));
      }),
      { numRuns: 120, seed: 8 },
    );
    assert.ok(taken > 30, `only ${taken} of 120 were images at all`);
  });
});
