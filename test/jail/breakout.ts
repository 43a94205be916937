/** A stand-in for a VMM that has been taken over, started as a VMM is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { programPath } from '../../src/base/env.ts';
import { sharedLibraries } from '../../src/engine/libraries.ts';
import { runCommand } from '../../src/process/run.ts';
import { VmmProcess } from '../../src/process/vmm.ts';
import { findJailPrograms } from '../../src/runtime/jail-programs.ts';
import { type JailOptions, prepareJail } from '../../src/runtime/jailed-vm.ts';
import type { LaunchPlan } from '../../src/spec/parts.ts';

const SOURCE = fileURLToPath(new URL('programs/breakout.c', import.meta.url));
const MIB = 1024 * 1024;
const SHARED_MEMORY_BYTES = 64 * MIB;
/** More than it tries to fill a folder with, and less than it tries to make its disk. */
const FILE_BYTES = 256 * MIB;

/** What it tries to get to. */
export interface Targets {
  /** A file to read, another box's disk to write, and a socket to connect to, by their paths. */
  readonly file: string;
  readonly disk: string;
  readonly socket: string;
  /** A port of the loopback, and a name of an abstract socket. */
  readonly port: number;
  readonly abstract: string;
  /** A process to see, signal and trace. */
  readonly pid: number;
  /** A variable of ours. */
  readonly variable: string;
  /** A folder in which to write a large file. */
  readonly directory: string;
}

/** It, running. */
export interface Taken extends AsyncDisposable {
  readonly pid: number;
  /** The error of each attempt, 0 where it succeeded. */
  readonly got: ReadonlyMap<string, number>;
}

/** The program, made in a folder that everybody can enter. */
export class StandIn {
  readonly #folder: string;
  readonly #programs: JailOptions['programs'];
  /** What it is given of the host's, all of root's. */
  readonly #libraries: readonly string[];

  private constructor(
    folder: string,
    programs: JailOptions['programs'],
    libraries: readonly string[],
  ) {
    this.#folder = folder;
    this.#programs = programs;
    this.#libraries = libraries;
  }

  static async make(folder: string): Promise<StandIn> {
    execFileSync('gcc', [
      ...['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-static'],
      ...['-o', join(folder, 'breakout'), SOURCE],
    ]);
    writeFileSync(join(folder, 'own-disk'), '', { mode: 0o600 });
    writeFileSync(join(folder, 'image'), "every box's", { mode: 0o644 });
    const programs = await findJailPrograms(programPath(), 'linux');
    assert.ok(programs !== null);
    const libraries = await sharedLibraries(programs.prlimit, runCommand);
    return new StandIn(folder, programs, [programs.prlimit, ...libraries]);
  }

  get libraries(): number {
    return this.#libraries.length;
  }

  /** Lets it try everything. */
  async start(targets: Targets, options: Omit<JailOptions, 'programs'>): Promise<Taken> {
    const disk = openSync(join(this.#folder, 'own-disk'), 'r+');
    try {
      const programs = this.#programs;
      using jail = prepareJail(this.#plan(targets, disk), { ...options, programs });
      const vmm = await VmmProcess.start(jail.plan);
      try {
        const got = await report(vmm);
        return { pid: vmm.pid, got, [Symbol.asyncDispose]: async () => void (await vmm.kill()) };
      } catch (error) {
        await vmm.kill();
        throw error;
      }
    } finally {
      closeSync(disk);
    }
  }

  #plan(targets: Targets, disk: number): LaunchPlan {
    const { file, disk: other, socket, port, abstract, pid, variable, directory } = targets;
    return {
      // The list that has the most in it, and lets it have processes.
      kind: 'uml-seccomp',
      executable: '/box/breakout',
      args: [
        ...[file, other, socket, String(port), abstract],
        ...[String(pid), variable, directory, '/box/image'],
      ],
      env: {},
      files: [
        { hostPath: join(this.#folder, 'breakout'), inside: '/box/breakout' },
        { hostPath: join(this.#folder, 'image'), inside: '/box/image', ours: true },
      ],
      libraries: this.#libraries,
      devices: [],
      sharedMemoryBytes: SHARED_MEMORY_BYTES,
      fixedAddresses: true,
      fileBytes: FILE_BYTES,
      descriptors: [disk],
      user: null,
    };
  }
}

async function report(vmm: VmmProcess): Promise<Map<string, number>> {
  let text = '';
  for await (const chunk of vmm.wire) {
    text += chunk;
    if (text.endsWith('done 0\n')) break;
  }
  assert.match(text, /done 0\n$/, `it ended early: ${vmm.consoleTail}`);
  const lines = text.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', error] = line.split(' ');
      return [name, Number(error)];
    }),
  );
}
