import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { kernelFileName } from '../../src/engine/kernel/own.ts';
import { qemuProgram } from '../../src/engine/vmm.ts';
import { BoxliteRuntime, type EngineName } from '../../src/index.ts';
import { folders, forEachEngine, shell, TestRuntime, testedEngines } from './fixture.ts';
import { eventuallyNone, inTime } from './polling.ts';
import { descendants, isAlive, type ProcessEntry, processesWithFilesIn } from './processes.ts';

/** For a program that boots, or tries to. */
const PROGRAM_MS = 120_000;
/** A jail is made in the first of these. */
const EARLY_MS = 30;
/** Somewhat longer than the quicker of the engines boots, and how often a program is killed in that time. */
const BOOT_MS = 150;
const KILLS = 6;
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
/** Programs of the host that BoxLite uses. */
const hostPrograms = [
  ...['bwrap', 'prlimit', 'setpriv', 'setarch', 'busybox', 'ldd', 'sh', 'bash', 'tar', 'xz'],
  qemuProgram(arch),
];

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of `programs/` to its end. */
async function program(name: string, args: string[], env: Record<string, string> = {}) {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  try {
    const work = Promise.all([exited, text(child.stdout), text(child.stderr)]);
    const [exit, stdout, stderr] = await inTime(name, work, PROGRAM_MS);
    return { ...exit, stdout, stderr };
  } finally {
    child.kill('SIGKILL');
  }
}

