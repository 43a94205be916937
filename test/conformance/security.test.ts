import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import {
  Bytes,
  type LiteBox,
  Seconds,
  SecurityOptions,
  SecurityOptionsBuilder,
} from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from '../vm/fixture.ts';
import { descendants } from '../vm/processes.ts';
import { prove } from './prove.ts';
import { Vmm } from './vmm.ts';

const asRoot = process.getuid?.() === 0;
const MARKS = ['CONFORMANCE_MARK', 'CONFORMANCE_KEPT', 'CONFORMANCE_LISTED'] as const;
for (const name of MARKS) process.env[name] = 'seen';
const NOBODY = 65_534;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** More than a disk of the default size. */
const LARGE = 64 * GIB;
const noLimits = {
  ...{ maxOpenFiles: null, maxFileSize: null, maxProcesses: null },
  ...{ maxMemory: null, maxCpuTime: null },
};

forEachEngine((engine) => {
  let owner: TestRuntime;
  let base: string;
  /** With everything on. */
  let on: Vmm;
  /** In a jail of which every part that can be is off, as another user. */
  let off: Vmm;
  /** With every limit, variables that are left, and its root in a folder. */
  let limited: Vmm;
  let limitedBox: LiteBox;
  /** Without a jail, and with a limit of files. */
  let free: Vmm;
  const boot = async (security?: SecurityOptions) => {
    const box = await owner.makeBox({
      memoryMib: 128,
      cpus: 1,
      ...(security === undefined ? {} : { security }),
    });
    assert.equal((await shell(box, 'echo on')).stdout, 'on\n');
    return box;
  };
  const maxMemory = 8 * GIB;

  before(async () => {
    base = mkdtempSync('/var/tmp/boxlite-roots-');
    chmodSync(base, 0o755);
    owner = new TestRuntime(engine);
    on = new Vmm(await boot());
    const bare = SecurityOptionsBuilder.enabled()
      .seccompEnabled(false)
      .newPidNs(false)
      .newNetNs(false)
      .chrootEnabled(false)
      .closeFds(false)
      .sanitizeEnv(false)
      .uid(4242)
      .gid(4343)
      .build();
    off = new Vmm(await boot(bare));
    const everyLimit = SecurityOptions.builder()
      .maxOpenFiles(2048)
      .maxFileSizeBytes(LARGE)
      .maxProcesses(300)
      .maxMemoryBytes(maxMemory)
      .maxCpuTimeSeconds(4000)
      .envAllowlist(['CONFORMANCE_LISTED'])
      .allowEnv('CONFORMANCE_KEPT')
      .chrootBase(base)
      .build();
    limitedBox = await boot(everyLimit);
    limited = new Vmm(limitedBox);
    const unjailed = SecurityOptions.builder().jailerEnabled(false).allowUnjailed(true);
    free = new Vmm(await boot(unjailed.resourceLimits({ maxFileSize: LARGE }).build()));
  });
  after(async () => {
    await owner[Symbol.asyncDispose]();
    rmSync(base, { recursive: true, force: true });
  });

  prove('SecurityOptions.jailerEnabled', () => {
    assert.ok(on.names.includes('bwrap'), String(on.names));
    assert.ok(!free.names.includes('bwrap'), String(free.names));
    assert.ok(free.shares('user') && free.shares('net') && free.shares('pid'));
  });

  prove('SecurityOptions.seccompEnabled', () => {
    assert.deepEqual([on.status('Seccomp'), off.status('Seccomp')], ['2', '0']);
  });

  for (const kind of ['uid', 'gid'] as const) {
    const other = kind === 'uid' ? 4242 : 4343;
    prove(`SecurityOptions.${kind}`, async (context) => {
      assert.deepEqual([on.id(kind), off.id(kind)], [NOBODY, other]);
      await using box = await boot(SecurityOptions.standard());
      const chosen = new Vmm(box);
      assert.equal(chosen.id(kind), NOBODY);
      if (!asRoot)
        return context.diagnostic('which user of the host it is can only be shown as root');
      // Root can make it a user of the host's: the one who was asked for, or else one for this box alone.
      assert.equal(off.hostId(kind), other);
      const ids = new Set([0, NOBODY, on.hostId(kind), chosen.hostId(kind)]);
      assert.equal(ids.size, 4, String([...ids]));
    });
    prove(`SecurityOptionsBuilder.${kind}`, () => {
      assert.equal(off.id(kind), other);
      assert.throws(() => SecurityOptions.builder()[kind](-1), { kind: 'InvalidArgument' });
    });
  }

  prove('SecurityOptions.newPidNs', () => {
    assert.deepEqual([on.shares('pid'), off.shares('pid')], [false, true]);
  });

  prove('SecurityOptions.newNetNs', () => {
    assert.deepEqual([on.shares('net'), off.shares('net')], [false, true]);
  });

  prove('SecurityOptions.chrootBase', () => {
    const root = join(base, limitedBox.id.asStr().toLowerCase());
    assert.ok(readdirSync(root).includes('proc'));
    assert.ok(!limited.root.includes('home'));
  });

  prove('SecurityOptions.chrootEnabled', () => {
    assert.ok(!on.root.includes('home') && !on.root.includes('etc'), String(on.root));
    assert.ok(off.root.includes('etc'), String(off.root));
  });

  prove('SecurityOptions.closeFds', () => {
    // The console, the wire, disks and memory; no database, no other box, no file of this program.
    const strange = on.descriptors.filter(
      (name) =>
        /boxlite\.db|\/owners\/|\.ts$|eventpoll|timerfd/.test(name) &&
        !/eventpoll|timerfd/.test(name),
    );
    assert.deepEqual(strange, []);
    assert.equal(SecurityOptions.enabled().closeFds, true);
  });

  prove('SecurityOptions.sanitizeEnv', () => {
    for (const name of MARKS) {
      assert.ok(!on.environment.includes(`${name}=seen`), name);
      assert.ok(off.environment.includes(`${name}=seen`), name);
    }
  });

  prove('SecurityOptions.envAllowlist', () => {
    const seen = MARKS.filter((name) => limited.environment.includes(`${name}=seen`));
    assert.deepEqual(seen, ['CONFORMANCE_KEPT', 'CONFORMANCE_LISTED']);
  });

  prove('SecurityOptions.resourceLimits', () => {
    assert.equal(on.limit('Max open files'), '1024');
    assert.equal(on.limit('Max processes'), '1024');
  });

  prove('SecurityOptions.enabled', async () => {
    assert.equal(on.status('Seccomp'), '2');
    assert.deepEqual([on.id('uid'), on.id('gid')], [NOBODY, NOBODY]);
    for (const kind of ['user', 'pid', 'net', 'mnt', 'ipc', 'uts']) {
      assert.ok(!on.shares(kind), kind);
    }
    assert.equal(on.status('CapEff'), '0000000000000000');
    const settings = SecurityOptions.enabled();
    assert.ok(settings.closeFds && settings.sanitizeEnv && settings.chrootEnabled);
    assert.deepEqual({ ...settings }, { ...new SecurityOptionsBuilder().build() });
  });

  prove('SecurityOptions.disabled', async () => {
    const settings = SecurityOptions.disabled();
    const { jailerEnabled, seccompEnabled, newPidNs, newNetNs, chrootEnabled } = settings;
    const { closeFds, sanitizeEnv, uid, gid, resourceLimits } = settings;
    for (const setting of [jailerEnabled, seccompEnabled, newPidNs, newNetNs, chrootEnabled]) {
      assert.equal(setting, false);
    }
    assert.deepEqual([closeFds, sanitizeEnv, uid, gid], [false, false, null, null]);
    assert.deepEqual(resourceLimits, noLimits);
    const unjailed = new SecurityOptionsBuilder(settings).allowUnjailed(true).build();
    await using box = await boot(engine === 'uml' ? unjailed : settings);
    assert.equal(new Vmm(box).status('Seccomp'), '0');
  });

  prove('SecurityOptions.development', async () => {
    const settings = SecurityOptions.development();
    const { jailerEnabled, seccompEnabled, closeFds } = settings;
    assert.deepEqual([jailerEnabled, seccompEnabled, closeFds], [false, false, false]);
    const unjailed = new SecurityOptionsBuilder(settings).allowUnjailed(true).build();
    await using box = await boot(engine === 'uml' ? unjailed : settings);
    assert.ok(!new Vmm(box).names.includes('bwrap'));
  });

  prove('SecurityOptions.standard', async () => {
    const { jailerEnabled, seccompEnabled } = SecurityOptions.standard();
    assert.deepEqual([jailerEnabled, seccompEnabled], [true, true]);
    await using box = await boot(SecurityOptions.standard());
    const vmm = new Vmm(box);
    assert.ok(vmm.names.includes('bwrap'));
    assert.equal(vmm.status('Seccomp'), '2');
  });

  prove('SecurityOptions.maximum', async () => {
    await using box = await boot(SecurityOptions.maximum());
    const vmm = new Vmm(box);
    assert.deepEqual([vmm.id('uid'), vmm.id('gid'), vmm.status('Seccomp')], [NOBODY, NOBODY, '2']);
    assert.equal(vmm.limit('Max open files'), '1024');
  });

  prove('SecurityOptions.builder', () => {
    assert.ok(SecurityOptions.builder() instanceof SecurityOptionsBuilder);
    assert.deepEqual(SecurityOptions.builder().build(), SecurityOptions.enabled());
  });

  prove('SecurityOptionsBuilder.new', () => {
    assert.deepEqual(SecurityOptionsBuilder.new().build(), SecurityOptions.enabled());
    assert.deepEqual(new SecurityOptionsBuilder().build(), SecurityOptions.enabled());
  });
  for (const preset of ['enabled', 'disabled', 'development', 'standard', 'maximum'] as const) {
    prove(`SecurityOptionsBuilder.${preset}`, () => {
      assert.deepEqual(SecurityOptionsBuilder[preset]().build(), SecurityOptions[preset]());
    });
  }

  for (const [name, kind] of [
    ['jailerEnabled', 'bwrap'],
    ['seccompEnabled', 'seccomp'],
    ['newPidNs', 'pid'],
    ['newNetNs', 'net'],
    ['chrootEnabled', 'root'],
    ['closeFds', 'descriptors'],
    ['sanitizeEnv', 'environment'],
    ['networkEnabled', 'network'],
  ] as const) {
    prove(`SecurityOptionsBuilder.${name}`, () => {
      for (const enable of [true, false]) {
        assert.equal(SecurityOptions.builder()[name](enable).build()[name], enable, kind);
      }
      const wrong = SecurityOptions.builder();
      assert.throws(() => wrong[name]('yes' as never), { kind: 'InvalidArgument' });
    });
  }

  prove('SecurityOptionsBuilder.chrootBase', () => {
    assert.equal(
      SecurityOptions.builder().chrootBase('/srv/jails').build().chrootBase,
      '/srv/jails',
    );
    assert.throws(() => SecurityOptions.builder().chrootBase('jails'), { kind: 'InvalidArgument' });
    assert.ok(existsSync(join(base, limitedBox.id.asStr().toLowerCase())));
  });

  prove('SecurityOptionsBuilder.envAllowlist', () => {
    assert.ok(limited.environment.includes('CONFORMANCE_LISTED=seen'));
    assert.throws(() => SecurityOptions.builder().envAllowlist(['A=B']), {
      kind: 'InvalidArgument',
    });
  });

  prove('SecurityOptionsBuilder.allowEnv', () => {
    assert.ok(limited.environment.includes('CONFORMANCE_KEPT=seen'));
    const { envAllowlist } = SecurityOptions.builder().allowEnv('A').allowEnv('B').build();
    assert.deepEqual(envAllowlist, ['A', 'B']);
  });

  prove('SecurityOptionsBuilder.resourceLimits', async () => {
    const limits = { maxOpenFiles: 700 };
    const security = SecurityOptions.builder().resourceLimits(limits).build();
    assert.deepEqual(security.resourceLimits, { ...noLimits, ...limits });
    await using box = await boot(security);
    assert.equal(new Vmm(box).limit('Max open files'), '700');
  });

  prove('SecurityOptionsBuilder.maxOpenFiles', () => {
    assert.equal(limited.limit('Max open files'), '2048');
  });
  prove('SecurityOptionsBuilder.maxFileSizeBytes', () => {
    assert.equal(free.limit('Max file size'), String(LARGE));
    const { resourceLimits } = SecurityOptions.builder().maxFileSizeBytes(Bytes.fromGib(1)).build();
    assert.equal(resourceLimits.maxFileSize, 1024 * MIB);
  });
  prove('SecurityOptionsBuilder.maxProcesses', () => {
    assert.equal(limited.limit('Max processes'), '300');
  });
  prove('SecurityOptionsBuilder.maxMemoryBytes', () => {
    assert.equal(limited.limit('Max address space'), String(maxMemory));
  });
  prove('SecurityOptionsBuilder.maxCpuTimeSeconds', () => {
    assert.equal(limited.limit('Max cpu time'), '4000');
    const minutes = SecurityOptions.builder().maxCpuTimeSeconds(Seconds.fromMinutes(2)).build();
    assert.equal(minutes.resourceLimits.maxCpuTime, 120);
  });

  prove('SecurityOptionsBuilder.sandboxProfile', async () => {
    const security = SecurityOptions.builder().sandboxProfile('/etc/profile.sb').build();
    assert.equal(security.sandboxProfile, '/etc/profile.sb');
    // Elsewhere than on macOS it says nothing.
    await using box = await boot(security);
    assert.equal(new Vmm(box).status('Seccomp'), '2');
  });

  prove('SecurityOptionsBuilder.build', () => {
    const builder = SecurityOptions.builder().maxProcesses(50);
    const first = builder.build();
    assert.ok(first instanceof SecurityOptions && Object.isFrozen(first));
    assert.equal(builder.maxProcesses(60).build().resourceLimits.maxProcesses, 60);
    assert.equal(first.resourceLimits.maxProcesses, 50);
  });

  prove('SecurityOptionsBuilder: example', async () => {
    const security = SecurityOptionsBuilder.enabled()
      .maxOpenFiles(2048)
      .maxFileSizeBytes(1024 * 1024 * 512) // 512 MiB
      .maxProcesses(100)
      .allowEnv('MY_VAR')
      .build();
    assert.deepEqual(security.resourceLimits, {
      ...noLimits,
      ...{ maxOpenFiles: 2048, maxFileSize: 512 * MIB, maxProcesses: 100 },
    });
    const older = SecurityOptionsBuilder.standard()
      .jailerEnabled(true)
      .maxOpenFiles(2048)
      .maxProcesses(100)
      .build();
    const other = SecurityOptions.builder().seccompEnabled(false).build();
    assert.equal(other.seccompEnabled, false);
    for (const each of [older, other]) {
      await using box = await boot(each);
      assert.equal(new Vmm(box).status('Seccomp'), each.seccompEnabled ? '2' : '0');
    }
    // The disk is larger than that, and can be written all the same.
    await using small = await owner.makeBox({ memoryMib: 128, cpus: 1, security });
    assert.equal((await shell(small, 'echo on')).stdout, 'on\n');
    assert.equal(new Vmm(small).limit('Max file size'), String(10 * GIB));
  });

  prove('SecurityOptionsBuilder.allowUnjailed', async () => {
    await using box = await owner.makeBox({ security: SecurityOptions.disabled(), memoryMib: 128 });
    if (engine === 'uml') {
      await assert.rejects(box.start(), { kind: 'InvalidArgument', message: /allowUnjailed/ });
    }
    const security = SecurityOptions.builder().jailerEnabled(false).allowUnjailed(true);
    await using allowed = await boot(security.resourceLimits({}).build());
    assert.equal(allowed.info().status, 'running');
  });

  prove('SecurityOptionsBuilder.umlPtrace', async () => {
    await using box = await boot(SecurityOptions.builder().umlPtrace(true).build());
    const tree = descendants(box.info().pid ?? 0);
    const tracers = tree.map(({ pid }) => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      return /^TracerPid:\s*(\d+)/m.exec(status)?.[1];
    });
    assert.equal(
      tracers.some((tracer) => tracer !== '0'),
      engine === 'uml',
      String(tracers),
    );
  });

  prove('SecurityOptionsBuilder: conflicts', () => {
    const builder = SecurityOptions.builder().jailerEnabled(false).seccompEnabled(true);
    assert.throws(() => builder.build(), { kind: 'InvalidArgument', message: /^seccompEnabled: / });
  });

  prove('ResourceLimits.maxOpenFiles', () => {
    assert.equal(limited.limit('Max open files'), '2048');
  });
  prove('ResourceLimits.maxFileSize', () => {
    assert.equal(free.limit('Max file size'), String(LARGE));
    // In the jail nothing is larger than the disk, whatever was asked for.
    for (const vmm of [on, limited]) assert.equal(vmm.limit('Max file size'), String(10 * GIB));
  });
  prove('ResourceLimits.maxProcesses', () => {
    assert.equal(limited.limit('Max processes'), '300');
  });
  prove('ResourceLimits.maxMemory', () => {
    assert.equal(limited.limit('Max address space'), String(maxMemory));
    assert.equal(on.limit('Max address space'), 'unlimited');
  });
  prove('ResourceLimits.maxCpuTime', () => {
    assert.equal(limited.limit('Max cpu time'), '4000');
    assert.equal(on.limit('Max cpu time'), 'unlimited');
  });
});
