/** What a box that uses up what it has means for the host: other boxes go on, and its VMM stays within its bounds. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { totalBytes, treeMemory } from '../../bench/process-memory.ts';
import { type EngineName, type LiteBox, SecurityOptions } from '../../src/index.ts';
import { forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';
import { eventually, inTime } from './polling.ts';
import { descendants } from './processes.ts';

const MIB = 1024 * 1024;
const MEMORY_MIB = 128;
/** What a VMM may take beside its guest's memory: its program and translated code. */
const VMM_MIB: Readonly<Partial<Record<EngineName, number>>> = { uml: 64, tcg: 320 };
/** Far longer than anything here takes. */
const PATIENCE_MS = 120_000;
const LOOKS = 20;
const LOOK_MS = 100;
const FORK_BOMB = 'b() { b | b & }; b; sleep 1000';
/** The default of a jail, and its bubblewraps. */
const PROCESSES_MAX = 1024 + 2;

/** Every process of a box's VMM. */
function processesOf(box: LiteBox): number[] {
  const pid = box.info().pid ?? 0;
  return [pid, ...descendants(pid).map((entry) => entry.pid)];
}

/** What they hold of the host's memory, in bytes. */
async function memoryOf(box: LiteBox): Promise<number> {
  return totalBytes(await treeMemory(box.info().pid ?? 0));
}

forEachEngine((engine) => {
  const most = (MEMORY_MIB + (VMM_MIB[engine] ?? 0)) * MIB;

  it('a fork bomb stays in its box, and others start and answer meanwhile', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ memoryMib: MEMORY_MIB, cpus: 1 });
    await using bomb = await box.run(['sh', '-c', FORK_BOMB]);
    for (let look = 0; look < LOOKS; look++) {
      const count = processesOf(box).length;
      assert.ok(count <= PROCESSES_MAX, `${count} processes`);
      const memory = await memoryOf(box);
      assert.ok(memory <= most, `${memory / MIB} MiB`);
      await sleep(LOOK_MS);
    }
    const other = await owner.makeBox({ memoryMib: MEMORY_MIB, cpus: 1 });
    assert.equal((await shell(other, 'echo other')).stdout, 'other\n');
    assert.equal((await inTime('the box', shell(box, 'echo same'), PATIENCE_MS)).stdout, 'same\n');
    await bomb.kill();
    await inTime('the end of the bomb', bomb.wait(), PATIENCE_MS);
    await eventually('its processes to end', () => (processesOf(box).length < 100 ? true : null));
  });

  it('a memory bomb ends for itself alone, and takes no more of the host than its box has', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ memoryMib: MEMORY_MIB, cpus: 1 });
    // In files that are memory, too, and by many at once.
    const script = `
      (head -c 1G /dev/zero > /dev/shm/file) 2>/dev/null
      for i in 1 2 3; do tail /dev/zero & done; wait; true`;
    let highest = 0;
    const run = await box.run(['sh', '-c', script]);
    const ended = run.wait();
    let over = false;
    void ended.finally(() => {
      over = true;
    });
    while (!over) {
      highest = Math.max(highest, await memoryOf(box));
      await sleep(LOOK_MS);
    }
    await inTime('the end of the bomb', ended, PATIENCE_MS);
    assert.ok(highest <= most, `${highest / MIB} MiB`);
    assert.ok(highest >= (MEMORY_MIB / 2) * MIB, `it used ${highest / MIB} MiB only`);
    assert.equal((await shell(box, 'rm -f /dev/shm/file; echo same')).stdout, 'same\n');
  });

  const ended = engine === 'uml' ? 'ends the program that did' : 'ends its box and no other';
  it(`who uses up the processor time that a VMM may have ${ended}`, async () => {
    await using owner = new TestRuntime(engine);
    const other = await owner.makeBox({ memoryMib: MEMORY_MIB });
    await other.start();
    // The distribution's kernel takes some of it for its boot, where it is emulated.
    const seconds = (await kernelOf(engine)).origin === 'own' ? 2 : 10;
    const security = SecurityOptions.builder().maxCpuTimeSeconds(seconds).build();
    const box = await owner.makeBox({ memoryMib: MEMORY_MIB, advanced: { security } });
    const run = await box.run(['sh', '-c', 'while :; do :; done']);
    const end = inTime('the end', run.wait(), PATIENCE_MS);
    if (engine === 'uml') {
      // The limit is of each process, and on uml a program of the box is one of the host's.
      assert.notEqual((await end).signal, null);
      assert.equal((await shell(box, 'echo same')).stdout, 'same\n');
    } else {
      await assert.rejects(end, {
        kind: 'Engine',
        message: /the VMM (was ended by|ended with status)/,
      });
    }
    assert.equal((await shell(other, 'echo other')).stdout, 'other\n');
  });
});
