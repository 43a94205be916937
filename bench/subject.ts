/** What is measured: one engine of this host, through the public door, and what its baselines need. */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir, programPath } from '../src/base/env.ts';
import { BoxliteRuntime, type BoxOptions, type EngineName, type LiteBox } from '../src/index.ts';
import { runCommand } from '../src/process/run.ts';
import { Host, type ReadyEngine } from '../src/runtime/host.ts';

/** The machine every figure uses unless it says otherwise: what a user gets without asking. */
export const MACHINE = { cpus: Math.min(2, cpus().length), memoryMib: 512 } as const;

/** An engine under measurement. Disposing of it stops its boxes and deletes its scratch folder. */
export class Subject implements AsyncDisposable {
  readonly engine: EngineName;
  /** The kernel, the VMM and the flags that boxes of this engine get, for the bare VMM. */
  readonly ready: ReadyEngine;
  readonly runtime: BoxliteRuntime;
  readonly scratch: string;

  private constructor(ready: ReadyEngine, scratch: string) {
    this.engine = ready.name;
    this.ready = ready;
    this.scratch = scratch;
    this.runtime = new BoxliteRuntime({ engine: ready.name });
  }

  /** @throws BoxliteError if the engine does not work here. */
  static async create(engine: EngineName): Promise<Subject> {
    const host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
    const ready = await host.engine(engine);
    return new Subject(ready, await mkdtemp(join(tmpdir(), 'boxlite-bench-')));
  }

  /** A box of busybox that does not run yet. */
  box(options: BoxOptions = {}): Promise<LiteBox> {
    return this.runtime.create({ rootfs: 'builtin:base', ...MACHINE, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.shutdown();
    await rm(this.scratch, { recursive: true, force: true });
  }
}
