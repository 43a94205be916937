/**
 * A stand-in for a VMM that has been taken over is started as a VMM is, tries to get out, and tells what it got. Each
 * attempt is made with every switch of the jail on, with each off alone, with each on alone, and without a jail: that
 * it can succeed shows that its failure means something.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SecurityOptions, type SecurityOptionsBuilder } from '../../src/index.ts';
import { hostUserFor, mapsBoxUsers } from '../../src/jail/host-user.ts';
import { JailRoot } from '../../src/runtime/jail-root.ts';
import { StandIn, type Targets } from './breakout.ts';

const MIB = 1024 * 1024;
const SECRET = 'BOXLITE_TEST_SECRET';
const BOX = 'taken-over';
const ABSTRACT = `boxlite-test-${process.pid}`;
const asRoot = process.getuid?.() === 0;
/** Without root no switch is needed to be kept from most of it. */
const notRoot = !asRoot && 'only root has everything that is tried';
const noOtherUsers = !asRoot && 'only root can give a VMM a user';

/** What can be turned off alone, and how. */
const switches = {
  chroot: (b: SecurityOptionsBuilder, on: boolean) => b.chrootEnabled(on),
  net: (b: SecurityOptionsBuilder, on: boolean) => b.newNetNs(on),
  pid: (b: SecurityOptionsBuilder, on: boolean) => b.newPidNs(on),
  seccomp: (b: SecurityOptionsBuilder, on: boolean) => b.seccompEnabled(on),
  environment: (b: SecurityOptionsBuilder, on: boolean) => b.sanitizeEnv(on),
  limits: (b: SecurityOptionsBuilder, on: boolean) => b.resourceLimits(on ? LIMITS : {}),
};
type Switch = keyof typeof switches;
const allSwitches = Object.keys(switches) as Switch[];

const LIMITS = {
  maxOpenFiles: 256,
  maxProcesses: 16,
  maxMemory: 512 * MIB,
  maxFileSize: MIB,
};

/** A number in /proc/sys/kernel; one that is not there forbids. */
function hostSetting(name: string): number {
  const path = `/proc/sys/kernel/${name}`;
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : 1;
}

function dumpsAllowed(): boolean {
  const hard = /^Max core file size +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return hard?.[1] === 'unlimited' || Number(hard?.[1]) > 1;
}

/**
 * What stops an attempt, each by itself. `user`: that the jail drops to a user without privileges in a user
 * namespace, which is so as long as there is a jailer.
 */
const stoppedBy: Readonly<Record<string, readonly (Switch | 'user')[]>> = {
  environment: ['environment'],
  file: ['chroot'],
  directory: ['chroot'],
  disk: ['chroot', 'user'],
  // With a user of its own it is root's; without, it is on a read-only mount.
  image: ['chroot', 'user'],
  socket: ['chroot', 'seccomp'],
  sysfs: ['chroot'],
  sysctl: ['user'],
  loopback: ['net', 'seccomp'],
  abstract: ['net', 'seccomp'],
  'see-process': ['pid'],
  signal: ['pid', 'user'],
  trace: ['pid', 'seccomp', 'user'],
  'many-descriptors': ['limits'],
  'many-processes': ['limits'],
  'much-memory': ['limits'],
  'disk-grows': ['limits', 'user'],
  // What is not allowed here cannot be taken away.
  ...(dumpsAllowed() ? { dump: ['user'] as const } : {}),
  'fill-root': ['chroot', 'limits', 'user'],
  'fill-dev': ['chroot', 'limits', 'user'],
  'fill-tmp': ['chroot', 'limits'],
  'fill-shm': ['chroot', 'limits'],
  // Not every kernel has modules.
  ...(existsSync('/proc/modules') ? { modules: ['seccomp', 'user'] as const } : {}),
  keyctl: ['seccomp'],
  bpf: ['seccomp'],
  'io-uring': ['seccomp'],
  userfaultfd: ['seccomp'],
  // What an ordinary user may do of this is up to the host.
  perf: ['seccomp', ...(hostSetting('perf_event_paranoid') > 1 ? (['user'] as const) : [])],
  reboot: ['seccomp', 'user'],
  'new-mount': ['seccomp', 'user'],
  'kernel-log': ['seccomp', ...(hostSetting('dmesg_restrict') > 0 ? (['user'] as const) : [])],
  priority: ['seccomp', 'user'],
  'host-name': ['seccomp', 'user'],
  'become-root': ['seccomp', 'user'],
  ...(existsSync('/proc/sysrq-trigger') ? { sysrq: ['user'] as const } : {}),
  'read-memory': ['pid', 'seccomp', 'user'],
  'take-descriptor': ['pid', 'seccomp', 'user'],
  'image-mode': ['seccomp', 'user'],
  mount: ['seccomp', 'user'],
  unshare: ['seccomp'],
};
const attempts = Object.keys(stoppedBy);

