/** Guests that are started without the agent: what a hostile or broken one does to its host. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir, programPath } from '../../src/base/env.ts';
import { engines } from '../../src/engine/engine.ts';
import { initramfs } from '../../src/engine/initramfs.ts';
import { DiskMailbox } from '../../src/engine/mailbox.ts';
import { type EngineName, SecurityOptions } from '../../src/index.ts';
import { runCommand } from '../../src/process/run.ts';
import { Host } from '../../src/runtime/host.ts';
import { scratchDirectories } from '../../src/runtime/host-checks.ts';
import { startJailed } from '../../src/runtime/jailed-vm.ts';
import type { Vm } from '../../src/runtime/vm.ts';
import { compileGuest } from './compile.ts';

const MEMORY_MIB = 128;

interface StandInOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** What it is compiled with. */
  readonly macros?: Readonly<Record<string, string>>;
}

/** Starts VMs whose `/init` is a stand-in. */
export class StandIns implements Disposable {
  readonly #engine: EngineName;
  readonly #folder = mkdtempSync(join(tmpdir(), 'stand-in-'));

  constructor(engine: EngineName) {
    this.#engine = engine;
  }

  /** Waits for its hello; fails as the boot of a box does. */
  async start(name: string, options: StandInOptions): Promise<Vm> {
    const host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
    const ready = await host.engine(this.#engine);
    const modules = ready.kernel.modules.map((path) => readFileSync(path));
    const archive = join(this.#folder, `${name}.cpio`);
    const program = compileGuest(name, this.#folder, options.macros);
    writeFileSync(archive, initramfs(readFileSync(program), modules));
    const engine = engines[this.#engine];
    using mailbox =
      engine.mailbox === null ? null : DiskMailbox.create(scratchDirectories, engine.mailbox);
    const plan = engine.plan({
      ...ready,
      engine: this.#engine,
      initramfs: archive,
      cpus: 1,
      memoryMib: MEMORY_MIB,
      disks: null,
      mailbox: mailbox?.descriptor ?? null,
    });
    const { timeoutMs, signal } = options;
    return await startJailed(plan, {
      programs: ready.programs,
      security: SecurityOptions.enabled().toSettings(),
      boxId: name,
      mailbox,
      timeoutMs,
      signal,
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
