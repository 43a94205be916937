/** Host memory of the program that owns a detached box, the box itself not counted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteRuntime } from '../src/index.ts';
import { atMost, type Figure, figure } from './figure.ts';
import { parentOf, processMemory } from './process-memory.ts';
import type { Subject } from './subject.ts';

const BOXES = 5;
const MIB = 1024 * 1024;

export async function shimMemory({ engine, scratch }: Subject): Promise<Figure> {
  const homeDir = await mkdtemp(join(scratch, 'home-'));
  await using runtime = new BoxliteRuntime({ homeDir, engine });
  const samples: number[] = [];
  let resident = 0;
  try {
    for (let i = 0; i < BOXES; i++) {
      const options = { rootfs: 'builtin:base', detach: true, diskSizeGb: 1 };
      const box = await runtime.create(options, `box-${i}`);
      await (await box.run(['true'])).wait();
      const memory = await processMemory(await parentOf(box.info().pid ?? 0));
      samples.push(memory.proportional / MIB);
      resident = memory.resident;
    }
  } finally {
    for (const { id } of await runtime.listInfo()) await runtime.remove(id, true);
    await rm(homeDir, { recursive: true, force: true });
  }
  return figure(engine, {
    name: "a detached box's shim",
    unit: 'MiB',
    samples,
    target: atMost(60),
    note: `what all Node programs share divided among them; ${(resident / MIB).toFixed(0)} MiB resident`,
  });
}
