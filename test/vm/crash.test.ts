/**
 * Several programs use one home at once, and all of them, their shims and their VMMs are killed at random
 * moments. Whatever was cut short, the next program finds a home in order.
 *
 *     BOXLITE_CRASH_SEED=1 BOXLITE_CRASH_ROUNDS=300 node --test test/vm/crash.test.ts
 *
 * A seed gives the same programs and the same moments; what they meet there is up to the machine.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteRuntime, type EngineName, type LiteBox } from '../../src/index.ts';
import { diceFrom } from './dice.ts';
import { folders, shell, TestRuntime } from './fixture.ts';
import { watchForLeaks } from './leaks.ts';
import { eventuallyNone, inTime } from './polling.ts';
import {
  descendants,
  type ProcessEntry,
  processesWithFilesIn,
  processesWithVariable,
  readProcess,
} from './processes.ts';
import { type Visit, Visitor } from './visitors.ts';

const rounds = Number(process.env['BOXLITE_CRASH_ROUNDS'] ?? 6);
const seed = Number(process.env['BOXLITE_CRASH_SEED'] ?? randomInt(1, 0x7fffffff));
const engine: EngineName = process.arch === 'x64' ? 'uml' : 'tcg';
/** What one round may take on a busy machine. */
const ROUND_MS = 120_000;

const PROGRAMS = 3;
const KILLS_MAX = 4;
/** The longest that programs go on before the next of them is killed. */
const PAUSE_MS_MAX = 700;
const LOOKS_MAX = 200;
const LOOK_MS = 50;
const SURVIVOR = 'survivor';
const WRITE =
  'for f in /data /share/data; do head -c 1000000 /dev/urandom > $f; done; sha256sum /data /share/data > /sum; sync';
const CHECK = 'sha256sum -c /sum';

interface Order {
  readonly seed: number;
  readonly survivor: string;
  /** A directory of the host that boxes share. */
  readonly share: string;
  /** A port of the host for the box `a`, whoever makes it. */
  readonly hostPort: number;
}

/** What a program does until it is killed. It is sent there, so it sees nothing but its arguments. */
async function contend({ runtime }: Visit, order: Order) {
  let state = order.seed;
  const dice = (sides: number) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % sides;
  };
  const base = { rootfs: 'builtin:base', diskSizeGb: 1 };
  const kinds = [{}, { autoRemove: false }, { detach: true }];
  const volumes = [{ hostPath: order.share, guestPath: '/share' }];
  const secrets = [{ name: 'key', hosts: ['secret.example'], value: 'of the host' }];
  const extras = [{}, { volumes }, { volumes, secrets }, { network: 'disabled' as const }];
  const port = (name: string) => {
    const hostPort = name === 'a' ? order.hostPort : 0;
    return [{ guestPort: 7, hostIp: '127.0.0.1', hostPort }];
  };
  // From the host through the box's network to a program in the box, and back.
  const talk = async (box: LiteBox) => {
    const { connect } = process.getBuiltinModule('node:net');
    const service = await box.run(['timeout', '1', 'nc', '-l', '-p', '7', '-e', 'cat']);
    const [published] = box.info().ports;
    const told = service.wait();
    let over = published === undefined;
    void told.finally(() => {
      over = true;
    });
    // Until the program listens, those who come are reset.
    while (!over) {
      const client = connect(published?.hostPort ?? 0, '127.0.0.1', () => client.write('hello'));
      client.on('data', () => service.kill()).on('error', () => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
      client.destroy();
    }
    await told;
  };
  const act = async () => {
    const name = ['a', 'b', 'c', order.survivor][dice(4)] ?? '';
    const extra = extras[dice(4)] ?? {};
    const ports = 'network' in extra ? [] : port(name);
    const options = { ...base, ...kinds[dice(3)], ...extra, ports };
    const { box } = await runtime.getOrCreate(options, name);
    const what = dice(8);
    if (what === 0) await box.start();
    else if (what === 1) await box.stop({ timeoutMs: dice(300) });
    else if (what === 2 && name !== order.survivor) await runtime.remove(name, dice(2) === 0);
    else if (what === 3) await talk(box);
    else if (what === 4) await box.network.publish({ guestPort: 8, hostIp: '127.0.0.1' });
    else {
      const write = 'head -c 200000 /dev/zero > /tmp/$$; [ ! -e /share ] || mv /tmp/$$ /share/';
      await (await box.run(['sh', '-c', write])).output();
    }
  };
  for (;;) {
    for (const outcome of await Promise.allSettled([act(), act()])) {
      if (outcome.status === 'fulfilled') continue;
      const { kind = '', stack } = outcome.reason as { kind?: string; stack?: string };
      // A box that went away or did not boot is no wonder here; a home that is damaged is.
      if (['', 'Database', 'Internal', 'Storage'].includes(kind)) return `${kind}: ${stack}`;
    }
  }
}

