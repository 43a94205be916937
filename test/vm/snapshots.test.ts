/** How guests of a slow engine start: from a snapshot of one that has booted. */
import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { cacheDir } from '../../src/base/env.ts';
import { type BoxOptions, type LiteBox, SecurityOptions } from '../../src/index.ts';
import { folders, shell, TestRuntime } from './fixture.ts';
import { watchForLeaks } from './leaks.ts';
import { eventually } from './polling.ts';
import { descendants, readProcess } from './processes.ts';

const engine = 'tcg';
const DAY_S = 24 * 3600;

// A cache of this program's own, so that it knows what is made there.
const cache = mkdtempSync(join(tmpdir(), 'cache-'));
symlinkSync(join(cacheDir(), 'kernels'), join(cache, 'kernels'));
process.env['BOXLITE_CACHE'] = cache;
const folder = join(cache, 'snapshots');

const listed = () => readdirSync(folder).toSorted();
/** The only one there is. */
function only(): string {
  const names = listed();
  assert.equal(names.length, 1, names.join());
  return join(folder, names[0] ?? '');
}

/** Whether the box's guest has been started from a snapshot, as its VMM was told. */
function isRestored(box: LiteBox): boolean {
  const { pid } = box.info();
  // Without a jail it is the outermost process.
  const all = [readProcess(pid ?? 0), ...descendants(pid ?? 0)];
  const vmm = all.find((entry) => entry?.name.startsWith('qemu'));
  assert.ok(vmm);
  return commandLine(vmm.pid).includes('-incoming');
}

