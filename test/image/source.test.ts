import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as zlib from 'node:zlib';
import { BoxliteError, type BoxliteErrorKind } from '../../src/base/errors.ts';
import { convertLayers } from '../../src/image/convert.ts';
import { type ExportProgress, exportOciArchive } from '../../src/image/export.ts';
import type { LocalImage } from '../../src/image/local/local-image.ts';
import { openImageSource } from '../../src/image/source.ts';
import { readErofs } from './support/erofs-reader.ts';
import { type Layout, sha256, writeLayout } from './support/oci-layout.ts';
import { type TarMember, tar } from './support/tar-maker.ts';

const home = fs.mkdtempSync(join(tmpdir(), 'boxlite-source-'));
after(() => fs.rmSync(home, { recursive: true, force: true }));

const scratchDirectory = join(home, 'scratch', 'made');
const at = (name: string) => join(home, name);
const options = {
  platform: { os: 'linux', architecture: 'amd64', variant: null },
  scratchDirectory,
};
const lower = tar({ name: 'a', content: 'lower' }, { name: 'b', content: 'x'.repeat(100_000) });
const upper = tar({ name: 'a', content: 'upper!' });
let layout: Layout;

before(() => {
  layout = writeLayout(at('layout'), [lower, upper, upper], { Cmd: ['sh'] });
});

async function open(path: string): Promise<LocalImage> {
  const source = await openImageSource(path, options);
  assert.ok(source.kind === 'image', `${path} is an image`);
  return source.image;
}

/** The image is the one of `before()`, in every respect that its format keeps. */
async function holds(path: string): Promise<void> {
  await using image = await open(path);
  assert.deepEqual(image.document.config.cmd, ['sh']);
  assert.equal(image.layers.length, 3);
  await convertLayers(image.layers, at('disk'));
  const seen = readErofs(fs.readFileSync(at('disk')));
  assert.deepEqual([...seen.keys()].sort(), ['', 'a', 'b']);
  assert.equal(seen.get('a')?.size, 6);
  assert.equal(sha256(image.manifestBytes), image.manifestDigest);
  assert.equal(sha256(image.config), image.manifest.config.digest);
}

async function refuses(path: string, problem: RegExp, kind: BoxliteErrorKind = 'Image') {
  await assert.rejects(
    openImageSource(path, options),
    (error) => BoxliteError.is(error, kind) && problem.test(error.message),
  );
  if (fs.existsSync(scratchDirectory)) assert.deepEqual(fs.readdirSync(scratchDirectory), []);
}

function skopeo(from: string, to: string): void {
  execFileSync('skopeo', ['--insecure-policy', 'copy', from, to], { stdio: 'pipe' });
}

/** A layout with an index of its own making. */
function layoutWith(name: string, change: (path: string, layout: Layout) => void): string {
  fs.rmSync(at(name), { recursive: true, force: true });
  change(at(name), writeLayout(at(name), [lower, upper, upper], { Cmd: ['sh'] }));
  return at(name);
}

function rewriteIndex(path: string, manifests: readonly object[]): void {
  fs.writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

describe('openImageSource()', () => {
  test('takes a directory without the marks of a layout for a root file system', async () => {
    fs.mkdirSync(at('root'));
    assert.deepEqual(await openImageSource(at('root'), options), {
      kind: 'directory',
      path: at('root'),
    });
  });

  test('opens an OCI layout, and keeps its manifest', async () => {
    await holds(layout.directory);
    await using image = await open(layout.directory);
    assert.equal(image.manifestDigest, layout.manifest.digest);
  });

  test('opens archives that skopeo writes, for OCI and for Docker', async () => {
    skopeo(`oci:${layout.directory}:test`, `oci-archive:${at('oci.tar')}:test`);
    await holds(at('oci.tar'));
    skopeo(`oci:${layout.directory}:test`, `docker-archive:${at('docker.tar')}:test:latest`);
    await holds(at('docker.tar'));
  });

  test('opens archives packed with gzip or zstd, and leaves nothing of them', async () => {
    for (const name of ['oci.tar', 'docker.tar']) {
      fs.writeFileSync(at('packed'), zlib.gzipSync(fs.readFileSync(at(name))));
      await holds(at('packed'));
      fs.writeFileSync(at('packed'), zlib.zstdCompressSync(fs.readFileSync(at(name))));
      await holds(at('packed'));
    }
    assert.deepEqual(fs.readdirSync(scratchDirectory), []);
  });

  test('finds layers that old versions of Docker wrote once and linked to', async () => {
    const config = fs.readFileSync(
      join(layout.directory, 'blobs', layout.config.digest.replace(':', '/')),
    );
    const manifest = [
      {
        Config: 'c.json',
        RepoTags: ['t:1'],
        Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'],
      },
    ];
    const members: TarMember[] = [
      { name: '1/', flag: '5' },
      { name: '1/layer.tar', content: lower },
      { name: '2/layer.tar', content: zlib.gzipSync(upper) },
      { name: '3/layer.tar', flag: '2', linkName: '../2/layer.tar' },
      { name: './c.json', content: config },
      { name: 'manifest.json', content: JSON.stringify(manifest) },
    ];
    fs.writeFileSync(at('old.tar'), tar(...members));
    await holds(at('old.tar'));
    await using image = await open(at('old.tar'));
    assert.deepEqual(
      image.manifest.layers.map(({ mediaType, digest }) => [mediaType.split('.').at(-1), digest]),
      [
        ['tar', sha256(lower)],
        ['tar+gzip', sha256(zlib.gzipSync(upper))],
        ['tar+gzip', sha256(zlib.gzipSync(upper))],
      ],
    );
  });

  test('goes through an index to the image of the platform', async () => {
    const path = layoutWith('nested', (directory, { manifest }) => {
      const inner = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          manifests: [
            {
              ...manifest,
              digest: sha256(lower),
              platform: { os: 'linux', architecture: 'arm64' },
            },
            { ...manifest, platform: { os: 'linux', architecture: 'amd64' } },
          ],
        }),
      );
      const digest = sha256(inner);
      fs.writeFileSync(join(directory, 'blobs', digest.replace(':', '/')), inner);
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      rewriteIndex(directory, [{ mediaType, digest, size: inner.length }]);
    });
    await holds(path);
  });

  test('reads a layer from any place on, for stores that continue', async () => {
    await using image = await open(layout.directory);
    const [layer] = layout.layers;
    assert.ok(layer !== undefined);
    const chunks: Uint8Array[] = [];
    for await (const chunk of image.read(layer.digest, 10)) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(layer.packed.subarray(10)));
  });
});