let folder: string;
let servers: Server[];
let port: number;
let victim: ReturnType<typeof spawn>;
let standIn: StandIn;

async function listening(where: string | number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  const ready = Promise.withResolvers<void>();
  server.once('error', ready.reject);
  if (typeof where === 'string') server.listen(where, ready.resolve);
  else server.listen(where, '127.0.0.1', ready.resolve);
  await ready.promise;
  return server;
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'escape-'));
  // Nothing but the jail is to keep the stand-in out.
  chmodSync(folder, 0o755);
  standIn = await StandIn.make(folder);
  writeFileSync(join(folder, 'file'), 'of the host');
  writeFileSync(join(folder, 'disk'), "another box's", { mode: 0o600 });
  if (asRoot) {
    const { uid, gid } = hostUserFor('another', SecurityOptions.enabled());
    chownSync(join(folder, 'disk'), uid, gid);
  }
  const tcp = await listening(0);
  port = (tcp.address() as AddressInfo).port;
  servers = [tcp, await listening(join(folder, 'socket')), await listening(`\0${ABSTRACT}`)];
  chmodSync(join(folder, 'socket'), 0o777);
  victim = spawn('sleep', ['600'], { stdio: 'ignore' });
  process.env[SECRET] = 'do not tell';
});

after(() => {
  delete process.env[SECRET];
  victim.kill('SIGKILL');
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What it got: the error of each attempt, 0 where it succeeded. */
async function breakout(
  security: SecurityOptions,
  root: string | null = null,
): Promise<ReadonlyMap<string, number>> {
  await using taken = await standIn.start(targets(), { security, boxId: BOX, root });
  return taken.got;
}

function targets(): Targets {
  const at = (name: string) => join(folder, name);
  return {
    ...{ file: at('file'), disk: at('disk'), socket: at('socket'), port, abstract: ABSTRACT },
    ...{ pid: victim.pid ?? 0, variable: SECRET, directory: '/dev/shm' },
  };
}

/** The options with just these switches on. */
function options(on: readonly Switch[]): SecurityOptions {
  let builder = SecurityOptions.builder();
  for (const name of allSwitches) builder = switches[name](builder, on.includes(name));
  return builder.build();
}

function expectStopped(got: ReadonlyMap<string, number>, on: readonly (Switch | 'user')[]): void {
  const expected = attempts.filter((name) => stoppedBy[name]?.some((layer) => on.includes(layer)));
  const stopped = attempts.filter((name) => got.get(name) !== 0);
  const detail = attempts.map((name) => `${name}: ${got.get(name)}`).join('\n');
  assert.deepEqual(stopped, expected, detail);
}

describe('a VMM that was taken over', {
  skip: process.platform !== 'linux' && 'only Linux has this jail',
}, () => {
  it('gets nothing', async () => {
    const got = await breakout(options(allSwitches));
    assert.deepEqual(
      attempts.filter((name) => got.get(name) === 0),
      [],
    );
    assert.deepEqual(
      [...got].filter(([name, error]) => name.startsWith('rewrite-') && error === 0),
      [],
    );
  });

  it('gets nothing when its root is a folder of the host either', async () => {
    const security = SecurityOptions.builder().chrootBase(folder).resourceLimits(LIMITS).build();
    await using root = await JailRoot.create(security, BOX);
    const got = await breakout(security, root.path);
    assert.deepEqual(
      attempts.filter((name) => got.get(name) === 0),
      [],
    );
  });

  it('gets everything without the jailer, if root started it', { skip: notRoot }, async () => {
    const security = SecurityOptions.builder()
      .jailerEnabled(false)
      .allowUnjailed(true)
      .sanitizeEnv(false)
      .resourceLimits({})
      .build();
    expectStopped(await breakout(security), []);
  });

  it('is still no user of the host when every switch is off', { skip: notRoot }, async () => {
    expectStopped(await breakout(options([])), ['user']);
  });

  for (const name of allSwitches) {
    it(`is stopped by "${name}" alone where that is what it is for`, {
      skip: notRoot,
    }, async () => {
      expectStopped(await breakout(options([name])), [name, 'user']);
    });

    it(`gets no more than "${name}" kept from it when that is off`, { skip: notRoot }, async () => {
      const others = allSwitches.filter((other) => other !== name);
      expectStopped(await breakout(options(others)), [...others, 'user']);
    });
  }

  it('has no descriptors but its console, its wire, its disks, its libraries and its program', async () => {
    const kept = openSync('/dev/null', 'r');
    const builder = SecurityOptions.builder().resourceLimits(LIMITS);
    try {
      const got = await breakout(builder.build());
      // There is nothing that this one could leave open.
      const left = await breakout(builder.closeFds(false).build());
      assert.deepEqual(left, got);
      const open = [...got.keys()].flatMap((name) => /^descriptor-(\d+)$/.exec(name)?.[1] ?? []);
      // As root its program and its image come by descriptor, too.
      const count = 5 + standIn.libraries + (asRoot ? 2 : 0);
      assert.deepEqual(open.map(Number), [...Array(count).keys()]);
    } finally {
      closeSync(kept);
    }
  });

  it('gets the variables on the list of what it may have', async () => {
    const security = SecurityOptions.builder().allowEnv(SECRET).build();
    assert.equal((await breakout(security)).get('environment'), 0);
  });

  it('is a user of its own when root started it', { skip: noOtherUsers }, async () => {
    for (const [boxId, security] of [
      ['one', SecurityOptions.enabled()],
      ['two', SecurityOptions.standard()],
      ['one', SecurityOptions.builder().uid(4242).gid(4343).build()],
    ] as const) {
      await using taken = await standIn.start(targets(), { security, boxId });
      const status = readFileSync(`/proc/${taken.pid}/status`, 'utf8');
      const { uid, gid } = hostUserFor(boxId, security);
      assert.match(status, new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, 'm'));
      assert.match(status, new RegExp(`^Gid:\t${gid}\t${gid}\t${gid}\t${gid}$`, 'm'));
      assert.match(status, /^Groups:\t\s*$/m);
    }
  });
});

describe('user-mode Linux without a jail', () => {
  it('is refused unless that is asked for by name', async () => {
    const security = SecurityOptions.disabled();
    await assert.rejects(standIn.start(targets(), { security, boxId: 'one' }), {
      kind: 'InvalidArgument',
      message: /allowUnjailed\(true\)/,
    });
  });
});

describe('mapsBoxUsers()', () => {
  it('is true of the host, and of a namespace with all its users', () => {
    assert.ok(mapsBoxUsers('         0          0 4294967295\n'));
    assert.ok(mapsBoxUsers('0 1000 1\n1 100000 4000000000\n'));
  });

  it('is false of a namespace with some of them', () => {
    for (const map of ['', '0 1000 1\n', '0 1000 1\n1 100000 65536\n', '1879048192 0 10\n']) {
      assert.ok(!mapsBoxUsers(map), map);
    }
  });
});

describe('hostUserFor()', () => {
  it('is somebody else for each box, and the same for a box each time', () => {
    const users = Array.from({ length: 1000 }, (_, i) =>
      hostUserFor(`box-${i}`, SecurityOptions.enabled()),
    );
    assert.equal(new Set(users.map(({ uid }) => uid)).size, users.length);
    assert.deepEqual(hostUserFor('box-7', SecurityOptions.standard()), users[7]);
  });

  it('is whom the options name', () => {
    const security = SecurityOptions.builder().uid(1).gid(2).build();
    assert.deepEqual(hostUserFor('box', security), { uid: 1, gid: 2 });
  });
});
