/** gVisor's `runsc`, on the same busybox: the peer that needs no hardware virtualisation either. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath } from '../src/base/env.ts';
import { findProgram } from '../src/engine/vmm.ts';
import { runCommand } from '../src/process/run.ts';
import type { Subject } from './subject.ts';

const APPLETS = ['cat', 'echo', 'sh', 'sleep', 'true'];
/** Its other platform needs /dev/kvm. */
const FLAGS = ['--network=none', '--platform=ptrace'];

/** How a program went, in ms since it was spawned. */
export interface Timing {
  /** Null if it printed nothing. */
  readonly firstOutputMs: number | null;
  readonly totalMs: number;
}

/** Runs containers of one bundle. */
export class Runsc {
  readonly #program: string;
  readonly #folder: string;
  readonly #flags: readonly string[];

  private constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    this.#flags = ['--root', join(folder, 'state'), ...FLAGS, ...rootless];
  }

  /** Null where it is not installed. */
  static async prepare({ scratch }: Subject): Promise<Runsc | null> {
    const program = await findProgram('runsc', programPath());
    const busybox = await findProgram('busybox', programPath());
    if (program === null || busybox === null) return null;
    const folder = await mkdtemp(join(scratch, 'runsc-'));
    const bin = join(folder, 'rootfs', 'bin');
    await mkdir(bin, { recursive: true });
    await copyFile(busybox, join(bin, 'busybox'));
    for (const name of APPLETS) await symlink('busybox', join(bin, name));
    await runCommand(program, ['spec', '--bundle', folder, '--', 'true']);
    return new Runsc(program, folder);
  }

  /** `runsc run`: a container from nothing to its end. */
  async run(argv: readonly string[]): Promise<Timing> {
    return this.#time(['run', '--bundle', await this.#bundle(argv), `bench-${randomUUID()}`]);
  }

  /** A container in which commands can be timed. Disposing of it ends it. */
  async container(): Promise<AsyncDisposable & { exec(argv: readonly string[]): Promise<Timing> }> {
    const id = `bench-${randomUUID()}`;
    const bundle = await this.#bundle(['sleep', '3600']);
    const child = spawn(this.#program, [...this.#flags, 'run', '--bundle', bundle, id], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await this.#untilRunning(id);
    return {
      exec: (argv) => this.#time(['exec', id, ...argv]),
      [Symbol.asyncDispose]: async () => {
        await runCommand(this.#program, [...this.#flags, 'kill', id, 'KILL']);
        await ended;
      },
    };
  }

  async #untilRunning(id: string): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const { stdout } = await runCommand(this.#program, [...this.#flags, 'state', id]);
      if (stdout.includes('"running"')) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the container of runsc does not run');
  }

  /** The bundle, told to run `argv` without a terminal. */
  async #bundle(argv: readonly string[]): Promise<string> {
    const path = join(this.#folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    config.process.args = argv;
    config.process.terminal = false;
    await writeFile(path, JSON.stringify(config));
    return this.#folder;
  }

  #time(args: readonly string[]): Promise<Timing> {
    return timed(this.#program, [...this.#flags, ...args]);
  }
}

function timed(program: string, args: readonly string[]): Promise<Timing> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let firstOutputMs: number | null = null;
  let complaint = '';
  child.stdout.on('data', () => {
    firstOutputMs ??= performance.now() - started;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve({ firstOutputMs, totalMs: performance.now() - started });
      else reject(new Error(`runsc ${args.join(' ')} ended with ${code}: ${complaint.trim()}`));
    });
  });
}