describe('openImageSource() refuses', () => {
  test('what is not there, and what is no file', async () => {
    await refuses(at('missing'), /ENOENT/, 'NotFound');
    execFileSync('mkfifo', [at('fifo')]);
    await refuses(at('fifo'), /expected a regular file/);
  });

  test('files that are no archives, and archives that are no images', async () => {
    fs.writeFileSync(at('text'), '<html>'.repeat(1000));
    await refuses(at('text'), /wrong checksum/);
    fs.writeFileSync(at('root.tar'), lower);
    await refuses(at('root.tar'), /docker save.*unpack an archive of a root file system first/);
    fs.writeFileSync(at('packed-text'), zlib.gzipSync('<html>'.repeat(1000)));
    await refuses(at('packed-text'), /wrong checksum/);
    fs.writeFileSync(at('half'), zlib.gzipSync(lower).subarray(0, 200));
    await refuses(at('half'), /unexpected end/);
    fs.writeFileSync(at('cut.tar'), lower.subarray(0, 50_000));
    await refuses(at('cut.tar'), /cut off/);
  });

  test('layouts that lack a part, or have another', async () => {
    const blob = (directory: string, digest: string) =>
      join(directory, 'blobs', digest.replace(':', '/'));
    const config = layoutWith('no-config', (path, { config }) =>
      fs.rmSync(blob(path, config.digest)),
    );
    await refuses(config, /lacks sha256/);
    const layer = layoutWith('no-layer', (path, { layers }) =>
      fs.rmSync(blob(path, layers[0]?.digest ?? '')),
    );
    await refuses(layer, /lacks sha256/);
    const longer = layoutWith('longer', (path, { layers }) =>
      fs.appendFileSync(blob(path, layers[0]?.digest ?? ''), 'x'),
    );
    await refuses(longer, /bytes, expected/);
    const changed = layoutWith('changed', (path, { manifest, config }) => {
      const text = fs.readFileSync(blob(path, manifest.digest), 'utf8');
      fs.writeFileSync(blob(path, manifest.digest), text.replace(config.digest, sha256(lower)));
    });
    await refuses(changed, /has another digest/);
    const index = layoutWith('no-index', (path) => fs.rmSync(join(path, 'index.json')));
    await refuses(index, /has no "index.json"/);
  });

  test('layouts of several images, of none, and for other machines', async () => {
    const several = layoutWith('several', (path, { manifest }) =>
      rewriteIndex(path, [manifest, { ...manifest, digest: sha256(lower) }]),
    );
    await refuses(several, /holds 2 images/);
    await refuses(
      layoutWith('none', (path) => rewriteIndex(path, [])),
      /there is: nothing/,
    );
    const other = layoutWith('other', (path, { manifest }) =>
      rewriteIndex(path, [{ ...manifest, platform: { os: 'linux', architecture: 's390x' } }]),
    );
    await refuses(other, /linux\/s390x/);
    await assert.rejects(
      openImageSource(layout.directory, {
        ...options,
        platform: { os: 'linux', architecture: 'arm64', variant: null },
      }),
      (error) => BoxliteError.is(error, 'Image') && error.message.includes('linux/amd64'),
    );
  });

  test('an index that leads to itself', async () => {
    // A digest cannot name its own content, so the deepest chain is what counts.
    const path = layoutWith('deep', (directory, { manifest }) => {
      let entry: object = manifest;
      for (let depth = 0; depth < 6; depth++) {
        const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
        const digest = sha256(bytes);
        fs.writeFileSync(join(directory, 'blobs', digest.replace(':', '/')), bytes);
        entry = {
          mediaType: 'application/vnd.oci.image.index.v1+json',
          digest,
          size: bytes.length,
        };
      }
      rewriteIndex(directory, [entry]);
    });
    await refuses(path, /nested more than/);
  });

  test('a broken manifest.json, also with names that lead out', async () => {
    const broken: [unknown, RegExp][] = [
      ['{', /not a list/],
      [[], /lists no image/],
      [[{ Config: 'c', Layers: [] }], /lacks "c"/],
      [[{ Config: '../../../etc/passwd', Layers: [] }], /lacks "..\/..\/..\/etc\/passwd"/],
      [[{ Layers: [] }], /names no configuration/],
      [[{ Config: 'c', Layers: [1] }], /layers that are no names/],
      [
        [
          { Config: 'c', Layers: [] },
          { Config: 'd', Layers: [] },
        ],
        /holds 2 images/,
      ],
      [[{ Config: 'loop', Layers: [] }], /lacks "loop"/],
    ];
    for (const [manifest, problem] of broken) {
      const content = JSON.stringify(manifest);
      fs.writeFileSync(
        at('broken.tar'),
        tar({ name: 'manifest.json', content }, { name: 'loop', flag: '2', linkName: 'loop' }),
      );
      await refuses(at('broken.tar'), problem);
    }
  });

  test('a layer that is not what its digest says, when it is read', async () => {
    const path = layoutWith('damaged', (directory, { layers }) => {
      const file = join(directory, 'blobs', layers[0]?.digest.replace(':', '/') ?? '');
      const bytes = fs.readFileSync(file);
      // The time in the header of the gzip stream: the content stays the same.
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      fs.writeFileSync(file, bytes);
    });
    await using image = await open(path);
    await assert.rejects(
      convertLayers(image.layers, at('disk')),
      (error) => BoxliteError.is(error, 'Image') && /its content is sha256/.test(error.message),
    );
  });
});

