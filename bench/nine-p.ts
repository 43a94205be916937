/**
 * QEMU's own way to share a directory, as a baseline: a guest with nothing but busybox and a 9p mount, whose shell takes
 * scripts over the wire of a box.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath } from '../src/base/env.ts';
import { engines } from '../src/engine/engine.ts';
import { type CpioEntry, writeCpio } from '../src/engine/initramfs.ts';
import { findProgram } from '../src/engine/vmm.ts';
import { VmmProcess } from '../src/process/vmm.ts';
import type { LaunchPlan } from '../src/spec/parts.ts';
import { unjailed } from './bare-vmm.ts';
import type { NinePKernel } from './nine-p-kernel.ts';
import { MACHINE, type Subject } from './subject.ts';

/** As QEMU's documentation has it. */
const OPTIONS = 'trans=virtio,version=9p2000.L';
const END = 'ended with status';
/** What takes longer has hung. */
const SCRIPT_MS_MAX = 60_000;

/** A running guest. Disposing of it ends it. */
export class NinePGuest implements AsyncDisposable {
  readonly #vmm: VmmProcess;
  #said = '';
  #onText: () => void = () => undefined;

  private constructor(vmm: VmmProcess) {
    this.#vmm = vmm;
    vmm.wire.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString('latin1');
      this.#onText();
    });
    vmm.wire.on('close', () => this.#onText());
  }

  /** Boots a guest that has `share` at `/share`. */
  static async start(
    { ready, scratch }: Subject,
    { kernel, modules }: NinePKernel,
    share: string,
  ): Promise<NinePGuest> {
    const initramfs = join(scratch, 'nine-p.cpio');
    await writeFile(initramfs, await guestFiles([...kernel.modules, ...modules]));
    const machine = { ...ready, ...MACHINE, kernel, initramfs, disks: null, mailbox: null };
    const plan = unjailed(engines.tcg.plan({ ...machine, engine: 'tcg' }));
    const guest = new NinePGuest(await VmmProcess.start(sharing(plan, share)));
    await guest.run('mount | grep -q " /share type 9p"');
    return guest;
  }

  /** Resolves when the script has ended. @throws if it failed, or does not end in a minute. */
  async run(script: string): Promise<void> {
    const ends = performance.now() + SCRIPT_MS_MAX;
    const timer = setTimeout(() => this.#onText(), SCRIPT_MS_MAX + 1);
    await this.#ended(script, ends).finally(() => clearTimeout(timer));
  }

  async #ended(script: string, ends: number): Promise<void> {
    this.#said = '';
    this.#vmm.wire.write(`(${script}\n); echo ${END} $?.\n`);
    for (;;) {
      const status = new RegExp(`${END} (\\d+)\\.`).exec(this.#said)?.[1];
      if (status === '0') return;
      const hangs = performance.now() > ends;
      if (status !== undefined || hangs || this.#vmm.wire.destroyed) {
        throw new Error(`9p: ${script}: ${this.#said}${this.#vmm.consoleTail.slice(-500)}`);
      }
      await new Promise<void>((resolve) => {
        this.#onText = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#vmm.kill();
  }
}

function sharing(plan: LaunchPlan, share: string): LaunchPlan {
  const device = 'virtio-9p-pci,fsdev=share,mount_tag=share';
  const args = ['-fsdev', `local,id=share,path=${share},security_model=none`, '-device', device];
  return { ...plan, args: [...plan.args, ...args] };
}

async function guestFiles(modules: readonly string[]): Promise<Uint8Array> {
  const busybox = await findProgram('busybox', programPath());
  if (busybox === null) throw new Error('there is no busybox');
  const entries: CpioEntry[] = ['bin', 'dev', 'proc', 'share', 'tmp', 'modules'].map((name) => ({
    name,
    mode: 0o040755,
  }));
  for (const [i, path] of modules.entries()) {
    const name = `modules/${String(i).padStart(2, '0')}`;
    entries.push({ name, mode: 0o100644, data: await readFile(path) });
  }
  return writeCpio([
    ...entries,
    { name: 'dev/console', mode: 0o020600, device: [5, 1] },
    { name: 'bin/busybox', mode: 0o100755, data: await readFile(busybox) },
    { name: 'init', mode: 0o100755, data: new TextEncoder().encode(INIT) },
  ]);
}

/** Until QEMU has told the port that its other end is open, it reads like one that was closed. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
mount -t 9p -o ${OPTIONS} share /share
until [ -e /dev/vport0p1 ]; do usleep 10000; done
while :; do sh 0<> /dev/vport0p1 1>&0 2>&0; usleep 10000; done
`;