/** A `PATH` with what BoxLite uses but for one program. */
function pathWithout(missing: string): string {
  // Not in a home: a root's VMMs are started as a user who may not look in there.
  const scratch = dirname(folders.homes);
  chmodSync(scratch, 0o711);
  const folder = mkdtempSync(join(scratch, `without-${missing}-`));
  chmodSync(folder, 0o755);
  for (const name of hostPrograms.filter((other) => other !== missing)) {
    for (const place of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']) {
      const found = join(place, name);
      if (!exists(found)) continue;
      symlinkSync(found, join(folder, name));
      break;
    }
  }
  return folder;
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What `programs/try-run.ts` prints. */
async function tryRun(
  engine: EngineName | 'auto',
  homeDir: string,
  env: Record<string, string>,
): Promise<{ stdout?: string; kind?: string; message?: string }> {
  const { stdout, stderr, code } = await program('try-run', [engine, homeDir], env);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

describe('without the programs that an engine needs', () => {
  it('no engine works without bubblewrap, and it says so', async () => {
    await using owner = new TestRuntime('auto');
    const PATH = pathWithout('bwrap');
    for (const engine of testedEngines) {
      const { kind, message } = await tryRun(engine, owner.homeDir, { PATH });
      assert.equal(kind, 'Config');
      assert.match(message ?? '', /Cannot find "bwrap".*install bubblewrap/);
    }
    const { kind, message } = await tryRun('auto', owner.homeDir, { PATH });
    assert.equal(kind, 'Engine');
    assert.match(message ?? '', /^No engine works on this host; "boxlite doctor" tells what to do/);
    for (const engine of testedEngines) {
      assert.match(message ?? '', new RegExp(`^${engine}: Cannot find "bwrap"`, 'm'));
    }
  });

  it("QEMU's engines do not work without QEMU, and it says so", async () => {
    await using owner = new TestRuntime('auto');
    const PATH = pathWithout(qemuProgram(arch));
    const { kind, message } = await tryRun('tcg', owner.homeDir, { PATH });
    assert.equal(kind, 'Engine');
    assert.match(message ?? '', /Cannot find "qemu-system-\w+": install QEMU/);
  });

  it('there is no "builtin:base" without busybox, and it says so', async () => {
    await using owner = new TestRuntime('auto');
    const PATH = pathWithout('busybox');
    const { kind, message } = await tryRun('auto', owner.homeDir, { PATH });
    assert.equal(kind, 'Config');
    assert.match(message ?? '', /Cannot make "builtin:base".*install/);
  });
});

forEachEngine((engine) => {
  const flavor = engine === 'uml' ? 'uml' : 'vm';

  /** A cache whose only own kernel is this file. */
  function cacheWithKernel(within: string, content: Buffer): string {
    const cache = join(within, 'cache');
    const folder = join(cache, 'kernels', 'own', `${flavor}-${arch}-0123456789abcdef`);
    mkdirSync(folder, { recursive: true });
    const record = {
      ...{ format: 1, flavor, arch, version: '9.9.9', source: 'a test', recipe: 'none' },
      ...{ hash: '0123456789abcdef', seccomp: engine === 'uml', smp: true },
      builtAt: '2030-01-01T00:00:00.000Z',
    };
    writeFileSync(join(folder, 'kernel.json'), JSON.stringify(record));
    writeFileSync(join(folder, kernelFileName(flavor)), content, { mode: 0o755 });
    return cache;
  }

  describe('a kernel file', () => {
    it('that is no kernel is passed over', async () => {
      await using owner = new TestRuntime(engine);
      const BOXLITE_CACHE = cacheWithKernel(owner.homeDir, Buffer.from('no kernel at all'));
      // Without apt-get nothing can be downloaded instead.
      const PATH = pathWithout('none');
      const { kind, stdout, message } = await tryRun(engine, owner.homeDir, {
        PATH,
        BOXLITE_CACHE,
      });
      if (stdout !== undefined) assert.equal(stdout, 'hello\n');
      else assert.match(`${kind}: ${message}`, /^Config: .*apt/s);
    });

    it("that only looks like one is an Engine error with the VMM's end", async () => {
      await using owner = new TestRuntime(engine);
      // The head of a 64-bit ELF file for x86-64 that starts where such kernels do, and no program behind it.
      const content = Buffer.alloc(1024);
      content.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
      content.writeUInt16LE(62, 18);
      content.writeBigUInt64LE(engine === 'uml' ? 0x6000_0000n : 0x100_0000n, 24);
      const BOXLITE_CACHE = cacheWithKernel(owner.homeDir, content);
      const { kind, message } = await tryRun(engine, owner.homeDir, { BOXLITE_CACHE });
      assert.equal(kind, 'Engine', message);
      assert.match(
        message ?? '',
        /Cannot boot, waiting for the agent: .*the VMM ended with status/s,
      );
    });
  });

  it('a box whose disk has been destroyed does not boot, and says which part failed', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
    await box.start();
    await box.stop();
    const disk = join(owner.homeDir, 'boxes', box.id.asStr(), 'disk.ext4');
    writeFileSync(disk, Buffer.alloc(1024 * 1024));
    await assert.rejects(box.start(), { kind: 'Storage', message: new RegExp(disk) });
    await owner.runtime.remove(box.id);
  });

  describe('a VMM that is killed while commands run', () => {
    for (const whom of ['jail', 'VMM'] as const) {
      it(`(the ${whom}) fails everything that waits, and the box has stopped`, async () => {
        await using owner = new TestRuntime(engine);
        const box = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
        await shell(box, 'echo text > /file; sync');
        const execution = await box.run(['sh', '-c', 'cat; sleep 100000']);
        const stdin = execution.stdin();
        const waiting: (Promise<unknown> | undefined)[] = [
          execution.wait(),
          execution.stdout()?.text(),
          execution.stderr()?.text(),
          box.run(['sleep', '100000']).then((other) => other.wait()),
        ];
        for (const one of waiting) one?.catch(() => undefined);
        await shell(box, 'true');
        const jail = box.info().pid ?? 0;
        const vmm = descendants(jail).find(({ name }) => /^(linux|qemu)/.test(name));
        const all = descendants(jail);
        process.kill(whom === 'jail' ? jail : (vmm?.pid ?? 0), 'SIGKILL');
        const end = whom === 'jail' ? 'was ended by SIGKILL' : 'ended with status 137';
        for (const one of waiting) {
          await assert.rejects(inTime('the end', one ?? Promise.resolve()), {
            kind: 'Engine',
            message: new RegExp(`the VMM ${end}`),
          });
        }
        await assert.rejects(stdin?.write('more') ?? Promise.resolve());
        await inTime(
          'the box',
          untilStopped(() => box.info().status),
        );
        assert.match(box.info().exitReason ?? '', new RegExp(end));
        await eventuallyNone('left', () => all.filter(isAlive).map(({ name }) => name));

        // The handle is still good: the box starts again with the files it had.
        assert.equal((await shell(box, 'cat /file')).stdout, 'text\n');
        await box.stop();
        await owner.runtime.remove(box.id);
      });
    }

    it('takes a box with it that is removed when it stops', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox();
      const execution = await box.run(['sleep', '100000']);
      process.kill(box.info().pid ?? 0, 'SIGKILL');
      await assert.rejects(inTime('wait()', execution.wait()), { kind: 'Engine' });
      await assert.rejects(inTime('run()', box.run(['true'])), { kind: 'NotFound' });
      assert.deepEqual(readdirSync(join(owner.homeDir, 'boxes')), []);
    });
  });

  describe('a program that ends without stopping its box', () => {
    for (const [how, told] of [
      ['boot', 'because it is killed while the box boots'],
      ['run', 'because it is killed while a command runs'],
      ['exit', 'by process.exit() while a command runs'],
      ['idle', 'because it has nothing left to do'],
    ] as const) {
      it(`${told}, leaves nothing`, async () => {
        await using owner = new TestRuntime(engine);
        const { homeDir } = owner;
        const ended = await program('owner', [engine, homeDir, how]);
        assert.equal(ended.stderr, '');
        if (how === 'boot' || how === 'run') assert.equal(ended.signal, 'SIGKILL');
        if (how === 'exit') assert.equal(ended.code, 7);
        if (how === 'idle') assert.equal(ended.code, 0);
        const processes: ProcessEntry[] = JSON.parse(ended.stdout);
        assert.ok(processes.length >= 2, ended.stdout);
        await eventuallyNone('left', () =>
          [...processes.filter(isAlive), ...processesWithFilesIn(homeDir)].map(({ name }) => name),
        );
        assert.deepEqual(readdirSync(join(homeDir, 'boxes')), []);
        assert.deepEqual(readdirSync(folders.temporary), []);
        // The next program finds no trace of it.
        assert.deepEqual(await owner.runtime.listInfo(), []);
        assert.deepEqual(readdirSync(join(homeDir, 'owners')), []);
      });
    }
  });
});

