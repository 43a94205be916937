/** Boxes with a root in a folder of the host, without a jail, and with a kernel that protects itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BoxOptions, SecurityOptions, type SecurityOptionsBuilder } from '../../src/index.ts';
import { findGroupPlace } from '../../src/runtime/control-groups.ts';
import { forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';
import { descendants } from './processes.ts';

/** What is wrong with a base, how it becomes so, and what is said. */
type Case = [name: string, make: (path: string) => void, message: RegExp];

const asRoot = process.getuid?.() === 0;

function secured(change: (b: SecurityOptionsBuilder) => SecurityOptionsBuilder): BoxOptions {
  return { advanced: { security: change(SecurityOptions.builder()).build() }, memoryMib: 128 };
}

forEachEngine((engine) => {
  describe('a box with a chrootBase', () => {
    let base: string;

    before(() => {
      // The folders of the fixture are closed to others, and so to the users of boxes.
      base = mkdtempSync('/var/tmp/boxlite-roots-');
      chmodSync(base, 0o755);
    });
    after(() => rmSync(base, { recursive: true, force: true }));

    it('has its root there while it runs', async () => {
      await using owner = new TestRuntime(engine);
      // It is made if it is not there.
      const inside = join(base, 'new', 'roots');
      const box = await owner.makeBox(secured((b) => b.chrootBase(inside)));
      assert.equal((await shell(box, 'echo here')).stdout, 'here\n');
      const root = join(inside, box.id.asStr().toLowerCase());
      const names = readdirSync(root).sort();
      for (const name of ['box', 'dev', 'proc']) assert.ok(names.includes(name), `${names}`);
      // Seen from here these are empty: what is mounted there is seen from inside.
      assert.deepEqual(readdirSync(join(root, 'proc')), []);
      await box.stop();
      assert.deepEqual(readdirSync(inside), []);
    });

    it('has it each time it starts, also after a crash', async () => {
      await using owner = new TestRuntime(engine);
      const options = { ...secured((b) => b.chrootBase(base)), autoRemove: false };
      const box = await owner.makeBox(options);
      const root = join(base, box.id.asStr().toLowerCase());
      mkdirSync(join(root, 'left'), { recursive: true });
      for (let life = 0; life < 2; life++) {
        await box.start();
        assert.ok(!existsSync(join(root, 'left')));
        await box.stop();
        assert.ok(!existsSync(root));
      }
    });

    async function refuses(cases: readonly Case[]): Promise<void> {
      await using owner = new TestRuntime(engine);
      for (const [name, make, message] of cases) {
        const path = join(base, name);
        mkdirSync(path);
        make(path);
        const box = await owner.makeBox(secured((b) => b.chrootBase(path)));
        await assert.rejects(box.start(), { kind: 'Config', message }, name);
      }
    }

    it('is refused one that others could exchange', () =>
      refuses([
        ['open', (path) => chmodSync(path, 0o777), /others may write in it/],
        ['link', (path) => replaceByLink(path), /it is a symbolic link/],
        ['file', (path) => replaceByFile(path), /EEXIST|no directory/],
      ]));

    const noOthers = !asRoot && 'only root has VMMs of other users, and folders of theirs';
    it('is refused one of another user, or that its user cannot reach', { skip: noOthers }, () =>
      refuses([
        ['closed', (path) => chmodSync(path, 0o700), /cannot get through/],
        ['foreign', (path) => chownSync(path, 4242, 4242), /belongs to another/],
      ]),
    );
  });

  describe('a box in ptrace mode', { skip: engine !== 'uml' && 'only uml has it' }, () => {
    it('boots and runs programs', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(secured((b) => b.umlPtrace(true)));
      assert.equal((await shell(box, 'echo $((6*7)); nproc')).stdout, '42\n1\n');
      // Its stubs are traced, which in the other mode none is.
      const traced = descendants().map(({ pid }) => status(pid, 'TracerPid'));
      assert.ok(
        traced.some((tracer) => tracer !== '0'),
        `${traced}`,
      );
    });

    it('is what a box has by itself only on a kernel that knows no other', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(secured((b) => b));
      await box.start();
      const traced = descendants().map(({ pid }) => status(pid, 'TracerPid'));
      const { seccomp } = await kernelOf(engine);
      const none = traced.every((tracer) => tracer === '0');
      assert.equal(none, seccomp, `${traced}`);
    });
  });

  describe('a box without a jail', () => {
    it('boots, and nothing of bubblewrap runs', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(secured((b) => b.jailerEnabled(false).allowUnjailed(true)));
      assert.equal((await shell(box, 'echo free')).stdout, 'free\n');
      const { pid } = box.info();
      const names = [pid ?? 0, ...descendants(pid ?? 0).map((entry) => entry.pid)].map((one) =>
        status(one, 'Name'),
      );
      assert.ok(!names.includes('bwrap'), `${names}`);
      assert.equal(status(pid ?? 0, 'Seccomp'), '0');
      // User-mode Linux would, in a folder that stays there when it is killed.
      assert.ok(!pidsKeptIn('/tmp').includes(`${pid}`), 'the VMM keeps its pid on the host');
    });

    const boundary = engine === 'uml';
    it(boundary ? 'is refused, as that is all that holds it' : 'boots as it is', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ advanced: { security: SecurityOptions.disabled() } });
      if (boundary) {
        await assert.rejects(box.start(), { kind: 'InvalidArgument', message: /allowUnjailed/ });
      } else {
        assert.equal((await shell(box, 'echo free')).stdout, 'free\n');
      }
    });

    const notRoot = !asRoot && 'the processes of an ordinary user can be counted without one';
    it('is refused a limit that only a control group could set', { skip: notRoot }, async () => {
      await using owner = new TestRuntime(engine);
      const place = findGroupPlace();
      const box = await owner.makeBox(
        secured((b) => b.jailerEnabled(false).allowUnjailed(true).maxProcesses(99)),
      );
      if ('folder' in place && place.controllers.has('pids')) await box.start();
      else await assert.rejects(box.start(), { kind: 'Config', message: /maxProcesses/ });
    });

    it('is warned of once by a program, however many it has', async () => {
      const path = fileURLToPath(new URL('programs/unjailed.ts', import.meta.url));
      await using owner = new TestRuntime(engine);
      const child = spawn(process.execPath, [path, engine, owner.homeDir], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [said, warned] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        child.exitCode ?? once(child, 'exit'),
      ]);
      assert.equal(said, 'box 0\nbox 1\n', warned);
      const times = warned.match(/BoxliteSecurityWarning/g) ?? [];
      assert.equal(times.length, boundary ? 1 : 0, warned);
    });
  });
});

function replaceByLink(path: string): void {
  rmSync(path, { recursive: true });
  symlinkSync(dirname(path), path);
}

function replaceByFile(path: string): void {
  rmSync(path, { recursive: true });
  writeFileSync(path, '');
}

/** A line of /proc/<pid>/status; empty if the process has gone. */
function status(pid: number, name: string): string {
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'utf8');
    return new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(lines)?.[1] ?? '';
  } catch {
    return '';
  }
}

/** What folders of `directory` tell in a file called `pid`. */
function pidsKeptIn(directory: string): string[] {
  const files = readdirSync(directory).map((name) => join(directory, name, 'pid'));
  return files.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8').trim());
}
