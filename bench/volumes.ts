/**
 * A shared directory, from the guest: large files, many attributes, and a tar of small files unpacked into it. Under `tcg` the
 * baseline is QEMU's own 9p share of the same directory with the same kernel, measured in turns.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BoxliteRuntime, type LiteBox } from '../src/index.ts';
import { atLeast, type Figure, figure, type Unit } from './figure.ts';
import { NinePGuest } from './nine-p.ts';
import { ninePKernel } from './nine-p-kernel.ts';
import { median } from './stats.ts';
import { MACHINE, type Subject } from './subject.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 256 * MIB;
const STAT_FILES = 5000;
const TAR_FILES = 2000;
/** Beside 9p, which takes 9 ms for each under emulation. */
const COMPARED_TAR_FILES = 500;
const ROUNDS = 2;

/** What is done, and measured; each round has files of its own, or ones that have changed, so that no guest knows them. */
interface Task {
  readonly name: string;
  readonly unit: Unit;
  /** Of one round, in the unit. */
  readonly amount: number;
  /** What user-mode Linux has to reach. */
  readonly atLeast: number;
  readonly script: (round: string) => string;
}

const tasksWith = (tarFiles: number): readonly Task[] => [
  {
    name: 'read 256 MiB',
    unit: 'MB/s',
    amount: LARGE_BYTES / 1e6,
    atLeast: 60,
    script: () => 'dd if=/share/large of=/dev/null bs=1M 2>/dev/null',
  },
  {
    name: 'write 256 MiB',
    unit: 'MB/s',
    amount: LARGE_BYTES / 1e6,
    atLeast: 60,
    script: () => 'dd if=/dev/zero of=/share/written bs=1M count=256 2>/dev/null',
  },
  {
    name: `stat of ${STAT_FILES} files`,
    unit: 'files/s',
    amount: STAT_FILES,
    atLeast: 1000,
    script: (round) => `ls -l /share/many${round} > /dev/null`,
  },
  {
    name: `unpack ${tarFiles} files`,
    unit: 'files/s',
    amount: tarFiles,
    atLeast: 300,
    script: (round) =>
      `mkdir /share/unpacked${round} && cd /share/unpacked${round} && tar xf /tmp/tree${tarFiles}.tar`,
  },
];

/** Runs a script in a guest that has the directory at `/share`. @throws if it fails */
type Run = (script: string) => Promise<void>;

export async function sharedDirectory(subject: Subject): Promise<Figure[]> {
  const share = join(subject.scratch, 'share');
  prepare(share, join(subject.scratch, 'tree'));
  const figures: Figure[] = [];
  const tasks = tasksWith(TAR_FILES);
  {
    await using box = await subject.box({ volumes: [{ hostPath: share, guestPath: '/share' }] });
    const [samples = []] = await inTurns(share, tasks, [inBox(box)], 'a');
    for (const [i, task] of tasks.entries()) {
      const target = subject.engine === 'uml' ? { target: atLeast(task.atLeast) } : {};
      const { unit } = task;
      const measurement = { name: `volume: ${task.name}`, unit, samples: samples[i] ?? [] };
      figures.push(figure(subject.engine, { ...measurement, ...target }));
    }
  }
  return subject.engine === 'tcg' ? [...figures, ...(await againstNineP(subject, share))] : figures;
}

async function againstNineP(subject: Subject, share: string): Promise<Figure[]> {
  const kernel = await ninePKernel();
  await using runtime = runtimeIn(kernel.cache);
  await using box = await runtime.create({
    ...{ rootfs: 'builtin:base', ...MACHINE },
    volumes: [{ hostPath: share, guestPath: '/share' }],
  });
  await using guest = await NinePGuest.start(subject, kernel, share);
  const tasks = tasksWith(COMPARED_TAR_FILES);
  const both = await inTurns(share, tasks, [inBox(box), (script) => guest.run(script)], 'b');
  const [samples = [], baselines = []] = both;
  return tasks.map(({ name, unit }, i) =>
    figure(subject.engine, {
      name: `volume: ${name}, Debian's kernel`,
      unit,
      samples: samples[i] ?? [],
      baseline: { name: '9p', value: median(baselines[i] ?? []) },
      target: atLeast(1, 'ratio'),
    }),
  );
}

/** The rates of each guest at each task, in the order given. */
async function inTurns(
  share: string,
  tasks: readonly Task[],
  guests: readonly Run[],
  turn: string,
): Promise<number[][][]> {
  for (const run of guests) await run('cp /share/*.tar /tmp');
  const rates = guests.map(() => tasks.map((): number[] => []));
  for (const [i, { amount, script }] of tasks.entries()) {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [at, run] of guests.entries()) {
        utimesSync(join(share, 'large'), new Date(), new Date());
        rmSync(join(share, 'written'), { force: true });
        const started = performance.now();
        await run(script(`${turn}${at}${round}`));
        rates[at]?.[i]?.push((amount * 1000) / (performance.now() - started));
      }
    }
  }
  return rates;
}

function inBox(box: LiteBox): Run {
  return async (script) => {
    await using execution = await box.run(['sh', '-c', script]);
    const { exitCode, stderr } = await execution.output();
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
  };
}

/** A runtime that knows the kernels of that cache only. */
function runtimeIn(cache: string): BoxliteRuntime {
  const own = process.env['BOXLITE_CACHE'];
  process.env['BOXLITE_CACHE'] = cache;
  const runtime = new BoxliteRuntime({ engine: 'tcg' });
  if (own === undefined) delete process.env['BOXLITE_CACHE'];
  else process.env['BOXLITE_CACHE'] = own;
  return runtime;
}

/** Files for each guest and round: the first box's are `a0`, and `b0` and `b1` are those of the two that take turns. */
function prepare(share: string, tree: string): void {
  for (const guest of ['a0', 'b0', 'b1']) {
    for (let round = 0; round < ROUNDS; round++) {
      const many = join(share, `many${guest}${round}`);
      mkdirSync(many, { recursive: true });
      for (let i = 0; i < STAT_FILES; i++) writeFileSync(join(many, `file${i}`), '');
    }
  }
  writeFileSync(join(share, 'large'), Buffer.alloc(LARGE_BYTES, 'boxlite'));
  for (const count of [TAR_FILES, COMPARED_TAR_FILES]) {
    const files = `${tree}${count}`;
    for (let i = 0; i < count; i++) {
      const folder = join(files, `folder${i % 20}`);
      if (i < 20) mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `file${i}`), 'x'.repeat(1000 + i));
    }
    execFileSync('tar', ['cf', join(share, `tree${count}.tar`), '-C', files, '.']);
  }
}
