/** Boxes for tests: every suite runs on every engine, and nothing may be left of any test. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import type { BoxOptions, EngineName, Kernel, LiteBox } from '../../src/index.ts';
import { BoxliteRuntime, listKernels } from '../../src/index.ts';
import { watchForLeaks } from './leaks.ts';
import { inTime } from './polling.ts';

/** `kvm` and `hvf` share all but a flag with `tcg`, and few test machines have them. */
export const testedEngines = ['uml', 'tcg'] as const satisfies EngineName[];

const scratch = mkdtempSync(join(tmpdir(), 'boxlite-vm-'));
/** Folders of this test program alone. */
export const folders = { homes: join(scratch, 'homes'), temporary: join(scratch, 'tmp') };
for (const folder of Object.values(folders)) mkdirSync(folder);
// A temporary file of ours cannot hide among those of others.
process.env['TMPDIR'] = folders.temporary;
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
// A suite that takes too long is ended from outside, and whoever waits for one may give up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}

/** Far more than any suite takes, and less than a person waits. */
const SUITE_MS = 300_000;

/** Defines the same tests for every engine, and watches for what they leave behind. */
export function forEachEngine(define: (engine: EngineName) => void, timeout = SUITE_MS): void {
  for (const engine of testedEngines) {
    // Node's name for the host's architecture; the reason is shown.
    const skip =
      engine === 'uml' && process.arch !== 'x64' ? 'user-mode Linux runs on x86-64 only' : false;
    describe(`on ${engine}`, { skip, timeout }, () => {
      define(engine);
      watchForLeaks(folders);
    });
  }
}

/** A runtime in a home of its own, which goes with it. */
export class TestRuntime implements AsyncDisposable {
  readonly homeDir = mkdtempSync(join(folders.homes, 'home-'));
  readonly runtime: BoxliteRuntime;

  constructor(engine: EngineName | 'auto') {
    this.runtime = new BoxliteRuntime({ homeDir: this.homeDir, engine });
  }

  /** A box of `builtin:base`, unless the options say otherwise. */
  makeBox(options: BoxOptions = {}, name?: string): Promise<LiteBox> {
    return this.runtime.create({ rootfs: 'builtin:base', ...options }, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.shutdown();
    rmSync(this.homeDir, { recursive: true, force: true });
  }
}

/** A box that all tests of the suite share, booted once. Returns how to get it. */
export function sharedBox(engine: EngineName, options: BoxOptions = {}): () => LiteBox {
  let owner: TestRuntime;
  let box: LiteBox;
  before(async () => {
    owner = new TestRuntime(engine);
    box = await owner.makeBox(options);
    await box.start();
  });
  after(() => owner[Symbol.asyncDispose]());
  return () => box;
}

/** Runs a shell script in a box and reads what it says. One that does not end is a failed test. */
export async function shell(box: LiteBox, script: string) {
  await using execution = await box.run(['sh', '-c', script]);
  return await inTime(`"${script}"`, execution.output());
}

/** The kernel that boxes boot on an engine: ours if it is built, otherwise the distribution's. */
export async function kernelOf(engine: EngineName): Promise<Kernel> {
  const flavor = engine === 'uml' ? 'uml' : 'vm';
  const kernel = (await listKernels()).find((one) => one.flavor === flavor);
  if (kernel === undefined) throw new Error(`there is no kernel for ${engine}`);
  return kernel;
}

/** Whether it knows IPv6. All do but the distribution's user-mode Linux. */
export async function hasIpv6(engine: EngineName): Promise<boolean> {
  const { flavor, origin } = await kernelOf(engine);
  return flavor !== 'uml' || origin === 'own';
}
