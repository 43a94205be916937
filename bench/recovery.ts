/** What the first use of a home costs that dead programs have left in disorder. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir, programPath } from '../src/base/env.ts';
import { BoxIDMint } from '../src/base/ids.ts';
import { thisProcess } from '../src/process/identity.ts';
import { runCommand } from '../src/process/run.ts';
import { Home } from '../src/runtime/home.ts';
import { Host } from '../src/runtime/host.ts';
import { recover } from '../src/runtime/recover.ts';
import { BoxStatus } from '../src/spec/box-status.ts';
import { parseBoxOptions } from '../src/spec/parse-options.ts';
import { atMost, type Figure, figure } from './figure.ts';

const BOXES = 1000;
const ROUNDS = 5;

export async function recovery(): Promise<Figure> {
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) samples.push(await recoverOnce());
  return figure('', {
    name: `recovery of ${BOXES} boxes`,
    unit: 'ms',
    samples,
    target: atMost(1000),
    note: 'all were running when their programs died; half of them are kept',
  });
}

async function recoverOnce(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'boxlite-bench-'));
  const host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
  using home = new Home(directory, host);
  try {
    for (let i = 0; i < BOXES; i++) await leaveRunning(home, i % 2 === 0);
    const started = performance.now();
    await recover(home);
    const elapsed = performance.now() - started;
    const left = home.store.boxes.list();
    if (left.length !== BOXES / 2 || left.some(({ status }) => status !== BoxStatus.Stopped)) {
      throw new Error(`${left.length} boxes are left, in disorder`);
    }
    return elapsed;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Records a box as a program leaves it that is killed while the box runs. */
async function leaveRunning(home: Home, autoRemove: boolean): Promise<void> {
  const { boxes } = home.store;
  const dead = { ...(await thisProcess()), start: 'long ago' };
  const id = BoxIDMint.mint();
  const facts = { cpus: 1, memoryMib: 1024, platform: process.platform, cwd: '/' };
  const spec = parseBoxOptions({ rootfs: 'builtin:base', autoRemove }, facts);
  boxes.create({ id, name: null, spec, creator: dead });
  const owner = { ...dead, kind: 'process', purpose: 'run', socket: null } as const;
  const claim = boxes.claim(id, owner)?.claim;
  if (claim === undefined) throw new Error('the box could not be claimed');
  boxes.transition(claim, [BoxStatus.Configured], BoxStatus.Running);
  await mkdir(home.boxDir(id.asStr()));
  await writeFile(home.boxDisk(id.asStr()), '');
}
