/**
 * Control groups around VMMs: on the host, as far as this one has any to give, and in a guest, whose kernel shows that
 * our settings stop what they are to stop.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cacheDir, programPath } from '../../src/base/env.ts';
import { BoxDisks } from '../../src/disk/box-disk.ts';
import { type EngineName, SecurityOptions } from '../../src/index.ts';
import { type Controller, groupName, groupSettings } from '../../src/jail/control-group.ts';
import { thisProcess } from '../../src/process/identity.ts';
import { runCommand } from '../../src/process/run.ts';
import { baseImage } from '../../src/runtime/base-image.ts';
import { boot } from '../../src/runtime/boot.ts';
import {
  ControlGroup,
  findGroupPlace,
  type GroupPlace,
  ownFolders,
  sweepGroups,
} from '../../src/runtime/control-groups.ts';
import { Home } from '../../src/runtime/home.ts';
import { Host } from '../../src/runtime/host.ts';
import { recover } from '../../src/runtime/recover.ts';
import { boxSpec, newHome, ownerOf, runningBox } from '../store/store-fixture.ts';
import { folders, forEachEngine } from './fixture.ts';
import { eventually } from './polling.ts';
import { descendants } from './processes.ts';
import { become, USER, unable } from './somebody.ts';
import { StandIns } from './stand-in.ts';

const MIB = 1024 * 1024;
/** Why nothing can be delegated here. */
function delegation(): string | false {
  if (process.getuid?.() !== 0) return 'only root can delegate';
  if (wordsOf('cgroup.controllers').length === 0) return 'the host has no controller to give';
  return unable();
}

function wordsOf(name: string): string[] {
  const text = readFileSync(join(outermost ?? '', name), 'utf8').trim();
  return text === '' ? [] : text.split(' ');
}

/** Lets the host's outermost group give a controller on, whichever: nothing is limited by that. */
function giveAny(undo: AsyncDisposableStack): string {
  const controller = wordsOf('cgroup.controllers').at(-1) ?? '';
  if (wordsOf('cgroup.subtree_control').includes(controller)) return controller;
  const file = join(outermost ?? '', 'cgroup.subtree_control');
  writeFileSync(file, `+${controller}`);
  undo.defer(() => writeFileSync(file, `-${controller}`));
  return controller;
}

/** A folder of control groups that we may divide, whatever can be limited there; null where the host has none. */
const outermost = ownFolders().find(isOurs) ?? null;