describe('exportOciArchive()', () => {
  const reference = 'example.com:5000/team/app:1.2';
  const read = (directory: string) =>
    async function* ({ digest }: { digest: string }) {
      yield fs.readFileSync(join(directory, 'blobs', digest.replace(':', '/')));
    };
  const exportable = () => ({
    reference,
    manifest: fs.readFileSync(
      join(layout.directory, 'blobs', layout.manifest.digest.replace(':', '/')),
    ),
    read: read(layout.directory),
  });

  test('writes an archive that it reads again, always the same', async () => {
    const reports: ExportProgress[] = [];
    await exportOciArchive(exportable(), at('export.tar'), {
      onProgress: (each) => reports.push(each),
    });
    await holds(at('export.tar'));
    await using image = await open(at('export.tar'));
    assert.equal(image.manifestDigest, layout.manifest.digest);
    const last = reports.at(-1);
    assert.ok(last !== undefined && last.bytes === last.totalBytes && last.bytes > 0);
    await exportOciArchive(exportable(), at('again.tar'));
    assert.ok(fs.readFileSync(at('export.tar')).equals(fs.readFileSync(at('again.tar'))));
  });

  test('writes what GNU tar and skopeo take, as OCI archive and as Docker archive', async () => {
    await exportOciArchive(exportable(), at('export.tar'));
    const listing = execFileSync('tar', ['-tvf', at('export.tar')], { encoding: 'utf8' });
    assert.match(listing, /^-rw-r--r-- 0\/0 .* oci-layout$/m);
    skopeo(`oci-archive:${at('export.tar')}:1.2`, `oci:${at('back')}:test`);
    await holds(at('back'));
    skopeo(`docker-archive:${at('export.tar')}:${reference}`, `oci:${at('back2')}:test`);
    await holds(at('back2'));
  });

  test('refuses damaged content, and leaves nothing', async () => {
    const damaged = async function* () {
      yield Buffer.from('x');
    };
    await assert.rejects(
      exportOciArchive({ ...exportable(), read: damaged }, at('bad.tar')),
      (error) => BoxliteError.is(error, 'Image') && error.message.includes('damaged'),
    );
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(exportOciArchive(exportable(), at('bad.tar'), { signal }), /enough/);
    assert.deepEqual(
      fs.readdirSync(home).filter((name) => name.startsWith('bad')),
      [],
    );
  });
});
