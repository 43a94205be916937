/**
 * The bare VMM: the engine's own command line, without our jail, agent and disks, booting to an init that
 * prints a line and powers off. No boot of a box on this engine can take less.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engines } from '../src/engine/engine.ts';
import { writeCpio } from '../src/engine/initramfs.ts';
import { runCommand } from '../src/process/run.ts';
import { VmmProcess } from '../src/process/vmm.ts';
import type { LaunchPlan } from '../src/spec/parts.ts';
import { MACHINE, type Subject } from './subject.ts';

const SOURCE = fileURLToPath(new URL('bare-init.c', import.meta.url));

/** Prepares it; each call of the result boots once and tells the ms from spawn to exit. */
export async function bareVmm(subject: Subject): Promise<() => Promise<number>> {
  const { engine, ready, scratch } = subject;
  const initramfs = join(scratch, 'bare.cpio');
  await writeFile(initramfs, await bareInitramfs(scratch));
  const plan = unjailed(
    engines[engine].plan({ ...ready, ...MACHINE, engine, initramfs, disks: null, mailbox: null }),
  );
  return async () => {
    const started = performance.now();
    const vmm = await VmmProcess.start(plan);
    await vmm.exited;
    const elapsed = performance.now() - started;
    if (!vmm.consoleTail.includes('bare: up')) {
      throw new Error(`the bare VMM did not boot; its console: ${vmm.consoleTail}`);
    }
    return elapsed;
  };
}

async function bareInitramfs(scratch: string): Promise<Uint8Array> {
  const init = join(scratch, 'bare-init');
  const built = await runCommand('musl-gcc', ['-Os', '-static', '-s', '-o', init, SOURCE]);
  if (built.code !== 0) throw new Error(`musl-gcc: ${built.stderr}`);
  return writeCpio([
    { name: 'dev', mode: 0o040755 },
    { name: 'dev/console', mode: 0o020600, device: [5, 1] },
    { name: 'init', mode: 0o100755, data: await readFile(init) },
  ]);
}

/** The same invocation with the host's paths in place of the jail's. */
export function unjailed(plan: LaunchPlan): LaunchPlan {
  const outside = (text: string) =>
    plan.files.reduce((path, file) => path.replaceAll(file.inside, file.hostPath), text);
  const env = Object.fromEntries(
    Object.entries(plan.env).map(([name, value]) => [name, outside(value)]),
  );
  return { ...plan, executable: outside(plan.executable), args: plan.args.map(outside), env };
}