/** Its words; empty if it has gone. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('a snapshot', () => {
  after(() => rmSync(cache, { recursive: true, force: true }));
  beforeEach(() => rmSync(folder, { recursive: true, force: true }));

  async function start(owner: TestRuntime, options: BoxOptions = {}): Promise<LiteBox> {
    const box = await owner.makeBox({ memoryMib: 128, cpus: 1, ...options });
    await box.start();
    return box;
  }

  it('is made for the first box, which starts from it like all others of its kind', async () => {
    await using owner = new TestRuntime(engine);
    const first = await start(owner);
    const path = only();
    const { mtimeMs, size } = statSync(path);
    utimesSync(path, mtimeMs / 1000 - DAY_S, mtimeMs / 1000 - DAY_S);
    const second = await start(owner);
    assert.equal(only(), path);
    assert.equal(statSync(path).size, size);
    assert.ok(statSync(path).mtimeMs > mtimeMs - DAY_S * 500, 'its use is not seen');
    for (const box of [first, second]) {
      assert.ok(isRestored(box));
      assert.equal((await shell(box, 'echo hello')).stdout, 'hello\n');
    }
  });

  it('is shared by machines that are alike, and by no others', async () => {
    await using owner = new TestRuntime(engine);
    const kinds: BoxOptions[] = [{}, { memoryMib: 160 }, { cpus: 2 }, { diskSizeGb: 2 }];
    const alike: BoxOptions = { network: { mode: 'disabled' } };
    for (const [i, options] of [...kinds, alike].entries()) {
      await using box = await start(owner, options);
      assert.equal(listed().length, Math.min(i + 1, kinds.length), JSON.stringify(options));
      const script =
        'nproc; grep -c "^processor" /proc/cpuinfo; grep MemTotal /proc/meminfo; df -m / | tail -1';
      const { stdout } = await shell(box, script);
      const [nproc, listedCpus, memory = '', disk = ''] = stdout.split('\n');
      assert.deepEqual([nproc, listedCpus], [options.cpus ?? 1, options.cpus ?? 1].map(String));
      const mib = Number(memory.split(/\s+/)[1]) / 1024;
      const given = Number(options.memoryMib ?? 128);
      assert.ok(mib > given - 40 && mib < given, memory);
      if (options.diskSizeGb === 2) assert.match(disk, /\s(19|20)\d\d\s/);
    }
  });

  it('gives its guests nothing in common that was drawn by chance', async () => {
    await using owner = new TestRuntime(engine);
    const drawn: string[][] = [];
    for (let i = 0; i < 3; i++) {
      await using box = await start(owner);
      assert.ok(isRestored(box));
      const script = `
        cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid
        od -An -tx1 -N16 /dev/urandom; od -An -tx1 -N16 /dev/random
        grep -F '[stack]' /proc/self/maps | cut -d- -f1; od -An -tx8 -j0 -N512 /proc/self/auxv | sed -n 's/.*0000000000000019 //p'
        mktemp -u`;
      const { stdout, stderr } = await shell(box, script);
      drawn.push(stdout.trim().split('\n'));
      assert.ok(stdout.trim().split('\n').length >= 6, stdout + stderr);
    }
    const all = drawn.flat().map((line) => line.trim());
    assert.equal(new Set(all).size, all.length, all.join('\n'));
  });

  it('is made once for boxes that start at the same time', async () => {
    await using owner = new TestRuntime(engine);
    const boxes = await Promise.all([start(owner), start(owner), start(owner)]);
    assert.equal(listed().length, 1);
    assert.deepEqual(boxes.map(isRestored), [true, true, true]);
  });

  it('is made and used without what the box that needs it goes without', async () => {
    await using owner = new TestRuntime(engine);
    const builder = () => SecurityOptions.builder();
    const kinds = [builder().jailerEnabled(false), builder().chrootEnabled(false)];
    for (const [i, kind] of kinds.entries()) {
      const advanced = { security: kind.build() };
      await using box = await start(owner, { memoryMib: 128 + i, advanced });
      assert.ok(isRestored(box));
      assert.equal((await shell(box, 'echo hello')).stdout, 'hello\n');
    }
  });

  it('from which no guest starts is taken away, and the next box has another', async () => {
    await using owner = new TestRuntime(engine);
    await (await start(owner)).stop();
    const path = only();
    const whole = readFileSync(path);
    const wrong = [Buffer.from('no snapshot'), whole.subarray(0, whole.length / 2)];
    for (const content of wrong) {
      writeFileSync(path, content);
      const box = await owner.makeBox({ memoryMib: 128, cpus: 1 });
      await assert.rejects(box.start(), {
        kind: 'Engine',
        message: /^Cannot boot, waiting for the agent: .*migration/s,
      });
      assert.deepEqual(listed(), []);
      await box.start();
      assert.ok(isRestored(box));
      assert.equal(only(), path);
      await box.stop();
    }
  });

  it('that could not be made is not tried again for a day, and guests boot without', async () => {
    await using owner = new TestRuntime(engine);
    await (await start(owner)).stop();
    const path = only();
    truncateSync(path);
    await using without = await start(owner);
    assert.ok(!isRestored(without));
    assert.equal((await shell(without, 'echo hello')).stdout, 'hello\n');
    assert.equal(statSync(path).size, 0);
    const yesterday = Date.now() / 1000 - DAY_S - 60;
    utimesSync(path, yesterday, yesterday);
    await using box = await start(owner);
    assert.ok(isRestored(box));
    assert.ok(statSync(path).size > 0);
  });

  it('has to have a place, and guests boot without', async () => {
    await using owner = new TestRuntime(engine);
    writeFileSync(folder, 'in the way');
    await using box = await start(owner);
    assert.ok(!isRestored(box));
    assert.equal((await shell(box, 'echo hello')).stdout, 'hello\n');
  });

  it('is given up with the last start that waits for it, and leaves nothing', async () => {
    await using owner = new TestRuntime(engine);
    const stop = new AbortController();
    const box = await owner.makeBox({ memoryMib: 128, cpus: 1 });
    const starting = box.start({ signal: stop.signal });
    starting.catch(() => undefined);
    await eventually(
      'a VMM',
      () => descendants().find(({ name }) => name.startsWith('qemu')) ?? null,
    );
    stop.abort(new Error('enough'));
    await assert.rejects(starting, /enough/);
    assert.deepEqual(listed(), []);
  });

  it('whose VMM is killed while it is made is done without, and leaves nothing', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ memoryMib: 128, cpus: 1 });
    const starting = box.start();
    starting.catch(() => undefined);
    const vmm = await eventually(
      'a VMM that is being saved',
      () =>
        descendants().find(
          ({ pid, name }) =>
            name.startsWith('qemu') && commandLine(pid).includes('chardev=monitor'),
        ) ?? null,
    );
    process.kill(vmm.pid, 'SIGKILL');
    const outcome = await starting.then(
      () => 'started',
      (error: unknown) => String(error),
    );
    assert.match(outcome, /^started$|Cannot boot, waiting for the agent: .*(137|SIGKILL)/s);
    assert.deepEqual(
      listed().filter((name) => name.startsWith('new-')),
      [],
    );
  });

  watchForLeaks(folders);
});
