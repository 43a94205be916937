/**
 * `npm run bench`: measures what the design promises, prints a table, and writes it with every sample to
 * `bench/results/`.
 *
 *     node bench/main.ts [--engine NAME]... [--only FIGURE]... [--json FILE]
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { EngineName } from '../src/index.ts';
import { boxMemory } from './box-memory.ts';
import { coldStart } from './cold-start.ts';
import { density } from './density.ts';
import { execRoundTrip } from './exec.ts';
import { type Figure, figure } from './figure.ts';
import { copies, smallRead } from './files.ts';
import { jailCost } from './jail.ts';
import { network, slirp } from './network.ts';
import { ownerMemory } from './owner-memory.ts';
import { parallelCommands } from './parallel.ts';
import { recovery } from './recovery.ts';
import { shimMemory } from './shim.ts';
import { sizes } from './sizes.ts';
import { Subject } from './subject.ts';
import { renderTable } from './table.ts';
import { stdinThroughput, stdoutThroughput } from './throughput.ts';
import { sharedDirectory } from './volumes.ts';

type Measure = (subject: Subject) => Promise<Figure | Figure[]>;

const measures: Readonly<Record<string, Measure>> = {
  'cold-start': coldStart,
  jail: jailCost,
  exec: execRoundTrip,
  stdout: stdoutThroughput,
  stdin: stdinThroughput,
  'read-file': smallRead,
  copies,
  parallel: parallelCommands,
  'owner-memory': ownerMemory,
  'box-memory': boxMemory,
  density,
  'shim-memory': shimMemory,
  volumes: sharedDirectory,
  network,
  slirp,
  sizes,
};

/** Not of an engine. */
const RECOVERY = 'recovery';
/** Nor this, and not part of a run that does not name it: it needs a registry's worth of time. */
const IMAGE = 'image';
const all = [...Object.keys(measures), RECOVERY];

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: ['uml', 'tcg'] },
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
  },
});
const only = values.only ?? all;
const unknown = only.find((name) => name !== IMAGE && !all.includes(name));
if (unknown !== undefined) {
  console.error(`bench: no figure "${unknown}": ${[...all, IMAGE].join(', ')}`);
  process.exit(2);
}

const load = loadavg();
const figures: Figure[] = [];
for (const name of values.engine) {
  figures.push(...(await engineFigures(name as EngineName)));
}
if (only.includes(RECOVERY)) figures.push(...(await attempt('', RECOVERY, recovery)));
if (only.includes(IMAGE)) figures.push(...(await imageFigures()));
console.log(renderTable(figures));
const path = values.json ?? fileURLToPath(new URL(`results/${timestamp()}.json`, import.meta.url));
await mkdir(dirname(path), { recursive: true });
await writeFile(path, `${JSON.stringify({ ...circumstances(), figures }, null, 2)}\n`);
console.log(`\nEvery sample: ${path}`);

/** An engine that does not work here, or a figure that fails, is a row that says so. */
async function engineFigures(engine: EngineName): Promise<Figure[]> {
  const wanted = only.filter((name) => name in measures);
  if (wanted.length === 0) return [];
  const found: Figure[] = [];
  try {
    await using subject = await Subject.create(engine);
    const { kernel } = subject.ready;
    console.error(`bench: ${engine} with the ${kernel.origin} kernel ${kernel.version}`);
    for (const name of wanted) {
      console.error(`bench: ${engine}: ${name}`);
      found.push(...(await attempt(engine, name, () => measures[name]?.(subject) ?? [])));
    }
  } catch (error) {
    found.push(failed(engine, 'engine', error));
  }
  return found;
}

async function attempt(
  engine: string,
  name: string,
  measure: () => Promise<Figure | Figure[]> | Figure[],
): Promise<Figure[]> {
  try {
    return [await measure()].flat();
  } catch (error) {
    return [failed(engine, name, error)];
  }
}

function failed(engine: string, name: string, error: unknown): Figure {
  process.exitCode = 1;
  const note = `could not be measured: ${error instanceof Error ? error.message : error}`;
  return figure(engine, { name, unit: 'ms', samples: [], note });
}

async function imageFigures(): Promise<Figure[]> {
  const file = new URL('image.ts', import.meta.url);
  if (!existsSync(file)) return [failed('', IMAGE, 'there is no bench/image.ts')];
  const { imageBench }: { imageBench: () => Promise<Figure[]> } = await import(file.href);
  return attempt('', IMAGE, imageBench);
}

function circumstances() {
  return {
    at: new Date().toISOString(),
    host: {
      processor: cpus()[0]?.model ?? 'unknown',
      processors: availableParallelism(),
      kernel: release(),
      node: process.version,
      loadBefore: load,
      loadAfter: loadavg(),
    },
  };
}

function timestamp(): string {
  return new Date().toISOString().replaceAll(/[:.]/g, '-');
}
