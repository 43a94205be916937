import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { BoxliteRuntime, LiteBox } from '../../src/index.ts';
import type { TestRegistry } from '../image/registry-fixture.ts';
import { writeLayout } from '../image/support/oci-layout.ts';
import { forEachEngine, shell, type TestRuntime } from '../vm/fixture.ts';
import { connectTo, exchange, expectListening, installService, serve } from '../vm/services.ts';
import { OptionsWorld } from './options-world.ts';
import { prove } from './prove.ts';

forEachEngine((engine) => {
  let world: OptionsWorld;
  let owner: TestRuntime;
  let registry: TestRegistry;
  /** Finds its images in a registry of the test's own. */
  let runtime: BoxliteRuntime;
  /** With volumes and secrets. */
  let box: LiteBox;
  let share: string;
  before(async () => {
    world = await OptionsWorld.open(engine);
    ({ owner, registry, runtime, share } = world);
    box = await owner.makeBox(world.boxOptions);
    await box.start();
  });
  after(() => world[Symbol.asyncDispose]());

  const run = async (script: string) => (await shell(box, script)).stdout;
  const refuses: OptionsWorld['refuses'] = (...how) => world.refuses(...how);
  const says: OptionsWorld['says'] = (...what) => world.says(...what);

  prove('RootfsSpec.Image', async () => {
    await using own = await runtime.create({ rootfs: { image: 'python:3.11' } });
    assert.equal((await shell(own, 'cat /etc/upper')).stdout, 'upper\n');
  });

  prove('RootfsSpec: text', async () => {
    await using own = await runtime.create({ rootfs: `${registry.host}/library/python:3.11` });
    assert.equal((await shell(own, 'cat /etc/upper')).stdout, 'upper\n');
    await refuses({ rootfs: './path' }, /^rootfs: .*write \{ rootfsPath: /);
  });

  prove('RootfsSpec: default', async () => {
    await using own = await owner.runtime.create();
    assert.equal(own.info().image, 'alpine:latest');
  });

  /** A box with this path as its root file system. */
  async function bootsFrom(rootfsPath: string, script: string): Promise<string> {
    await using own = await owner.runtime.create({ rootfs: { rootfsPath } });
    return (await shell(own, script)).stdout;
  }
  function rootTree(): string {
    const tree = join(owner.homeDir, 'tree');
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(join(tree, 'bin'), { recursive: true });
    copyFileSync(realpathSync('/bin/busybox'), join(tree, 'bin/busybox'));
    for (const name of ['sh', 'cat', 'echo']) symlinkSync('busybox', join(tree, 'bin', name));
    writeFileSync(join(tree, 'marker'), 'from a path\n');
    return tree;
  }
  function rootLayout(): string {
    const layer = execFileSync('tar', ['-C', rootTree(), '--owner=0', '--group=0', '-c', '.'], {
      maxBuffer: 1 << 26,
    });
    return writeLayout(join(owner.homeDir, 'layout'), [layer], { Env: ['PATH=/bin'] }).directory;
  }

  prove('RootfsSpec.RootfsPath', async () => {
    assert.equal(await bootsFrom(rootTree(), 'cat /marker'), 'from a path\n');
  });

  prove('RootfsSpec.rootfsPath: directory', async () => {
    const tree = rootTree();
    assert.equal(await bootsFrom(tree, 'echo changed > /marker; cat /marker'), 'changed\n');
    assert.equal(readFileSync(join(tree, 'marker'), 'utf8'), 'from a path\n');
  });

  prove('RootfsSpec.rootfsPath: OCI layout', async () => {
    assert.equal(await bootsFrom(rootLayout(), 'cat /marker; echo $PATH'), 'from a path\n/bin\n');
  });

  for (const [row, kind] of [
    ['RootfsSpec.rootfsPath: OCI archive', 'oci-archive'],
    ['RootfsSpec.rootfsPath: docker archive', 'docker-archive'],
  ] as const) {
    prove(row, async () => {
      const archive = join(owner.homeDir, `${kind}.tar`);
      const name = kind === 'oci-archive' ? 'test' : 'test:latest';
      execFileSync('skopeo', [
        ...['--insecure-policy', 'copy', `oci:${rootLayout()}:test`, `${kind}:${archive}:${name}`],
      ]);
      assert.equal(await bootsFrom(archive, 'cat /marker'), 'from a path\n');
    });
  }

  prove('RootfsSpec.rootfsPath: missing', async () => {
    const rootfsPath = join(owner.homeDir, 'none');
    await refuses({ rootfs: { rootfsPath } }, /^rootfs\.rootfsPath: .*none/);
  });

  prove('VolumeSpec.hostPath', async () => {
    writeFileSync(join(share, 'by-host'), 'text');
    assert.equal(await run('cat /share/by-host'), 'text');
  });

  prove('VolumeSpec.guestPath', async () => {
    assert.equal(await run('ls -d /share /read /etc/single'), '/etc/single\n/read\n/share\n');
    await refuses(
      { volumes: [{ hostPath: share, guestPath: 'relative' }] },
      /guestPath: .*absolute/,
    );
  });

  prove('VolumeSpec.readOnly', async () => {
    const { exitCode, stderr } = await shell(box, 'cat /read/file && echo x > /read/new');
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /Read-only file system/);
  });

  prove('VolumeSpec.readOnly: default', async () => {
    const volumes = [{ hostPath: share, guestPath: '/data' }];
    await says({ volumes }, 'echo written > /data/by-guest');
    assert.equal(readFileSync(join(share, 'by-guest'), 'utf8'), 'written\n');
  });

  prove('VolumeSpec.hostPath: file', async () => {
    assert.equal(await run('cat /etc/single'), 'one file\n');
  });

  prove('VolumeSpec.hostPath: missing', async () => {
    const hostPath = join(owner.homeDir, 'none');
    await refuses({ volumes: [{ hostPath, guestPath: '/x' }] }, /^volumes\[0\]\.hostPath: .*none/);
  });

  async function networkOf(from: LiteBox): Promise<string> {
    // The network comes up while the first commands run.
    await shell(from, 'wget -T 5 -O- http://169.254.1.1/');
    return (await shell(from, 'ls /sys/class/net')).stdout;
  }

  prove('NetworkSpec.Enabled', async () => {
    const server = createServer((socket) => socket.end('from the host\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await using own = await owner.makeBox({ network: { mode: 'enabled' } });
    const { stdout } = await shell(own, `nc host.boxlite.internal ${port} < /dev/null`);
    server.close();
    assert.equal(stdout, 'from the host\n');
  });

  prove('NetworkSpec.Disabled', async () => {
    const script = 'ls /sys/class/net; nc -w 1 192.168.127.254 80 < /dev/null; echo $?';
    assert.equal(await says({ network: { mode: 'disabled' } }, script), 'lo\n1\n');
  });

  prove('NetworkSpec.Isolated', async () => {
    for (const network of ['isolated', { mode: 'isolated' }] as const) {
      await using own = await owner.makeBox({ network });
      assert.match(await networkOf(own), /^lo\n\w+\n$/);
    }
  });

  prove('NetworkSpec: text', async () => {
    await using own = await owner.makeBox({ network: 'enabled' });
    assert.match(await networkOf(own), /^lo\n\w+\n$/);
    assert.equal(await says({ network: 'disabled' }, 'ls /sys/class/net'), 'lo\n');
    await refuses({ network: 'host' }, /^network: expected one of "enabled", "disabled"/);
  });

  prove('NetworkSpec: default', async () => {
    await using own = await owner.makeBox();
    assert.match(await networkOf(own), /^lo\n\w+\n$/);
  });

  prove('Secret.placeholder', async () => {
    assert.equal(await run('echo "$BOXLITE_SECRET_OWN"'), 'PUT-IT-HERE\n');
  });

  prove('Secret.placeholder: default', async () => {
    assert.equal(await run('echo "$BOXLITE_SECRET_PLAIN"'), '<BOXLITE_SECRET:plain>\n');
  });

  function published(from: LiteBox, guestPort: number) {
    const port = from.info().ports.find((each) => each.guestPort === guestPort);
    assert.ok(port !== undefined);
    return port;
  }
  /** A port that nobody listens on now. */
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }

  prove('PortSpec.hostPort', async () => {
    const hostPort = await freePort();
    await using own = await owner.makeBox({
      ports: [{ guestPort: 80, hostPort, hostIp: '127.0.0.1' }],
    });
    await own.start();
    assert.equal(published(own, 80).hostPort, hostPort);
    await expectListening(published(own, 80));
    for (const wrong of [-1, 65_536]) {
      await refuses({ ports: [{ guestPort: 80, hostPort: wrong }] }, /hostPort/);
    }
  });

  prove('PortSpec.hostPort: assigned', async () => {
    await using own = await owner.makeBox({
      ports: [
        { guestPort: 80, hostIp: '127.0.0.1' },
        { guestPort: 81, hostPort: 0, hostIp: '127.0.0.1' },
      ],
    });
    await own.start();
    const [one, two] = own.info().ports;
    assert.ok(one !== undefined && two !== undefined && one.hostPort !== two.hostPort);
    for (const port of [one, two]) await expectListening(port);
  });

  prove('PortSpec.guestPort', async () => {
    for (const wrong of [0, 65_536, 1.5]) {
      await refuses({ ports: [{ guestPort: wrong }] }, /^ports\[0\]\.guestPort: /);
    }
    await using own = await owner.makeBox({ ports: [{ guestPort: 65_535, hostIp: '127.0.0.1' }] });
    await installService(own);
    await using _service = await serve(own, 'echo', '127.0.0.1', 65_535);
    assert.equal(String(await exchange(published(own, 65_535), 'last')), 'last');
  });

  prove('PortSpec.protocol: Tcp', async () => {
    await using own = await owner.makeBox({ ports: [{ guestPort: 80, hostIp: '127.0.0.1' }] });
    await own.start();
    assert.equal(published(own, 80).protocol, 'tcp');
  });

  prove('PortSpec.hostIp', async () => {
    await using own = await owner.makeBox({ ports: [{ guestPort: 80, hostIp: '127.0.0.2' }] });
    await own.start();
    const port = published(own, 80);
    assert.equal(port.hostIp, '127.0.0.2');
    await expectListening(port);
    await assert.rejects(connectTo({ ...port, hostIp: '127.0.0.3' }), { code: 'ECONNREFUSED' });
  });

  prove('PortSpec.hostIp: default', async () => {
    await using own = await owner.makeBox({ ports: [{ guestPort: 80 }] });
    await own.start();
    const port = published(own, 80);
    assert.equal(port.hostIp, '0.0.0.0');
    for (const hostIp of ['127.0.0.1', '127.0.0.9']) {
      await expectListening({ ...port, hostIp });
    }
  });

  prove('PortSpec: network', () => {
    return refuses({ network: 'disabled', ports: [{ guestPort: 80 }] }, /^ports: expected none/);
  });
});
