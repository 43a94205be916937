/** Files of a box: trees in and out, small reads; and commands side by side. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LiteBox } from '../src/index.ts';
import { atLeast, atMost, type Figure, figure, type Unit } from './figure.ts';
import type { Subject } from './subject.ts';

const LARGE_MIB = 256;
const SMALL_FILES = 5_000;
const FOLDERS = 50;
/** What a source file has, more or less. */
const SMALL_BYTES = 2_000;
const ROUNDS = 3;
const READ_BYTES = 4_096;
const READ_ROUNDS = 200;
const WARM_UP_ROUNDS = 10;
const MIB = 1024 * 1024;

/** What is copied, and how its rate is counted. */
interface Load {
  readonly name: string;
  readonly path: string;
  readonly unit: Unit;
  /** Of one copy, in the unit. */
  readonly amount: number;
  readonly inAtLeast: number;
  readonly outAtLeast: number;
}

/** One file of 256 MiB, and 5 000 small ones, each way. */
export async function copies(subject: Subject): Promise<Figure[]> {
  const tcg = subject.engine === 'tcg';
  const large: Load = {
    name: `one file of ${LARGE_MIB} MiB`,
    path: await largeFile(join(subject.scratch, 'large')),
    unit: 'MB/s',
    amount: (LARGE_MIB * MIB) / 1e6,
    inAtLeast: tcg ? 100 : 80,
    outAtLeast: 100,
  };
  const small: Load = {
    name: `${SMALL_FILES} small files`,
    path: await smallFiles(join(subject.scratch, 'small')),
    unit: 'files/s',
    amount: SMALL_FILES,
    inAtLeast: tcg ? 1_000 : 1_500,
    outAtLeast: 1_500,
  };
  await using box = await subject.box();
  await box.start();
  const figures: Figure[] = [];
  for (const load of [large, small]) figures.push(...(await measure(subject, box, load)));
  return figures;
}

async function measure(subject: Subject, box: LiteBox, load: Load): Promise<Figure[]> {
  const { name, path, unit, amount } = load;
  const into: number[] = [];
  const out: number[] = [];
  const backs: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // Removed at the end only: ext4 takes seconds to look past inodes that have just been freed.
    const back = join(subject.scratch, `back-${round}`);
    into.push(await rate(amount, () => box.copyIn(path, '/copy')));
    out.push(await rate(amount, () => box.copyOut('/copy', back)));
    backs.push(back);
    await box.fs.rm('/copy', { recursive: true });
  }
  for (const back of backs) await rm(back, { recursive: true });
  const row = (direction: string, samples: number[], limit: number) =>
    figure(subject.engine, {
      name: `${direction}, ${name}`,
      unit,
      samples,
      target: atLeast(limit),
    });
  return [row('copyIn', into, load.inAtLeast), row('copyOut', out, load.outAtLeast)];
}

/** `box.fs.readFile` of 4 KiB. */
export async function smallRead(subject: Subject): Promise<Figure> {
  await using box = await subject.box();
  await box.fs.writeFile('/file', randomBytes(READ_BYTES));
  for (let i = 0; i < WARM_UP_ROUNDS; i++) await box.fs.readFile('/file');
  const samples: number[] = [];
  for (let i = 0; i < READ_ROUNDS; i++) {
    const started = performance.now();
    await box.fs.readFile('/file');
    samples.push(performance.now() - started);
  }
  return figure(subject.engine, {
    name: 'readFile of 4 KiB',
    unit: 'ms',
    samples,
    target: atMost(3),
  });
}

async function rate(amount: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (amount * 1000) / (performance.now() - started);
}

/** Random, so that nothing on the way finds a hole or a repetition. */
async function largeFile(path: string): Promise<string> {
  await using file = await open(path, 'w');
  for (let i = 0; i < LARGE_MIB; i++) await file.write(randomBytes(MIB));
  return path;
}

async function smallFiles(path: string): Promise<string> {
  for (let folder = 0; folder < FOLDERS; folder++) {
    const at = join(path, `folder-${folder}`);
    await mkdir(at, { recursive: true });
    const files = Array.from({ length: SMALL_FILES / FOLDERS }, (_, i) => join(at, `file-${i}`));
    await Promise.all(files.map((file) => writeFile(file, randomBytes(SMALL_BYTES))));
  }
  return path;
}
