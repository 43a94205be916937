/** What a runtime knows and does without a box that runs. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BoxliteRuntime, type BoxOptions } from '../../src/index.ts';
import { newHome } from '../store/store-fixture.ts';

const BASE: BoxOptions = { rootfs: 'builtin:base', autoRemove: false };

function newRuntime(t: TestContext, homeDir = newHome(t)): BoxliteRuntime {
  const runtime = new BoxliteRuntime({ homeDir });
  t.after(() => runtime.shutdown());
  return runtime;
}

test('a new home has no boxes, and what is unknown is null, false or NotFound', async (t) => {
  const runtime = newRuntime(t);
  assert.deepEqual(await runtime.listInfo(), []);
  assert.equal(await runtime.get('nobody'), null);
  assert.equal(await runtime.getInfo('nobody'), null);
  assert.equal(await runtime.exists('nobody'), false);
  await assert.rejects(runtime.remove('nobody'), { kind: 'NotFound', message: /nobody/ });
  await assert.rejects(runtime.remove('nobody', true), { kind: 'NotFound' });
});

test('a box that was made is configured, with an id of its own, and nothing has booted', async (t) => {
  const runtime = newRuntime(t);
  const boxes = [];
  for (let i = 0; i < 3; i++) {
    boxes.push(await runtime.create({ ...BASE, cpus: 1, memoryMib: 64 + i }, `box-${i}`));
  }
  assert.equal(new Set(boxes.map(({ id }) => id.asStr())).size, 3);
  for (const box of boxes) assert.match(box.id.asStr(), /^[0-9A-Za-z]{12}$/);
  const infos = await runtime.listInfo();
  const seen = infos.map(({ name, status, pid, memoryMib }) => [name, status, pid, memoryMib]);
  // The newest first.
  assert.deepEqual(seen, [
    ['box-2', 'configured', null, 66],
    ['box-1', 'configured', null, 65],
    ['box-0', 'configured', null, 64],
  ]);
});

test('two homes know nothing of each other', async (t) => {
  const [one, other] = [newRuntime(t), newRuntime(t)];
  await one.create(BASE, 'name');
  assert.equal(await other.exists('name'), false);
  const { created } = await other.getOrCreate(BASE, 'name');
  assert.equal(created, true);
  assert.equal((await one.getOrCreate(BASE, 'name')).created, false);
  await assert.rejects(one.create(BASE, 'name'), { kind: 'AlreadyExists', message: /"name"/ });
});

test('getOrCreate() takes a name for nothing else', async (t) => {
  const runtime = newRuntime(t);
  const box = await runtime.create(BASE);
  for (const name of [box.id.asStr().slice(0, 6), box.id.asStr()]) {
    assert.equal((await runtime.get(name))?.id.asStr(), box.id.asStr());
    const { box: named, created } = await runtime.getOrCreate(BASE, name);
    assert.deepEqual([created, named.name], [true, name]);
    assert.notEqual(named.id.asStr(), box.id.asStr());
    assert.equal((await runtime.getOrCreate(BASE, name)).created, false);
  }
  await assert.rejects(runtime.getOrCreate(BASE, ''), { kind: 'InvalidArgument' });
});

test('boxes outlast the runtime that made them, but not those that go when they stop', async (t) => {
  const homeDir = newHome(t);
  const first = newRuntime(t, homeDir);
  const kept = await first.create(BASE, 'kept');
  await first.create({ ...BASE, autoRemove: true }, 'gone');
  const { id } = await first.create({ ...BASE, labels: { tier: 'front' } });
  await first.shutdown();
  const next = newRuntime(t, homeDir);
  assert.deepEqual(
    (await next.listInfo()).map((info) => info.id.asStr()),
    [id.asStr(), kept.id.asStr()],
  );
  assert.deepEqual((await next.listInfo({ labels: { tier: 'front' } })).length, 1);
  await next.remove('kept');
  await next.remove(id.asStr().slice(0, 5));
  assert.deepEqual(await next.listInfo(), []);
  assert.deepEqual(readdirSync(join(homeDir, 'boxes')), []);
});

test('shutdown() can be asked for again and at once, and leaves other runtimes alone', async (t) => {
  const homeDir = newHome(t);
  const [one, other] = [newRuntime(t, homeDir), newRuntime(t, homeDir)];
  await one.create(BASE, 'box');
  await Promise.all([one.shutdown(), one.shutdown(), one[Symbol.asyncDispose]()]);
  await one.shutdown();
  assert.equal((await other.create(BASE, 'another')).info().status, 'configured');
});

test('after shutdown() boxes can be looked up, but neither made nor started', async (t) => {
  const homeDir = newHome(t);
  const runtime = newRuntime(t, homeDir);
  const box = await runtime.create(BASE, 'box');
  await runtime.shutdown();
  await assert.rejects(runtime.create(BASE), { kind: 'InvalidState', message: /shut down/ });
  assert.deepEqual(
    (await runtime.listInfo()).map(({ name }) => name),
    ['box'],
  );
  assert.equal((await runtime.getInfo('box'))?.status, 'configured');
  assert.equal(await runtime.exists(box.id), true);
  assert.equal(box.info().status, 'configured');
  assert.equal((await box.metrics()).commandsRunTotal, 0);
  await box.stop();
  for (const use of [() => box.start(), () => box.run(['true'])]) {
    await assert.rejects(use, { kind: 'InvalidState', message: /shut down/ });
  }
  assert.ok(!existsSync(join(homeDir, 'owners')));
  rmSync(homeDir, { recursive: true });
  assert.deepEqual(await runtime.listInfo(), []);
  assert.equal(box.info().name, 'box');
  // Whoever looks does not make the home anew.
  assert.ok(!existsSync(homeDir));
});

test('the runtime of the process is made once', async (t) => {
  const homeDir = newHome(t);
  assert.equal(BoxliteRuntime.tryDefaultRuntime(), null);
  BoxliteRuntime.initDefaultRuntime({ homeDir });
  const runtime = BoxliteRuntime.defaultRuntime();
  t.after(() => runtime.shutdown());
  assert.equal(BoxliteRuntime.tryDefaultRuntime(), runtime);
  assert.throws(() => BoxliteRuntime.initDefaultRuntime({ homeDir }), { kind: 'AlreadyExists' });
  await runtime.create(BASE);
  assert.ok(existsSync(join(homeDir, 'boxlite.db')));
});
