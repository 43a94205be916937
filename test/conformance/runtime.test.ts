import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { cacheDir } from '../../src/base/env.ts';
import {
  BoxCommand,
  BoxID,
  BoxIDMint,
  BoxliteError,
  BoxliteRuntime,
  type BoxStatus,
  ImageRegistry,
  type LiteBox,
} from '../../src/index.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER, TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { folders, forEachEngine, shell, TestRuntime, testedEngines } from '../vm/fixture.ts';
import { eventuallyNone } from '../vm/polling.ts';
import { descendants, isAlive, readProcess } from '../vm/processes.ts';
import { LoggingRegistry, wasAsked } from './logging-registry.ts';
import { runProgram } from './programs/run.ts';
import { prove } from './prove.ts';

forEachEngine((engine) => {
  let owner: TestRuntime;
  let runtime: BoxliteRuntime;
  before(() => {
    owner = new TestRuntime(engine);
    ({ runtime } = owner);
  });
  after(() => owner[Symbol.asyncDispose]());

  /** A home for a process of its own. */
  async function inHome<T>(use: (home: string) => Promise<T>): Promise<T> {
    const home = mkdtempSync(join(folders.homes, 'home-'));
    try {
      return await use(home);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }

  prove('BoxliteRuntime.new', async () => {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine, imageRegistries: [] });
      const box = await made.create({ rootfs: 'builtin:base', autoRemove: false });
      assert.equal((await shell(box, 'echo hello')).stdout, 'hello\n');
      assert.equal(box.info().engine, engine);
      assert.deepEqual(readdirSync(join(homeDir, 'boxes')), [box.id.asStr()]);
      await made.remove(box.id, true);
    });
  });

  prove('BoxliteRuntime.withDefaults', async () => {
    await inHome(async (home) => {
      assert.deepEqual(await runProgram('with-defaults', [engine], { BOXLITE_HOME: home }), [
        'kept',
      ]);
      await using other = new BoxliteRuntime({ homeDir: home });
      assert.ok(await other.exists('kept'));
      await other.remove('kept');
    });
  });

  prove('BoxliteOptions.homeDir: default', async () => {
    await inHome(async (home) => {
      const env = { HOME: home, BOXLITE_HOME: undefined };
      await runProgram('with-defaults', [engine], {
        ...env,
        BOXLITE_CACHE: cacheDir(),
      });
      await using other = new BoxliteRuntime({ homeDir: join(home, '.boxlite') });
      assert.ok(await other.exists('kept'));
      await other.remove('kept');
    });
  });

  prove('BoxliteRuntime.defaultRuntime', async () => {
    await inHome(async (BOXLITE_HOME) => {
      const said = await runProgram('default-runtime', ['default', engine], { BOXLITE_HOME });
      assert.equal(said.same, true);
      assert.deepEqual([said.stdout, said.engine], ['hello\n', engine]);
    });
  });

  prove('BoxliteRuntime.tryDefaultRuntime', async () => {
    await inHome(async (BOXLITE_HOME) => {
      const said = await runProgram('default-runtime', ['default', engine], { BOXLITE_HOME });
      assert.deepEqual([said.before, said.tried], [null, true]);
    });
  });

  prove('BoxliteRuntime.initDefaultRuntime', async () => {
    await inHome(async (BOXLITE_HOME) => {
      const said = await runProgram('default-runtime', ['init', engine], { BOXLITE_HOME });
      assert.deepEqual(
        [said.before, said.tried, said.again, said.engine],
        [null, true, 'AlreadyExists', engine],
      );
    });
  });

  prove('BoxliteRuntime.create', async () => {
    const named = await owner.makeBox({}, 'named');
    const unnamed = await owner.makeBox();
    assert.deepEqual([named.name, unnamed.name], ['named', null]);
    assert.notEqual(named.id.asStr(), unnamed.id.asStr());
    assert.equal((await shell(unnamed, 'echo made')).stdout, 'made\n');
    await named.stop();
    await unnamed.stop();
  });

  prove('BoxliteRuntime.create: name', async () => {
    for (const name of ['a', '0', `a${'-'.repeat(62)}`, 'A.b_c-9']) {
      await (await owner.makeBox({}, name)).stop();
    }
    for (const name of ['', '-a', '.a', 'a b', 'a/b', 'ä', 'a'.repeat(64)]) {
      await assert.rejects(owner.makeBox({}, name), {
        kind: 'InvalidArgument',
        message: /^name: /,
      });
    }
  });

  prove('BoxliteRuntime.create: taken', async () => {
    await using _box = await owner.makeBox({}, 'taken');
    await assert.rejects(owner.makeBox({}, 'taken'), { kind: 'AlreadyExists', message: /taken/ });
  });

  prove('BoxliteRuntime.get', async () => {
    await using box = await owner.makeBox({}, 'findable');
    await box.start();
    for (const key of [box.id.asStr(), 'findable']) {
      const found = await runtime.get(key);
      assert.ok(found !== null);
      assert.equal(found.id.asStr(), box.id.asStr());
      assert.equal((await shell(found, 'echo same')).stdout, 'same\n');
      assert.equal(found.info().pid, box.info().pid);
    }
    assert.equal(await runtime.get('nobody'), null);
  });

  prove('BoxliteRuntime.get: BoxID', async () => {
    const box = await owner.makeBox();
    assert.equal((await runtime.get(box.id))?.id.asStr(), box.id.asStr());
    assert.equal((await runtime.getInfo(box.id))?.id.asStr(), box.id.asStr());
    assert.equal(await runtime.exists(box.id), true);
    await runtime.remove(box.id);
    assert.equal(await runtime.exists(box.id), false);
  });

  prove('BoxliteRuntime.get: order', async () => {
    await using first = await owner.makeBox();
    const id = first.id.asStr();
    // Named as the other's id begins: a name that is exact wins over a prefix.
    await using second = await owner.makeBox({}, id.slice(0, 6));
    assert.equal((await runtime.get(id))?.id.asStr(), id);
    assert.equal((await runtime.get(id.slice(0, 6)))?.id.asStr(), second.id.asStr());
    assert.equal((await runtime.get(id.slice(0, 5)))?.id.asStr(), id);
    assert.equal((await runtime.get(id.slice(0, 4)))?.id.asStr(), id);
    assert.equal(await runtime.get(id.slice(0, 3)), null);
    // And an exact id wins over a name.
    await using third = await owner.makeBox({}, id);
    assert.notEqual(third.id.asStr(), id);
    assert.equal((await runtime.get(id))?.id.asStr(), id);
  });

  prove('BoxliteRuntime.getInfo', async () => {
    await using box = await owner.makeBox({}, 'told');
    for (const key of [box.id.asStr(), 'told']) {
      assert.deepEqual(await runtime.getInfo(key), box.info());
    }
    assert.equal(await runtime.getInfo('nobody'), null);
  });

  prove('BoxliteRuntime.listInfo', async () => {
    await using one = await owner.makeBox({}, 'one');
    await using two = await owner.makeBox();
    const listed = (await runtime.listInfo()).map(({ id }) => id.asStr()).toSorted();
    assert.deepEqual(listed, [one.id.asStr(), two.id.asStr()].toSorted());
  });

  prove('BoxliteRuntime.listInfo: newest first', async () => {
    await using one = await owner.makeBox();
    await using two = await owner.makeBox();
    await using three = await owner.makeBox();
    const listed = (await runtime.listInfo()).map(({ id }) => id.asStr());
    assert.deepEqual(listed, [three.id.asStr(), two.id.asStr(), one.id.asStr()]);
  });

  prove('BoxliteRuntime.listInfo: status', async () => {
    await using running = await owner.makeBox({}, 'running');
    await using _configured = await owner.makeBox({}, 'configured');
    await running.start();
    const names = async (status: BoxStatus[]) =>
      (await runtime.listInfo({ status })).map(({ name }) => name);
    assert.deepEqual(await names(['running']), ['running']);
    assert.deepEqual(await names(['configured']), ['configured']);
    assert.deepEqual(await names(['configured', 'running']), ['configured', 'running']);
    assert.deepEqual(await names(['stopped']), []);
  });

  prove('BoxliteRuntime.listInfo: labels', async () => {
    await using _one = await owner.makeBox({ labels: { tier: 'web', env: 'test' } }, 'one');
    await using _two = await owner.makeBox({ labels: { tier: 'web' } }, 'two');
    const names = async (labels: Record<string, string>) =>
      (await runtime.listInfo({ labels })).map(({ name }) => name);
    assert.deepEqual(await names({ tier: 'web' }), ['two', 'one']);
    assert.deepEqual(await names({ tier: 'web', env: 'test' }), ['one']);
    assert.deepEqual(await names({ tier: 'db' }), []);
  });

  prove('BoxliteRuntime.exists', async () => {
    await using box = await owner.makeBox({}, 'there');
    assert.deepEqual(
      [await runtime.exists('there'), await runtime.exists(box.id.asStr())],
      [true, true],
    );
    assert.equal(await runtime.exists('nobody'), false);
  });

  prove('BoxliteRuntime.metrics', async () => {
    const before = await runtime.metrics();
    await using box = await owner.makeBox();
    await shell(box, 'true');
    const now = await runtime.metrics();
    assert.equal(now.boxesCreatedTotal, before.boxesCreatedTotal + 1);
    assert.equal(now.totalCommandsRun, before.totalCommandsRun + 1);
  });

  prove('BoxliteRuntime.remove', async () => {
    const box = await owner.makeBox({ autoRemove: false }, 'kept');
    await shell(box, 'echo text > /file');
    await box.stop();
    const folder = join(owner.homeDir, 'boxes', box.id.asStr());
    assert.ok(existsSync(folder));
    await runtime.remove('kept');
    assert.ok(!existsSync(folder));
    assert.equal(await runtime.exists('kept'), false);
  });

  prove('BoxliteRuntime.remove: unknown', async () => {
    for (const force of [false, true]) {
      await assert.rejects(runtime.remove('nobody', force), {
        kind: 'NotFound',
        message: /nobody/,
      });
    }
  });

  prove('BoxliteRuntime.remove: active', async () => {
    await using box = await owner.makeBox({}, 'active');
    await box.start();
    await assert.rejects(runtime.remove('active'), { kind: 'InvalidState', message: /force/ });
    assert.equal(box.info().status, 'running');
  });

  prove('BoxliteRuntime.remove: force', async () => {
    const box = await owner.makeBox({ autoRemove: false });
    const command = await box.run(['sleep', '100000']);
    const root = readProcess(box.info().pid ?? 0);
    assert.ok(root !== null);
    const tree = [root, ...descendants(root.pid)];
    await runtime.remove(box.id, true);
    await command.wait().catch(() => undefined);
    await eventuallyNone('still there', () => tree.filter(isAlive).map(({ name }) => name));
    assert.equal(await runtime.exists(box.id), false);
  });

  prove('BoxliteRuntime: example', async () => {
    const litebox = await runtime.create({ rootfs: 'builtin:base' }, 'my-box');
    const run = await litebox.run(new BoxCommand('echo').arg('Hello'));
    const result = await run.wait();
    assert.equal(`Exit code: ${result.exitCode}`, 'Exit code: 0');
    await litebox.stop();
  });

  prove('BoxliteRuntime[Symbol.asyncDispose]', async () => {
    let pid: number | null = null;
    await inHome(async (homeDir) => {
      {
        await using made = new BoxliteRuntime({ homeDir, engine });
        const box = await made.create({ rootfs: 'builtin:base' });
        await box.start();
        pid = box.info().pid;
      }
      const vmm = readProcess(pid ?? 0);
      await eventuallyNone('still there', () => (vmm !== null && isAlive(vmm) ? ['the VMM'] : []));
    });
  });

  prove('BoxliteRuntime.getOrCreate', async () => {
    const options = { rootfs: 'builtin:base', cpus: 1 } as const;
    const first = await runtime.getOrCreate(options, 'shared');
    assert.equal(first.created, true);
    await first.box.start();
    const second = await runtime.getOrCreate({ ...options, memoryMib: 256 }, 'shared');
    assert.equal(second.created, false);
    assert.equal(second.box.id.asStr(), first.box.id.asStr());
    assert.equal(second.box.info().memoryMib, 512);
    assert.equal((await shell(second.box, 'echo same')).stdout, 'same\n');
    await first.box.stop();
  });

  prove('BoxliteRuntime.get: ambiguous', async () => {
    const { boxes, prefix } = await boxesWithOnePrefix(owner);
    await assert.rejects(runtime.get(prefix), {
      kind: 'InvalidArgument',
      message: /ambiguous|several/,
    });
    for (const box of boxes) await box.stop();
  });

  prove('BoxliteRuntime.images', async () => {
    await using registry = await TestRegistry.start();
    await registry.push('team/app', '1', busyboxImage());
    const name = `${registry.host}/team/app:1`;
    const archive = join(owner.homeDir, 'app.tar');
    const { images } = runtime;
    const pulled = await images.pull(name);
    assert.equal(pulled.reference, name);
    assert.deepEqual(
      (await images.list()).map(({ reference }) => reference),
      [name],
    );
    assert.equal((await images.get(name))?.digest, pulled.digest);
    assert.equal((await images.inspect(name)).config.user, 'worker');
    await images.export(name, archive);
    assert.equal((await images.import(archive, { reference: 'again:1' })).digest, pulled.digest);
    await images.remove('again:1');
    assert.deepEqual((await images.prune({ all: true })).images, [name]);
    assert.deepEqual(await images.list(), []);
  });

  prove('BoxliteRuntime.engines', async () => {
    const reports = await runtime.engines();
    const report = reports.find((each) => each.engine === engine);
    assert.equal(report?.usable, true);
    assert.ok(report?.kernel !== null && report?.vmm !== null);
    assert.ok((report?.bootMs ?? 0) > 0);
    assert.deepEqual(reports.map((each) => each.engine).toSorted(), ['hvf', 'kvm', 'tcg', 'uml']);
    for (const { usable, reason } of reports) assert.equal(usable, reason === null);
  });

  prove('BoxliteRuntime.shutdown', async () => {
    await inHome(async (homeDir) => {
      const made = new BoxliteRuntime({ homeDir, engine });
      const box = await made.create({ rootfs: 'builtin:base', autoRemove: false });
      await box.start();
      await Promise.all([made.shutdown(), made.shutdown()]);
      await made.shutdown();
      await using other = new BoxliteRuntime({ homeDir });
      assert.equal((await other.getInfo(box.id))?.status, 'stopped');
      await other.remove(box.id);
    });
  });

  prove('BoxliteRuntime.shutdown: detached', async () => {
    await inHome(async (homeDir) => {
      const made = new BoxliteRuntime({ homeDir, engine });
      const box = await made.create({ rootfs: 'builtin:base', detach: true });
      await box.start();
      const { pid } = box.info();
      await made.shutdown();
      await using other = new BoxliteRuntime({ homeDir });
      const same = await other.get(box.id);
      assert.ok(same !== null && pid !== null);
      assert.deepEqual([same.info().status, same.info().pid], ['running', pid]);
      assert.equal((await shell(same, 'echo on')).stdout, 'on\n');
      await other.remove(box.id, true);
    });
  });

  prove('BoxliteRuntime.shutdown: create', async () => {
    await inHome(async (homeDir) => {
      const made = new BoxliteRuntime({ homeDir, engine });
      await made.shutdown();
      await assert.rejects(made.create(), { kind: 'InvalidState', message: /shut down/ });
    });
  });

  prove('BoxliteRuntime: one home', async () => {
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
    const box = await owner.makeBox({}, 'common');
    await box.start();
    const same = await other.get('common');
    assert.ok(same !== null);
    assert.equal((await shell(same, 'echo from the other')).stdout, 'from the other\n');
    assert.equal(same.info().pid, box.info().pid);
    await same.stop();
    assert.equal(await runtime.exists('common'), false);
  });

  prove('BoxliteOptions.homeDir', async () => {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine });
      const box = await made.create({ rootfs: 'builtin:base', autoRemove: false });
      await box.start();
      assert.deepEqual(readdirSync(join(homeDir, 'boxes')), [box.id.asStr()]);
      assert.ok(existsSync(join(homeDir, 'boxlite.db')));
      await made.remove(box.id, true);
    });
  });

  prove('BoxliteOptions.homeDir: absolute', () => {
    assert.throws(() => new BoxliteRuntime({ homeDir: 'relative' }), {
      kind: 'InvalidArgument',
      message: /^homeDir: expected an absolute path/,
    });
  });

  prove('BoxliteOptions: unknown key', () => {
    const options = { home: '/x' } as object;
    assert.throws(() => new BoxliteRuntime(options), {
      kind: 'InvalidArgument',
      message: /^home: /,
    });
  });

  prove('BoxliteOptions.engine', async () => {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine });
      await using box = await made.create({ rootfs: 'builtin:base' });
      await box.start();
      assert.equal(box.info().engine, engine);
    });
    assert.throws(() => new BoxliteRuntime({ engine: 'steam' as 'uml' }), {
      kind: 'InvalidArgument',
    });
  });

  prove('BoxliteOptions.engine: default', async () => {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir });
      await using box = await made.create({ rootfs: 'builtin:base' });
      await box.start();
      const first = (await made.engines()).find(({ usable }) => usable);
      assert.equal(box.info().engine, first?.engine);
    });
  });

  prove('BoxliteOptions.imageRegistries', async () => {
    await using empty = await TestRegistry.start();
    await using full = await TestRegistry.start();
    await full.push('library/app', '1', busyboxImage());
    await inHome(async (homeDir) => {
      const imageRegistries = [empty, full].map(({ host }) =>
        ImageRegistry.http(host).withSearch(true),
      );
      await using made = new BoxliteRuntime({ homeDir, engine, imageRegistries });
      await using box = await made.create({ rootfs: 'app:1' });
      assert.equal((await shell(box, 'cat /etc/upper')).stdout, 'upper\n');
      const [image] = await made.images.list();
      assert.equal(image?.reference, `${full.host}/library/app:1`);
    });
  });

  prove('BoxliteOptions.imageRegistries: default', async () => {
    await inHome(async (homeDir) => {
      // A proxy that goes nowhere shows who would have been asked.
      await using proxy = await LoggingRegistry.start();
      const asked = await runProgram('pull-by-proxy', [homeDir], { https_proxy: proxy.origin });
      assert.equal(asked.kind, 'Network');
      assert.ok(proxy.asked.includes('CONNECT registry-1.docker.io:443'), proxy.asked.join('\n'));
    });
  });

  prove('BoxliteOptions.imageRegistries: texts', async () => {
    await using registry = await TestRegistry.start({ tls: true });
    await registry.push('team/app', '1', busyboxImage());
    await inHome(async (homeDir) => {
      const said = await runProgram('pull-by-text', [homeDir, `${registry.host}/team`], {
        NODE_EXTRA_CA_CERTS: registry.caFile ?? '',
      });
      assert.equal(said.reference, `${registry.host}/team/app:1`);
    });
  });

  /** A box with an image of a registry, which shows that it was spoken to. */
  async function bootsFrom(registry: ImageRegistry, rootfs: string): Promise<void> {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine, imageRegistries: [registry] });
      await using box = await made.create({ rootfs });
      assert.equal((await shell(box, 'cat /etc/upper')).stdout, 'upper\n');
    });
  }

  async function pullFrom(registry: ImageRegistry, rootfs: string): Promise<void> {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine, imageRegistries: [registry] });
      await made.images.pull(rootfs);
    });
  }

  prove('ImageRegistry.https', async () => {
    await using registry = await TestRegistry.start({ tls: true });
    await registry.push('team/app', '1', busyboxImage());
    const { host } = registry;
    await bootsFrom(ImageRegistry.https(host).withSkipVerify(true), `${host}/team/app:1`);
    await using plain = await TestRegistry.start();
    const wrong = pullFrom(ImageRegistry.https(plain.host), `${plain.host}/team/app:1`);
    await assert.rejects(wrong, { kind: 'Network' });
  });

  prove('ImageRegistry.http', async () => {
    await using registry = await TestRegistry.start();
    await registry.push('team/app', '1', busyboxImage());
    await bootsFrom(ImageRegistry.http(registry.host), `${registry.host}/team/app:1`);
  });

  prove('ImageRegistry.host', async () => {
    await using registry = await TestRegistry.start();
    await registry.push('one/two/app', '1', busyboxImage());
    await bootsFrom(ImageRegistry.http(`${registry.host}/one/two`).withSearch(true), 'app:1');
    assert.equal(ImageRegistry.https('ghcr.io/myorg').host, 'ghcr.io/myorg');
  });

  prove('ImageRegistry.host: no scheme', () => {
    for (const host of ['https://ghcr.io', 'http://registry.local:5000']) {
      assert.throws(() => ImageRegistry.https(host), {
        kind: 'InvalidArgument',
        message: /without a scheme/,
      });
    }
  });

  prove('ImageRegistry.transport', () => {
    assert.equal(ImageRegistry.https('ghcr.io').transport, 'https');
    assert.equal(ImageRegistry.http('registry.local:5000').transport, 'http');
  });

  prove('ImageRegistry.skipVerify', () => {
    const registry = ImageRegistry.https('ghcr.io');
    assert.equal(registry.skipVerify, false);
    assert.equal(registry.withSkipVerify(true).skipVerify, true);
  });

  prove('ImageRegistry.search', () => {
    const registry = ImageRegistry.https('ghcr.io');
    assert.equal(registry.search, false);
    assert.equal(registry.withSearch(true).search, true);
  });

  prove('ImageRegistry.withSkipVerify', async () => {
    await using registry = await TestRegistry.start({ tls: true });
    await registry.push('team/app', '1', busyboxImage());
    const { host } = registry;
    await pullFrom(ImageRegistry.https(host).withSkipVerify(true), `${host}/team/app:1`);
    for (const strict of [
      ImageRegistry.https(host),
      ImageRegistry.https(host).withSkipVerify(true).withSkipVerify(false),
    ]) {
      assert.equal(strict.skipVerify, false);
      await assert.rejects(pullFrom(strict, `${host}/team/app:1`), { kind: 'Network' });
    }
  });

  prove('ImageRegistry.withSearch', async () => {
    await using registry = await TestRegistry.start();
    await registry.push('library/app', '1', busyboxImage());
    await bootsFrom(ImageRegistry.http(registry.host).withSearch(true), 'app:1');
    // Of two, of which the other one is searched and has nothing, it is not asked.
    await using empty = await LoggingRegistry.start();
    await inHome(async (homeDir) => {
      const imageRegistries = [
        ImageRegistry.http(registry.host),
        ImageRegistry.http(empty.host).withSearch(true),
      ];
      await using made = new BoxliteRuntime({ homeDir, engine, imageRegistries });
      await assert.rejects(made.images.pull('app:1'), { kind: 'Image' });
    });
    assert.ok(wasAsked(empty, 'GET /v2/library/app/manifests/1'), empty.asked.join('\n'));
  });

  prove('ImageRegistry.auth: anonymous', async () => {
    await using registry = await LoggingRegistry.start();
    await assert.rejects(pullFrom(ImageRegistry.http(registry.host), `${registry.host}/a/b:1`));
    assert.deepEqual(ImageRegistry.http(registry.host).auth, { kind: 'anonymous' });
    assert.ok(registry.asked.length > 0);
    assert.deepEqual(registry.authorizations, []);
  });

  prove('ImageRegistry.withBasicAuth', async () => {
    await using registry = await TestRegistry.start({ htpasswd: true, tls: true });
    await registry.push('team/app', '1', busyboxImage());
    const { host } = registry;
    const configured = ImageRegistry.https(host).withSkipVerify(true);
    await bootsFrom(
      configured.withBasicAuth(REGISTRY_USER, REGISTRY_PASSWORD),
      `${host}/team/app:1`,
    );
    const wrong = pullFrom(configured.withBasicAuth(REGISTRY_USER, 'wrong'), `${host}/team/app:1`);
    await assert.rejects(wrong, { kind: 'Image', message: /401/ });
  });

  prove('ImageRegistry.withBearerAuth', async () => {
    await using registry = await LoggingRegistry.start();
    const configured = ImageRegistry.http(registry.host).withBearerAuth('the-token');
    await assert.rejects(pullFrom(configured, `${registry.host}/a/b:1`));
    assert.ok(
      registry.authorizations.includes('Bearer the-token'),
      String(registry.authorizations),
    );
  });

  prove('ImageRegistry: example', async () => {
    await using first = await LoggingRegistry.start();
    await using second = await LoggingRegistry.start();
    await using third = await TestRegistry.start();
    await third.push('library/alpine', 'latest', busyboxImage());
    await inHome(async (homeDir) => {
      const options = {
        homeDir,
        engine,
        imageRegistries: [
          ImageRegistry.http(`${first.host}/myorg`).withSearch(true),
          ImageRegistry.http(second.host).withSearch(true),
          ImageRegistry.http(third.host).withSearch(true),
          ImageRegistry.https('registry.example.com')
            .withSkipVerify(true)
            .withBasicAuth('user', 'password'),
        ],
      };
      await using made = new BoxliteRuntime(options);
      await using box = await made.create({ rootfs: 'alpine' });
      assert.equal((await shell(box, 'cat /etc/upper')).stdout, 'upper\n');
    });
    assert.ok(wasAsked(first, 'GET /v2/myorg/alpine/manifests/latest'));
    assert.ok(wasAsked(second, 'GET /v2/library/alpine/manifests/latest'));
  });

  prove('EngineChoice: auto', async () => {
    await inHome(async (homeDir) => {
      await using made = new BoxliteRuntime({ homeDir, engine: 'auto' });
      const reports = await made.engines();
      const first = reports.find(({ usable }) => usable);
      await using box = await made.create({ rootfs: 'builtin:base' });
      await box.start();
      assert.equal(box.info().engine, first?.engine);
      assert.ok((first?.bootMs ?? 0) > 0, 'no probe guest has booted');
    });
  });

  for (const choice of testedEngines) {
    prove(`EngineChoice: ${choice}`, async () => {
      await using box = await owner.makeBox({ engine: choice });
      const { stdout } = await shell(box, 'cat /proc/cpuinfo');
      assert.equal(/User Mode Linux|vendor_id\s*: User/i.test(stdout), choice === 'uml');
      assert.equal(box.info().engine, choice);
    });
  }

  prove('EngineChoice: cannot work', async () => {
    const foreign = process.platform === 'darwin' ? 'uml' : 'hvf';
    await using box = await owner.makeBox({ engine: foreign });
    await assert.rejects(box.start(), { kind: 'UnsupportedEngine', message: new RegExp(foreign) });
    for (const report of await runtime.engines()) {
      if (report.usable || report.engine === foreign) continue;
      await using other = await owner.makeBox({ engine: report.engine });
      await assert.rejects(other.start(), (error) => BoxliteError.is(error));
    }
  });

  prove('EngineChoice: cache', async () => {
    const first = (await runtime.engines()).find((each) => each.engine === engine);
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
    const second = (await other.engines()).find((each) => each.engine === engine);
    // Measured anew it would differ in some digit.
    assert.equal(second?.bootMs, first?.bootMs);
    assert.ok(existsSync(join(cacheDir(), 'engines.json')));
  });
});

/** Two boxes whose ids begin alike, which chance would not bring about. */
async function boxesWithOnePrefix(owner: TestRuntime) {
  const mint = BoxIDMint.mint;
  const boxes: LiteBox[] = [];
  try {
    const first = mint.call(BoxIDMint);
    for (const ending of ['aaaaaa', 'bbbbbb']) {
      const id = BoxID.parse(`${first.asStr().slice(0, 6)}${ending}`);
      assert.ok(id !== null);
      BoxIDMint.mint = () => id;
      boxes.push(await owner.makeBox());
    }
    return { boxes, prefix: first.asStr().slice(0, 6) };
  } finally {
    BoxIDMint.mint = mint;
  }
}