function isOurs(folder: string): boolean {
  try {
    for (const name of ['', 'cgroup.procs']) accessSync(join(folder, name), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A place for groups that is this test's alone, and limits nothing. */
function ownPlace(): GroupPlace & Disposable {
  const folder = mkdtempSync(join(outermost ?? '', 'boxlite-test-'));
  return {
    folder,
    controllers: new Set(),
    [Symbol.dispose]: () => rmdirSync(folder),
  };
}

const members = (place: GroupPlace, name: string) =>
  readFileSync(join(place.folder, name, 'cgroup.procs'), 'utf8')
    .trim()
    .split('\n')
    .map(Number);

describe('control groups', {
  skip: outermost === null && 'no control groups are ours here',
}, () => {
  it('hold a process with all it has started, and end with all that is left', async () => {
    using place = ownPlace();
    const script = 'sleep 600 & (sleep 600 & sleep 600) & echo ready; wait';
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const pid = child.pid ?? 0;
    await using group = await ControlGroup.around(pid, { place, box: 'a', settings: [] });
    const family = [pid, ...descendants(pid).map((entry) => entry.pid)].sort((a, b) => a - b);
    assert.ok(family.length >= 4, `${family}`);
    assert.deepEqual(
      members(place, groupName(await thisProcess(), 'a')).sort((a, b) => a - b),
      family,
    );
    await group[Symbol.asyncDispose]();
    await exited;
    assert.deepEqual(
      readdirSync(place.folder).filter((name) => name.includes('-a')),
      [],
    );
  });

  it('are swept when their owner has died, and left alone while it lives', async () => {
    using place = ownPlace();
    const me = await thisProcess();
    const names = [groupName(me, 'mine'), groupName({ ...me, start: '1' }, 'left'), 'of-others'];
    for (const name of names) mkdirSync(join(place.folder, name));
    const left = names[1] ?? '';
    await using child = new AsyncDisposableStack();
    const sleeper = spawn('sleep', ['600'], { stdio: 'ignore' });
    child.defer(() => void sleeper.kill('SIGKILL'));
    const exited = new Promise((resolve) => sleeper.once('exit', (_, signal) => resolve(signal)));
    writeFileSync(join(place.folder, left, 'cgroup.procs'), String(sleeper.pid));
    await sweepGroups(place);
    assert.equal(await exited, 'SIGKILL');
    const kept = names.filter((name) => name !== left);
    const there = readdirSync(place.folder).filter((name) => names.includes(name));
    assert.deepEqual(there.sort(), [...kept].sort());
    for (const name of kept) rmdirSync(join(place.folder, name));
  });

  it('are swept by the next program on the home', async (t) => {
    using place = ownPlace();
    const dead = { ...(await thisProcess()), start: '1' };
    const options = { cacheDir: '/nonexistent', path: '', run: runCommand };
    using home = new Home(newHome(t), new Host({ ...options, groupPlace: place }));
    runningBox(home.store, ownerOf(dead, 'run'));
    const left = join(place.folder, groupName(dead, 'box'));
    mkdirSync(left);
    await recover(home);
    assert.ok(!existsSync(left));
  });

  it('are made below what was delegated to a user', { skip: delegation() }, async () => {
    await using undo = new AsyncDisposableStack();
    const controller = giveAny(undo);
    const delegated = undo.use(ownPlace());
    const inner = join(delegated.folder, 'app');
    mkdirSync(inner);
    undo.defer(() => rmdirSync(inner));
    for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control']) {
      chownSync(join(delegated.folder, name), USER, USER);
    }
    const program = fileURLToPath(new URL('programs/delegated.ts', import.meta.url));
    const script = `echo $$ > ${inner}/cgroup.procs; exec ${become.join(' ')} "$@"`;
    const said = execFileSync('sh', ['-c', script, 'sh', process.execPath, program, controller], {
      encoding: 'utf8',
    });
    const { folder, inside, signal } = JSON.parse(said);
    undo.defer(() => rmdirSync(folder));
    assert.equal(folder, join(delegated.folder, 'boxlite'));
    assert.match(inside, /^0::.*\/boxlite\/\d+-\d+-\d+-box$/m);
    assert.equal(signal, 'SIGKILL');
  });

  it('limit what the host has to give, or it is told why they do not', () => {
    const none = findGroupPlace(['none' as Controller]);
    assert.match('reason' in none ? none.reason : '', /has none of the controllers none|EACCES/);
    // Any of them shows it: nothing is limited by being enabled.
    const some = wordsOf('cgroup.controllers').slice(-1) as Controller[];
    if (some.length === 0) return;
    const before = wordsOf('cgroup.subtree_control');
    const isNew = !readdirSync(outermost ?? '').includes('boxlite');
    const found = findGroupPlace(some);
    assert.ok('folder' in found, 'reason' in found ? found.reason : '');
    assert.deepEqual([...found.controllers], some);
    if (isNew) rmdirSync(found.folder);
    const control = join(outermost ?? '', 'cgroup.subtree_control');
    for (const name of some) if (!before.includes(name)) writeFileSync(control, `-${name}`);
  });
});

forEachEngine((engine) => {
  describe('a box', { skip: outermost === null && 'no control groups are ours here' }, () => {
    it('has all of its VMM in one control group, which goes with it', async () => {
      using place = ownPlace();
      await using disks = new AsyncDisposableStack();
      const scratch = mkdtempSync(join(folders.homes, 'disk-'));
      const options = { cacheDir: cacheDir(), path: programPath(), run: runCommand };
      const booted = await boot({
        host: new Host({ ...options, groupPlace: place }),
        spec: boxSpec({ engine, network: 'disabled', memoryMib: 128, cpus: 1 }),
        hostname: 'grouped',
        image: async () => ({ disk: await baseImage(options), config: null, stored: null }),
        disk: () => new BoxDisks(options.cacheDir, runCommand).create({ unnamedIn: scratch }, 1),
        providers: new Map(),
        uplink: { connection: () => undefined, flow: () => undefined, close: () => undefined },
        onTraffic: () => undefined,
      });
      disks.defer(() => rmdirSync(scratch));
      try {
        const { pid } = booted.vm.process;
        const name = groupName(await thisProcess(), 'grouped');
        const held = new Set(members(place, name));
        const all = [pid, ...descendants(pid).map((entry) => entry.pid)];
        assert.deepEqual(
          all.filter((one) => !held.has(one)),
          [],
        );
      } finally {
        await booted.resources[Symbol.asyncDispose]();
      }
      assert.deepEqual(
        readdirSync(place.folder).filter((name) => name.endsWith('grouped')),
        [],
      );
    });
  });

  describe('the kernel', () => {
    /** What the guest says its kernel made of the settings of a VMM with these limits. */
    async function tried(engine: EngineName, security: SecurityOptions): Promise<string[]> {
      // Less than a VMM gets, so that a small guest can have too much.
      const settings = groupSettings({ cpus: 1, memoryMib: 64 }, security);
      const pairs = settings.map(({ file, value }) => `{"${file}","${value}"}`);
      using standIns = new StandIns(engine);
      const macros = { SETTINGS: pairs.join(',') };
      await using vm = await standIns.start('limits', { timeoutMs: 60_000, macros });
      // A guest's console and its wire are two ways: what it said first may come last.
      const said = await eventually('the end of what the guest says', () => {
        const { consoleTail } = vm.process;
        return /^processes: [^\n]*\n/m.test(consoleTail) ? consoleTail : null;
      });
      return said.split('\n').map((line) => line.trim());
    }

    it('ends what uses more memory, and refuses more processes', async () => {
      const limited = SecurityOptions.builder()
        .maxMemoryBytes(16 * MIB)
        .maxProcesses(8)
        .build();
      const lines = await tried(engine, limited);
      for (const file of ['memory.max', 'memory.oom.group', 'cpu.max', 'pids.max']) {
        assert.ok(lines.includes(`${file}: error 0`), lines.join('\n'));
      }
      assert.ok(lines.includes('memory: exit -1 signal 9'), lines.join('\n'));
      // Itself is one of the ten.
      assert.ok(lines.includes('processes: exit 9 signal 0'), lines.join('\n'));
    });

    it('stops neither within the limits', async () => {
      const lines = await tried(engine, SecurityOptions.enabled());
      assert.ok(lines.includes('memory: exit 0 signal 0'), lines.join('\n'));
      assert.ok(lines.includes('processes: exit 64 signal 0'), lines.join('\n'));
    });
  });
});
