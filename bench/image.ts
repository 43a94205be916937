/**
 * What an image costs on its way to a disk: from gzip layers in the store, and from a registry on the
 * loopback interface. The image is a Debian with Python of about 150 MB; `umoci` and `skopeo` have
 * their turns between ours.
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';
import { convertLayers } from '../src/image/convert.ts';
import { boxPlatform } from '../src/image/platform.ts';
import { pullImage } from '../src/image/pull.ts';
import { openImageSource } from '../src/image/source.ts';
import { BoxliteRuntime } from '../src/index.ts';
import { ImageRegistry } from '../src/spec/image-registry.ts';
import { TestStore } from '../test/image/pull-fixture.ts';
import { TestRegistry } from '../test/image/registry-fixture.ts';
import { debianLayer } from '../test/image/support/debian-layer.ts';
import { writeLayout } from '../test/image/support/oci-layout.ts';
import { umociMissing } from '../test/image/support/umoci.ts';
import { measureInChild } from './child.ts';
import { atMost, type Figure, figure } from './figure.ts';
import type { ConversionMemory } from './image-memory-child.ts';
import { median } from './stats.ts';
import { renderTable } from './table.ts';

const RUNS = 5;
/** The first of them makes what the others find. */
const BOXES = 21;
const MIB = 1024 * 1024;
/** What docker and buildkit pack layers with. */
const GZIP_LEVEL = 6;
/** So many copies of the layer are an image of 1 GB. */
const COPIES = 7;
const PLATFORM = boxPlatform('x64');

/** The figures of images, as rows. @throws Error if umoci, skopeo or docker-registry is missing */
export async function imageBench(): Promise<Figure[]> {
  const missing = umociMissing();
  if (missing !== false) throw new Error(`there is nothing to compare with: ${missing}`);
  const home = await mkdtemp(join(tmpdir(), 'boxlite-bench-image-'));
  try {
    const layout = join(home, 'layout');
    writeLayout(layout, [await readFile(debianLayer())], {}, GZIP_LEVEL);
    return [
      await fromStore(home, layout),
      await fromRegistry(home, layout),
      await diskWork(home, layout),
      await memory(home),
    ];
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function fromStore(home: string, layout: string): Promise<Figure> {
  const [ours, theirs] = await inTurns(
    () => layoutToDisk(layout, join(home, 'disk')),
    () => umociUnpack(layout, join(home, 'bundle')),
    () => clear(home, ['disk', 'bundle']),
  );
  return figure('', {
    name: 'layers in the store to a disk',
    unit: 'ms',
    samples: ours,
    baseline: { name: 'umoci unpack', value: median(theirs) },
    target: atMost(0.8, 'ratio'),
    note: 'both from one gzip layer; the disk is on the medium when ours ends',
  });
}

async function fromRegistry(home: string, layout: string): Promise<Figure> {
  await using registry = await TestRegistry.start();
  const reference = `${registry.host}/debian:python`;
  skopeo(`oci:${layout}:test`, `docker://${reference}`);
  const [ours, theirs] = await inTurns(
    () => pullToDisk(registry, reference, join(home, 'disk')),
    async () => {
      skopeo(`docker://${reference}`, `oci:${join(home, 'copy')}:test`);
      await umociUnpack(join(home, 'copy'), join(home, 'bundle'));
    },
    () => clear(home, ['disk', 'bundle', 'copy']),
  );
  return figure('', {
    name: 'a registry on loopback to a disk',
    unit: 'ms',
    samples: ours,
    baseline: { name: 'skopeo copy, umoci unpack', value: median(theirs) },
    target: atMost(1, 'ratio'),
  });
}

/** Of the image that is here already, what a box has before its VMM starts: it is found, and a disk is made. */
async function diskWork(home: string, layout: string): Promise<Figure> {
  await using runtime = new BoxliteRuntime({ homeDir: join(home, 'boxes') });
  const { reference } = await runtime.images.import(layout, { reference: 'debian:python' });
  const samples: number[] = [];
  let engine: string | null = null;
  for (let i = 0; i < BOXES; i++) {
    // Kept when it stops, so that its disk has a name.
    const box = await runtime.create({ rootfs: reference, autoRemove: false });
    await box.start();
    const { stageImagePrepareMs, stageBoxConfigMs } = await box.metrics();
    engine = box.info().engine;
    await box.stop();
    await runtime.remove(box.id);
    if (i > 0) samples.push((stageImagePrepareMs ?? 0) + (stageBoxConfigMs ?? 0));
  }
  return figure(engine ?? '', {
    name: 'disk work of a box, image cached',
    unit: 'ms',
    samples,
    target: atMost(10),
    note: 'from the metrics of the boxes: finding the image, and making the disk of 10 GiB',
  });
}

async function memory(home: string): Promise<Figure> {
  const layers: string[] = [];
  for (let i = 0; i < COPIES; i++) {
    const layer = debianLayer(`copy${i}`);
    const packed = join(home, `${i}.tar.gz`);
    await pipeline(createReadStream(layer), createGzip({ level: 1 }), createWriteStream(packed));
    await rm(layer);
    layers.push(packed);
  }
  const args = [join(home, 'disk'), ...layers];
  const { idle, peak } = await measureInChild<ConversionMemory>('image-memory-child.ts', args);
  return figure('', {
    name: 'memory growth, converting 1 GB',
    unit: 'MiB',
    samples: [(peak - idle) / MIB],
    target: atMost(150),
    note: `idle ${(idle / MIB).toFixed(0)} MiB, highest resident set of the whole process`,
  });
}

/** Times of both in ms, taken alternately, so that what else the machine does meets both. */
async function inTurns(
  ours: () => Promise<void>,
  theirs: () => Promise<void>,
  between: () => Promise<void>,
): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (let run = 0; run < 2 * RUNS; run++) {
    const started = performance.now();
    await (run % 2 === 0 ? ours() : theirs());
    times[run % 2]?.push(performance.now() - started);
    await between();
  }
  return times;
}

async function layoutToDisk(layout: string, disk: string): Promise<void> {
  const source = await openImageSource(layout, { platform: PLATFORM, scratchDirectory: tmpdir() });
  if (source.kind !== 'image') throw new Error('the layout is none');
  await using image = source.image;
  await convertLayers(image.layers, disk);
}

async function pullToDisk(registry: TestRegistry, reference: string, disk: string): Promise<void> {
  await using temporary = await TestStore.create();
  const registries = [ImageRegistry.http(registry.host)];
  await using pulled = await pullImage(reference, temporary.options({ registries }));
  await Promise.all([convertLayers(pulled.layers, disk), pulled.downloaded()]);
}

async function umociUnpack(layout: string, bundle: string): Promise<void> {
  execFileSync('umoci', ['unpack', '--image', `${layout}:test`, bundle], { stdio: 'pipe' });
}

function skopeo(from: string, to: string): void {
  const options = [
    '--insecure-policy',
    'copy',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
  ];
  execFileSync('skopeo', [...options, from, to], { stdio: 'pipe' });
}

async function clear(home: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(home, name), { recursive: true, force: true });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(renderTable(await imageBench()));
}
