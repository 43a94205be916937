/** Boxes that boot from images: pulled from real registries, imported, exported. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BoxCommand, BoxliteError, BoxliteRuntime, ImageRegistry } from '../../src/index.ts';
import { REGISTRY_PASSWORD, REGISTRY_USER, TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { folders, forEachEngine } from './fixture.ts';

forEachEngine((engine) => {
  describe('an image', () => {
    let registry: TestRegistry;
    let runtime: BoxliteRuntime;
    const image = busyboxImage();

    before(async () => {
      registry = await TestRegistry.start();
      await registry.push('team/busybox', '1', image);
      runtime = new BoxliteRuntime({
        homeDir: mkdtempSync(join(folders.homes, 'home-')),
        engine,
        imageRegistries: [ImageRegistry.http(`${registry.host}/team`).withSearch(true)],
      });
    });

    after(async () => {
      await runtime.shutdown();
      await registry[Symbol.asyncDispose]();
    });

    it('is found by its short name, pulled once, and boots', async () => {
      await using box = await runtime.create({ rootfs: 'busybox:1' });
      const script =
        'id -u; pwd; echo $FROM_IMAGE; cat /etc/upper; test -e /etc/lower || echo gone';
      const { stdout } = await (await box.run(['sh', '-c', script])).output();
      assert.equal(stdout, '1234\n/work\nyes\nupper\ngone\n');
      const [info] = await runtime.images.list();
      assert.equal(info?.reference, `${registry.host}/team/busybox:1`);
      assert.equal(info?.digest, image.manifest.digest);
    });

    it('gives its settings, which box and command override', async () => {
      await using box = await runtime.create({
        rootfs: 'busybox:1',
        env: { FROM_IMAGE: 'box', FROM_BOX: '1' },
        user: 'root',
        workingDir: '/etc',
      });
      const { stdout } = await (
        await box.run(['sh', '-c', 'id -u; pwd; echo $FROM_IMAGE$FROM_BOX'])
      ).output();
      assert.equal(stdout, '0\n/etc\nbox1\n');
    });

    it('is refused by name when it does not exist', async () => {
      await using box = await runtime.create({ rootfs: 'nothing:1' });
      await assert.rejects(box.run(['sh']), (error: unknown) => {
        assert.ok(BoxliteError.is(error, 'Image'));
        assert.match(error.message, /nothing/);
        return true;
      });
    });

    it('has its working directory made if it is missing; a caller has to have his', async () => {
      await registry.push('team/homeless', '1', busyboxImage('/made/for/it'));
      const box = await runtime.create({ rootfs: 'homeless:1' });
      const { stdout } = await (await box.run(['sh', '-c', 'pwd; ls -ldn .'])).output();
      assert.match(stdout, /^\/made\/for\/it\ndrwxr-xr-x \D*\d+ +0 +0 /);
      await assert.rejects(box.run(new BoxCommand('pwd').workingDir('/not/made')), { kind: 'Run' });
      await box.stop();
      await runtime.images.remove('homeless:1');
    });

    it('comes back from an exported archive, and from it as rootfsPath', async () => {
      await runtime.images.pull('busybox:1');
      const archive = join(folders.homes, `export-${engine}.tar`);
      await runtime.images.export('busybox:1', archive);
      const imported = await runtime.images.import(archive, { reference: 'again:2' });
      assert.equal(imported.digest, image.manifest.digest);
      await using box = await runtime.create({ rootfs: { rootfsPath: archive } });
      const { stdout } = await (await box.run(['cat', '/etc/upper'])).output();
      assert.equal(stdout, 'upper\n');
      await runtime.images.remove('again:2');
      assert.equal(await runtime.images.get('again:2'), null);
    });

    it('is not removed while a box uses it', async () => {
      const box = await runtime.create({ rootfs: 'busybox:1', autoRemove: false }, 'user');
      await box.start();
      await box.stop();
      await assert.rejects(runtime.images.remove('busybox:1'), (error: unknown) => {
        assert.ok(BoxliteError.is(error, 'InvalidState'));
        assert.match(error.message, /in use by .*user/);
        return true;
      });
      const { images } = await runtime.images.prune({ all: true });
      assert.ok(!images.some((name) => name.endsWith('busybox:1')));
      await runtime.remove('user');
    });

    it('leaves nothing when it has been removed', async () => {
      await runtime.images.pull('busybox:1');
      await runtime.images.remove('busybox:1');
      assert.deepEqual(await runtime.images.list(), []);
      const { bytesFreed } = await runtime.images.prune({ all: true });
      assert.equal(bytesFreed, 0);
      await assert.rejects(runtime.images.remove('busybox:1'), { kind: 'NotFound' });
    });
  });

  it('boots an image from a registry with TLS and a login', async () => {
    await using registry = await TestRegistry.start({ tls: true, htpasswd: true });
    await registry.push('private/app', 'latest', busyboxImage());
    const configured = ImageRegistry.https(registry.host)
      .withSkipVerify(true)
      .withBasicAuth(REGISTRY_USER, REGISTRY_PASSWORD);
    await using runtime = new BoxliteRuntime({
      homeDir: mkdtempSync(join(folders.homes, 'home-')),
      engine,
      imageRegistries: [configured],
    });
    await using box = await runtime.create({ rootfs: `${registry.host}/private/app` });
    const { stdout } = await (await box.run(['cat', '/etc/upper'])).output();
    assert.equal(stdout, 'upper\n');
  });
});