/** One of what runs on this home: a program, a shim, a VMM. */
function victims(programs: readonly Visitor[], homeDir: string): number[] {
  const running = processesWithFilesIn(homeDir).map(({ pid }) => pid);
  return [...new Set([...programs.map(({ pid }) => pid), ...running])];
}

function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined && pid !== process.pid) process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}

/** More than one VMM of a box: each has its disk open, and what it starts has it from there. */
function doubles(homeDir: string): string[] {
  const boxes = join(homeDir, 'boxes');
  return readdirSync(boxes).flatMap((id) => {
    const users = processesWithFilesIn(join(boxes, id)).filter(isVmm);
    const pids = new Set(users.map(({ pid }) => pid));
    const roots = users.filter(({ parent }) => !pids.has(parent));
    return roots.length > 1 ? [`${id}: ${roots.map(({ pid, name }) => `${pid} ${name}`)}`] : [];
  });
}

function isVmm({ pid, name }: ProcessEntry): boolean {
  return /^(linux|qemu|bwrap)/.test(name) && readProcess(pid)?.state !== 'Z';
}

function checkDatabase(homeDir: string): void {
  const database = new DatabaseSync(join(homeDir, 'boxlite.db'));
  try {
    const [row] = database.prepare('PRAGMA integrity_check').all();
    assert.deepEqual({ ...row }, { integrity_check: 'ok' });
  } finally {
    database.close();
  }
}

/** What there is of no box, or of one that nobody runs. */
async function remnants(runtime: BoxliteRuntime, homeDir: string): Promise<string[]> {
  const infos = await runtime.listInfo();
  const ids = new Set(infos.map(({ id }) => id.asStr()));
  const directories = readdirSync(join(homeDir, 'boxes')).filter((name) => !ids.has(name));
  const owners = join(homeDir, 'owners');
  const sockets = existsSync(owners) ? readdirSync(owners) : [];
  // A shim that has only just been started has opened nothing, and will run its box all the same.
  const starting = processesWithVariable('TMPDIR', folders.temporary);
  const processes = [...processesWithFilesIn(homeDir), ...starting].map(
    ({ pid, name }) => `${pid} ${name}`,
  );
  const active = infos.filter(({ status }) => status !== 'stopped' && status !== 'configured');
  return [
    ...directories.map((name) => `directory ${name}`),
    ...sockets.map((name) => `socket ${name}`),
    ...processes.map((text) => `process ${text}`),
    ...active.map(({ id, status }) => `box ${id} ${status}`),
  ];
}

