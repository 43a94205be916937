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
import { nastyLayers } from './support/nasty-layers.ts';
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
