/** A shared directory, from the guest: large files, many attributes, and a tar of small files unpacked into it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LiteBox } from '../src/index.ts';
import { atLeast, type Figure, figure, type Measurement } from './figure.ts';
import type { Subject } from './subject.ts';

const LARGE_MIB = 256;
const STAT_FILES = 5000;
const TAR_FILES = 2000;
const ROUNDS = 2;
/** The attributes that the kernel was told are old after a second. */
const COLD = 'sleep 1.1';

export async function sharedDirectory(subject: Subject): Promise<Figure[]> {
  const hostPath = join(subject.scratch, 'share');
  prepare(hostPath, join(subject.scratch, 'tree'));
  await using box = await subject.box({ volumes: [{ hostPath, guestPath: '/share' }] });
  await box.start();
  const uml = subject.engine === 'uml';
  const rows: [name: string, unit: Measurement['unit'], amount: number, limit: number, of: Task][] =
    [
      [`volume: read ${LARGE_MIB} MiB`, 'MB/s', LARGE_MIB, 60, readLarge],
      [`volume: write ${LARGE_MIB} MiB`, 'MB/s', LARGE_MIB, 60, writeLarge],
      [`volume: stat of ${STAT_FILES} files`, 'files/s', STAT_FILES, 1000, statMany],
      [`volume: unpack ${TAR_FILES} files`, 'files/s', TAR_FILES, 300, unpack],
    ];
  const figures: Figure[] = [];
  for (const [name, unit, amount, limit, task] of rows) {
    const samples: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      samples.push(amount / (await seconds(box, task)));
    }
    const target = uml ? { target: atLeast(limit) } : {};
    figures.push(figure(subject.engine, { name, unit, samples, ...target }));
  }
  return figures;
}

/** What is done before, and what is measured. */
interface Task {
  readonly before: string;
  readonly script: string;
}

const readLarge = {
  before: 'echo 3 > /proc/sys/vm/drop_caches 2>/dev/null; true',
  script: 'dd if=/share/large of=/dev/null bs=1M 2>/dev/null',
};
const writeLarge = {
  before: 'rm -f /share/written',
  script: `dd if=/dev/zero of=/share/written bs=1M count=${LARGE_MIB} 2>/dev/null`,
};
const statMany = { before: COLD, script: 'ls -l /share/many > /dev/null' };
const unpack = {
  before: 'rm -rf /share/unpacked; mkdir /share/unpacked; cp /share/tree.tar /tmp/tree.tar',
  script: 'cd /share/unpacked && tar xf /tmp/tree.tar',
};

async function seconds(box: LiteBox, { before, script }: Task): Promise<number> {
  await run(box, before);
  const started = performance.now();
  await run(box, script);
  return (performance.now() - started) / 1000;
}

async function run(box: LiteBox, script: string): Promise<void> {
  await using execution = await box.run(['sh', '-c', script]);
  const { exitCode, stderr } = await execution.output();
  if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
}

function prepare(share: string, tree: string): void {
  mkdirSync(join(share, 'many'), { recursive: true });
  for (let i = 0; i < STAT_FILES; i++) writeFileSync(join(share, 'many', `file${i}`), '');
  writeFileSync(join(share, 'large'), Buffer.alloc(LARGE_MIB * 1024 * 1024, 'boxlite'));
  for (let i = 0; i < TAR_FILES; i++) {
    const folder = join(tree, `folder${i % 20}`);
    if (i < 20) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${i}`), 'x'.repeat(1000 + i));
  }
  execFileSync('tar', ['cf', join(share, 'tree.tar'), '-C', tree, '.']);
}