/** A port that nobody listens on, or the given one if nobody does. @throws Error if somebody does */
async function freePort(hostPort = 0): Promise<number> {
  const server = createServer().listen(hostPort, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

interface Ground {
  readonly homeDir: string;
  readonly share: string;
  readonly hostPort: number;
}

async function round(ground: Ground, dice: (sides: number) => number): Promise<void> {
  const { homeDir, share, hostPort } = ground;
  const programs = await Promise.all(
    Array.from({ length: PROGRAMS }, () => Visitor.start(homeDir, engine)),
  );
  const work = programs.map((program) =>
    program.does(contend, { seed: 1 + dice(1_000_000), survivor: SURVIVOR, share, hostPort }),
  );
  const damages: string[] = [];
  for (const each of work) {
    each.then(
      (damage) => damages.push(damage),
      () => undefined,
    );
  }
  for (let kills = 1 + dice(KILLS_MAX); kills > 0; kills--) {
    await sleep(dice(PAUSE_MS_MAX));
    assert.deepEqual(doubles(homeDir), []);
    const all = victims(programs, homeDir);
    kill(all[dice(all.length)]);
  }
  await sleep(dice(PAUSE_MS_MAX));
  for (const program of programs) await program.kill();
  assert.deepEqual(damages, []);
  checkDatabase(homeDir);
  await settle(homeDir);
  await freePort(hostPort);
  await using next = new BoxliteRuntime({ homeDir, engine });
  const survivor = await next.get(SURVIVOR);
  assert.ok(survivor !== null, 'the survivor has gone');
  const { exitCode, stdout, stderr } = await shell(survivor, CHECK);
  assert.equal(exitCode, 0, `the survivor's file is damaged: ${stdout}${stderr}`);
  await survivor.stop();
}

/** What a new program makes of it: detached boxes go on until it stops them; of all else nothing is left. */
async function settle(homeDir: string): Promise<void> {
  await using next = new BoxliteRuntime({ homeDir, engine });
  let left = ['everything'];
  // A process that was killed needs the kernel's time to end, and a shim may only just have begun.
  for (let look = 0; look < LOOKS_MAX && left.length > 0; look++) {
    if (look > 0) await sleep(LOOK_MS);
    for (const { id } of await next.listInfo()) {
      const box = await next.get(id);
      await inTime(`stopping ${id}`, box?.stop() ?? Promise.resolve(), ROUND_MS / 2);
    }
    left = await remnants(next, homeDir);
  }
  assert.deepEqual(left, []);
}

/** Makes a box with a file that nothing may damage. */
async function makeSurvivor({ homeDir, share }: Ground): Promise<void> {
  await using first = new BoxliteRuntime({ homeDir, engine });
  const volumes = [{ hostPath: share, guestPath: '/share' }];
  const options = { rootfs: 'builtin:base', autoRemove: false, diskSizeGb: 1, volumes };
  const survivor = await first.create(options, SURVIVOR);
  const { exitCode, stderr } = await shell(survivor, WRITE);
  assert.equal(exitCode, 0, stderr);
  await survivor.stop();
}

describe(`a home whose programs are killed, with BOXLITE_CRASH_SEED=${seed}`, () => {
  it(`is in order after each of ${rounds} rounds`, { timeout: rounds * ROUND_MS }, async () => {
    await using home = new TestRuntime(engine);
    const share = join(home.homeDir, 'share');
    mkdirSync(share);
    const ground = { homeDir: home.homeDir, share, hostPort: await freePort() };
    await makeSurvivor(ground);
    const dice = diceFrom(seed);
    for (let i = 1; i <= rounds; i++) {
      await round(ground, dice).catch((cause: unknown) => {
        const again = `BOXLITE_CRASH_SEED=${seed} BOXLITE_CRASH_ROUNDS=${rounds}`;
        const why = cause instanceof Error ? cause.message : String(cause);
        // Otherwise what is left would be all that is told.
        for (const { pid } of processesWithFilesIn(home.homeDir)) kill(pid);
        throw new Error(`round ${i} of ${again}: ${why}`, { cause });
      });
    }
    await eventuallyNone('left', () => descendants().map(({ pid, name }) => `${pid} ${name}`));
    await home.runtime.remove(SURVIVOR, true);
  });
  watchForLeaks(folders);
});
