import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import {
  BoxliteRuntime,
  type BoxOptions,
  Bytes,
  type LiteBox,
  SecurityOptions,
} from '../../src/index.ts';
import { forEachEngine, kernelOf, shell, type TestRuntime } from '../vm/fixture.ts';
import { eventually } from '../vm/polling.ts';
import { exchange, installService, serve } from '../vm/services.ts';
import { OptionsWorld } from './options-world.ts';
import { prove } from './prove.ts';
import { Vmm } from './vmm.ts';

forEachEngine((engine) => {
  let world: OptionsWorld;
  let owner: TestRuntime;
  /** Finds its images in a registry of the test's own. */
  let runtime: BoxliteRuntime;
  /** With whatever can be shown together. */
  let box: LiteBox;
  let share: string;
  before(async () => {
    world = await OptionsWorld.open(engine);
    ({ owner, runtime, share } = world);
    box = await owner.makeBox({
      ...world.boxOptions,
      cpus: 1,
      diskSizeGb: 1,
      workingDir: '/var/log',
      env: [
        ['FIRST', '1'],
        ['SECOND', '2'],
        ['FIRST', 'again'],
      ],
      user: 'nobody:12',
      labels: { purpose: 'options' },
      advanced: { isolateMounts: true },
    });
    await box.start();
  });
  after(() => world[Symbol.asyncDispose]());

  const run = async (script: string) => (await shell(box, script)).stdout;
  const refuses: OptionsWorld['refuses'] = (...how) => world.refuses(...how);
  const says: OptionsWorld['says'] = (...what) => world.says(...what);
  const mibOf = async (name: string, from: LiteBox) => {
    const { stdout } = await shell(from, `grep ${name} /proc/meminfo`);
    return Number(/\d+/.exec(stdout)?.[0]) / 1024;
  };

  prove('BoxOptions.cpus', async () => {
    assert.equal(await run('nproc'), '1\n');
    assert.equal(box.info().cpus, 1);
    const several = Math.min(2, cpus().length);
    const { smp } = await kernelOf(engine);
    assert.equal(await says({ cpus: several }, 'nproc'), `${smp ? several : 1}\n`);
  });

  prove('BoxOptions.cpus: default', async () => {
    await using own = await owner.makeBox();
    assert.equal(own.info().cpus, Math.min(2, cpus().length));
  });

  prove('BoxOptions.cpus: range', async () => {
    for (const wrong of [0, -1, 1.5, cpus().length + 1]) await refuses({ cpus: wrong }, /^cpus: /);
  });

  prove('BoxOptions.memoryMib', async () => {
    const mib = await mibOf('MemTotal', box);
    assert.ok(mib > 130 && mib <= 200, `${mib} MiB`);
  });

  prove('BoxOptions.memoryMib: default', async () => {
    await using own = await owner.makeBox();
    assert.equal(own.info().memoryMib, 512);
  });

  prove('BoxOptions.memoryMib: range', async () => {
    const host = Math.floor(totalmem() / 1024 / 1024);
    for (const wrong of [63, host + 1]) await refuses({ memoryMib: wrong }, /^memoryMib: /);
    await (await owner.makeBox({ memoryMib: 64 })).stop();
  });

  prove('BoxOptions.memoryMib: Bytes', async () => {
    await using own = await owner.makeBox({ memoryMib: Bytes.fromMib(300) });
    assert.equal(own.info().memoryMib, 300);
  });

  prove('BoxOptions.diskSizeGb', async () => {
    const own = await owner.makeBox({ diskSizeGb: 3, autoRemove: false });
    const { stdout } = await shell(own, 'df -m / | tail -1');
    const mib = Number(stdout.split(/ +/)[1]);
    assert.ok(mib > 2.5 * 1024 && mib <= 3 * 1024, `${mib} MiB`);
    const { blocks, size } = statSync(join(owner.homeDir, 'boxes', own.id.asStr(), 'disk.ext4'));
    assert.ok(size === 3 * 1024 ** 3 && blocks * 512 < size / 10, `${blocks} blocks`);
    await owner.runtime.remove(own.id, true);
  });

  prove('BoxOptions.diskSizeGb: default', async () => {
    const mib = Number((await says({}, 'df -m / | tail -1')).split(/ +/)[1]);
    assert.ok(mib > 9 * 1024 && mib <= 10 * 1024, `${mib} MiB`);
  });

  prove('BoxOptions.diskSizeGb: range', async () => {
    for (const wrong of [0, 16_385]) await refuses({ diskSizeGb: wrong }, /^diskSizeGb: /);
    await (await owner.makeBox({ diskSizeGb: 16_384 })).stop();
  });

  prove('BoxOptions.diskSizeGb: restarts', async () => {
    const own = await owner.makeBox({ diskSizeGb: 1, autoRemove: false });
    await shell(own, 'echo kept > /root/file');
    await own.stop();
    assert.equal((await shell(own, 'cat /root/file')).stdout, 'kept\n');
    await owner.runtime.remove(own.id, true);
  });

  prove('BoxOptions.workingDir', async () => assert.equal(await run('pwd'), '/var/log\n'));

  prove('BoxOptions.env', async () => assert.equal(await run('echo $FIRST $SECOND'), 'again 2\n'));

  prove('BoxOptions.env: record', async () => {
    assert.equal(await says({ env: { A: 'x y', B: '' } }, 'env | grep "^[AB]="'), 'A=x y\nB=\n');
  });

  prove('BoxOptions.user', async () => assert.equal(await run('id -u; id -g'), '65534\n12\n'));

  prove('BoxOptions.rootfs', async () => {
    await using own = await runtime.create({ rootfs: 'python:3.11' });
    assert.equal((await shell(own, 'cat /etc/upper')).stdout, 'upper\n');
  });

  prove('BoxOptions.volumes', async () => {
    assert.equal(await run('cat /share/read/file'), 'shared\n');
  });

  prove('BoxOptions.network', async () => {
    assert.equal(await says({ network: 'disabled' }, 'ls /sys/class/net'), 'lo\n');
    assert.notEqual(await networkOf(box), 'lo\n');
  });

  prove('BoxOptions.ports', async () => {
    await using own = await owner.makeBox({ ports: [{ guestPort: 7, hostIp: '127.0.0.1' }] });
    await installService(own);
    await using _service = await serve(own, 'echo', '127.0.0.1', 7);
    assert.equal(String(await exchange(published(own, 7), 'hello')), 'hello');
  });

  prove('BoxOptions.autoRemove', async () => {
    const gone = await owner.makeBox({ autoRemove: true });
    const kept = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
    for (const each of [gone, kept]) {
      await each.start();
      await each.stop();
    }
    assert.deepEqual(
      [await owner.runtime.exists(gone.id), await owner.runtime.exists(kept.id)],
      [false, true],
    );
    await owner.runtime.remove(kept.id);
  });

  prove('BoxOptions.autoRemove: default', async () => {
    const own = await owner.makeBox();
    await own.start();
    await own.stop();
    assert.equal(await owner.runtime.exists(own.id), false);
  });

  prove('BoxOptions.detach', async () => {
    const maker = new BoxliteRuntime({ homeDir: owner.homeDir, engine });
    const made = await maker.create({ rootfs: 'builtin:base', detach: true, diskSizeGb: 1 });
    await made.start();
    const { pid } = made.info();
    await maker.shutdown();
    const same = await owner.runtime.get(made.id);
    assert.deepEqual([same?.info().status, same?.info().pid], ['running', pid]);
    await owner.runtime.remove(made.id, true);
  });

  prove('BoxOptions.detach: default', async () => {
    const maker = new BoxliteRuntime({ homeDir: owner.homeDir, engine });
    const made = await maker.create({ rootfs: 'builtin:base', autoRemove: false, diskSizeGb: 1 });
    await made.start();
    await maker.shutdown();
    assert.equal((await owner.runtime.getInfo(made.id))?.status, 'stopped');
    await owner.runtime.remove(made.id);
  });

  prove('BoxOptions.detach and autoRemove', async () => {
    const own = await owner.makeBox({ detach: true, diskSizeGb: 1 });
    await own.start();
    await own.stop();
    assert.equal(own.info().status, 'stopped');
    await owner.runtime.remove(own.id);
    await refuses({ detach: true, autoRemove: true }, /^autoRemove: expected false with detach/);
  });

  prove('BoxOptions: default', async () => {
    await using own = await runtime.create();
    assert.equal((await shell(own, 'cat /etc/upper')).stdout, 'upper\n');
    assert.equal(own.info().image, 'alpine:latest');
  });

  prove('BoxOptions: example', async () => {
    const several = Math.min(4, cpus().length);
    const options: BoxOptions = {
      cpus: several,
      memoryMib: 2048,
      rootfs: { image: 'python:3.11' },
      env: [['PYTHONPATH', '/app']],
      volumes: [{ hostPath: share, guestPath: '/app', readOnly: false }],
      ports: [{ hostPort: 0, guestPort: 80 }],
      autoRemove: false, // Keep box after stop
      detach: true, // Run independently
    };
    const own = await runtime.create(options);
    const { stdout } = await shell(own, 'echo $PYTHONPATH; cat /app/single');
    assert.equal(stdout, '/app\none file\n');
    const info = own.info();
    assert.deepEqual([info.cpus, info.memoryMib, info.ports[0]?.guestPort], [several, 2048, 80]);
    await own.stop();
    assert.equal(own.info().status, 'stopped');
    await runtime.remove(own.id);
  });

  prove('BoxOptions.secrets', async () => {
    assert.equal(await run('echo "$BOXLITE_SECRET_PLAIN"'), '<BOXLITE_SECRET:plain>\n');
    assert.equal(await run('env | grep -c "v[12]"'), '0\n');
  });

  prove('BoxOptions.advanced', async () => {
    const advanced = { security: SecurityOptions.standard(), isolateMounts: false };
    assert.equal(await says({ advanced }, 'echo on'), 'on\n');
    await refuses({ advanced: { secure: true } }, /^advanced\.secure: unknown/);
  });

  const limited = SecurityOptions.builder().maxOpenFiles(900).build();

  prove('BoxOptions.security', async () => {
    await using own = await owner.makeBox({ security: limited });
    await own.start();
    assert.equal(new Vmm(own).limit('Max open files'), '900');
  });

  prove('BoxOptions.isolateMounts', async () => {
    assert.equal(await says({ isolateMounts: true }, 'echo on'), 'on\n');
    await refuses(
      { isolateMounts: true, security: SecurityOptions.disabled() },
      /^isolateMounts: expected false without the jailer/,
    );
  });

  prove('BoxOptions.entrypoint', async () => {
    assert.deepEqual(await logOf({ entrypoint: ['echo', 'entry'], cmd: ['and', 'more'] }), [
      'entry and more',
    ]);
  });

  prove('BoxOptions.cmd', async () => {
    assert.deepEqual(await logOf({ cmd: ['echo', 'command'] }), ['command']);
  });

  /** What the main command of a box prints. */
  async function logOf(options: BoxOptions): Promise<string[]> {
    const own = await owner.makeBox({ ...options, autoRemove: false, diskSizeGb: 1 });
    await own.start();
    await eventually('its end', () => (own.info().status === 'stopped' ? true : null));
    const entries = await Array.fromAsync(own.logs());
    await owner.runtime.remove(own.id);
    return entries.map(({ line }) => line);
  }

  prove('BoxOptions.labels', async () => {
    assert.deepEqual(box.info().labels, { purpose: 'options' });
    const found = await owner.runtime.listInfo({ labels: { purpose: 'options' } });
    assert.deepEqual(
      found.map(({ id }) => id.asStr()),
      [box.id.asStr()],
    );
  });

  prove('BoxOptions.engine', async () => {
    const other = engine === 'uml' || process.arch !== 'x64' ? 'tcg' : 'uml';
    await using own = await owner.makeBox({ engine: other });
    await own.start();
    assert.deepEqual([own.info().engine, box.info().engine], [other, engine]);
  });

  prove('BoxOptions.bootTimeoutMs', async () => {
    await using own = await owner.makeBox({ bootTimeoutMs: 1 });
    await assert.rejects(own.start(), { kind: 'Engine', message: /1 ms/ });
    await refuses({ bootTimeoutMs: 0 }, /^bootTimeoutMs: /);
  });

  prove('BoxOptions.bootTimeoutMs: default', async () => {
    const { engines } = await import('../../src/engine/engine.ts');
    assert.equal(engines[engine].bootTimeoutMs, engine === 'tcg' ? 120_000 : 30_000);
    await using own = await owner.makeBox();
    await own.start();
  });

  prove('BoxOptions: two spellings', async () => {
    const security = SecurityOptions.enabled();
    await refuses({ security, advanced: { security } }, /^security: expected only one of/);
    const isolateMounts = false;
    await refuses({ isolateMounts, advanced: { isolateMounts } }, /^isolateMounts: expected only/);
  });

  prove('BoxOptions: unknown key', () =>
    refuses({ cpu: 1 }, /^cpu: unknown option, expected one of/),
  );

  prove('BoxOptions: wrong type', async () => {
    await refuses({ cpus: '2' }, /^cpus: expected 1\.\.\d+/);
    await refuses(
      { ports: [{ guestPort: 80 }, { guestPort: 0 }] },
      /^ports\[1\]\.guestPort: expected 1\.\.65535, got 0$/,
    );
    await refuses({ volumes: {} }, /^volumes: expected an array, got an object$/);
  });

  prove('AdvancedBoxOptions.security', async () => {
    await using own = await owner.makeBox({ advanced: { security: limited } });
    await own.start();
    assert.equal(new Vmm(own).limit('Max open files'), '900');
  });

  prove('AdvancedBoxOptions.security: default', async () => {
    await using own = await owner.makeBox();
    await using enabled = await owner.makeBox({
      advanced: { security: SecurityOptions.enabled() },
    });
    await Promise.all([own.start(), enabled.start()]);
    for (const vmm of [new Vmm(own), new Vmm(enabled)]) {
      assert.deepEqual(
        [vmm.status('Seccomp'), vmm.shares('user'), vmm.limit('Max open files')],
        ['2', false, '1024'],
      );
    }
  });

  prove('AdvancedBoxOptions.isolateMounts', async () => {
    // What is mounted in the namespace of the jail, the host does not see.
    const mounts = readFileSync(`/proc/${box.info().pid}/mountinfo`, 'utf8');
    assert.doesNotMatch(mounts, / (shared|master):\d+ /);
    assert.equal(await run('cat /read/file'), 'shared\n');
  });

  prove('AdvancedBoxOptions.isolateMounts: default', async () => {
    const options = { advanced: { security: SecurityOptions.disabled() } };
    // Set, it would have been refused without the jailer.
    await using own = await owner.makeBox(options);
    assert.equal(own.info().status, 'configured');
  });

  async function networkOf(from: LiteBox): Promise<string> {
    // The network comes up while the first commands run.
    await shell(from, 'wget -T 5 -O- http://169.254.1.1/');
    return (await shell(from, 'ls /sys/class/net')).stdout;
  }

  function published(from: LiteBox, guestPort: number) {
    const port = from.info().ports.find((each) => each.guestPort === guestPort);
    assert.ok(port !== undefined);
    return port;
  }
});