forEachEngine((engine) => {
  it('a program that is killed at any moment of a boot leaves nothing', async () => {
    await using owner = new TestRuntime(engine);
    const { homeDir } = owner;
    for (let round = 0; round < KILLS; round++) {
      const delayMs = randomInt(BOOT_MS);
      const { signal, stdout, stderr } = await program('owner', [engine, homeDir, `${delayMs}`]);
      assert.equal(signal, 'SIGKILL', stderr);
      const processes: ProcessEntry[] = JSON.parse(stdout);
      // The next program ends what nobody has told to end, and what was not there yet is found by its files.
      await using next = new BoxliteRuntime({ homeDir, engine });
      assert.deepEqual(await next.listInfo(), []);
      await eventuallyNone(`left after ${delayMs} ms`, () =>
        [...processes.filter(isAlive), ...processesWithFilesIn(homeDir)]
          .filter(({ pid }) => pid !== process.pid)
          .map(({ name }) => name),
      );
      assert.deepEqual(readdirSync(join(homeDir, 'boxes')), []);
    }
  });
});

async function untilStopped(status: () => string): Promise<void> {
  await eventuallyNone('its status is', () => (status() === 'stopped' ? [] : [status()]));
}

forEachEngine((engine) => {
  // A jail in the making does not yet die with its parent.
  it('a boot that is given up at any early moment leaves nothing', async () => {
    await using home = new TestRuntime(engine);
    for (let delayMs = 0; delayMs < EARLY_MS; delayMs++) {
      const box = await home.makeBox();
      const reason = new Error(`after ${delayMs} ms`);
      const control = new AbortController();
      const starting = box.start({ signal: control.signal });
      setTimeout(() => control.abort(reason), delayMs);
      await inTime(
        'giving up',
        starting.catch((error: unknown) => assert.equal(error, reason)),
      );
      await box.stop();
    }
    await eventuallyNone('left', () => descendants().map(({ pid, name }) => `${pid} ${name}`));
  });
});
