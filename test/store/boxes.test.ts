import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { BoxID, BoxIDMint, ContainerID } from '../../src/base/ids.ts';
import { boxStatuses, canTransition } from '../../src/spec/box-status.ts';
import { boxInfo } from '../../src/store/box-row.ts';
import {
  boxSpec,
  newBox,
  newHome,
  newStore,
  openDatabase,
  openStore,
  remover,
  runner,
  runningBox,
  someProcess,
} from './store-fixture.ts';

const ports = [{ guestPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '127.0.0.1' }] as const;

function boxId(text: string): BoxID {
  const id = BoxID.parse(text);
  assert(id !== null);
  return id;
}

test('a new home has no boxes', (t) => {
  const { boxes } = newStore(t);
  assert.deepEqual(boxes.list(), []);
  assert.equal(boxes.find('anything'), null);
  assert.equal(boxes.get(BoxIDMint.mint()), null);
});

test('create() records a box that was never started, exactly as it was asked for', (t) => {
  const { boxes } = newStore(t, { now: () => 1_700_000_000_000 });
  const spec = boxSpec({
    rootfs: 'alpine:latest',
    env: { A: 'ü "quoted"' },
    labels: { team: 'a' },
    secrets: [{ name: 'k', hosts: ['example.com'], value: 'v' }],
    ports: [{ guestPort: 80 }],
    network: { mode: 'enabled', allowNet: ['*.example.com', '10.0.0.0/8'] },
  });
  const box = newBox({ name: 'web', spec });
  const row = boxes.create(box);
  assert.deepEqual(row, boxes.get(box.id));
  assert.deepEqual(row.spec, structuredClone(spec));
  assert.deepEqual(boxInfo(row), {
    id: box.id,
    name: 'web',
    status: 'configured',
    createdAt: new Date(1_700_000_000_000),
    lastUpdated: new Date(1_700_000_000_000),
    pid: null,
    image: 'alpine:latest',
    cpus: 2,
    memoryMib: 512,
    labels: { team: 'a' },
    engine: null,
    ports: [],
    exitReason: null,
  });
  assert.deepEqual(row.creator, someProcess());
  assert.equal(row.owner, null);
});

test('create() refuses a name that is taken, and counts only what it made', (t) => {
  const { boxes, metrics } = newStore(t);
  boxes.create(newBox({ name: 'web' }));
  boxes.create(newBox({ name: 'Web' }));
  boxes.create(newBox());
  boxes.create(newBox());
  assert.throws(
    () => boxes.create(newBox({ name: 'web' })),
    (error) => BoxliteError.is(error, 'AlreadyExists') && /the name "web"/.test(error.message),
  );
  assert.equal(boxes.list().length, 4);
  assert.equal(metrics.ofHome().boxesCreatedTotal, 4);
});

test('find() prefers the exact id, then the exact name, then the only id that begins so', (t) => {
  const { boxes } = newStore(t);
  const first = boxes.create(newBox({ id: boxId('AbcdEFGH0001') }));
  const second = boxes.create(newBox({ id: boxId('AbcdEFGH0002'), name: 'AbcdEFGH0001' }));
  const third = boxes.create(newBox({ id: boxId('AbceEFGH0003'), name: 'Abcd' }));
  const found = (text: string) => boxes.find(text)?.id;
  assert.deepEqual(found('AbcdEFGH0001'), first.id);
  assert.deepEqual(found('Abcd'), third.id);
  assert.deepEqual(found('AbcdEFGH0002'), second.id);
  assert.deepEqual(found('Abce'), third.id);
  assert.equal(found('Abc'), undefined);
  assert.equal(found('abce'), undefined);
  assert.equal(found('A%_*'), undefined);
  assert.throws(
    () => boxes.find('AbcdE'),
    (error) => BoxliteError.is(error, 'InvalidArgument'),
  );
});

test('find() finds by every prefix what a look at all ids finds', (t) => {
  const { boxes } = newStore(t);
  const ids = [
    '0000aaaaaaaa',
    '0000zzzzzzzz',
    'zzzzzzzzzzzz',
    'zzzzZZZZZZZZ',
    '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  ];
  for (const id of ids) boxes.create(newBox({ id: boxId(id) }));
  for (const id of ids) {
    for (let length = 4; length <= id.length; length++) {
      const prefix = id.slice(0, length);
      const matches = ids.filter((other) => other.startsWith(prefix));
      if (matches.length > 1) assert.throws(() => boxes.find(prefix), /fits several boxes/);
      else assert.equal(boxes.find(prefix)?.id.asStr(), id);
    }
  }
});

test('list() has the newest first, even if the clock goes back', (t) => {
  let now = 1000;
  const { boxes } = newStore(t, { now: () => now-- });
  const ids = Array.from({ length: 5 }, () => boxes.create(newBox()).id);
  assert.deepEqual(
    boxes.list().map((row) => row.id),
    ids.reverse(),
  );
});

test('list() filters by status and by every label', (t) => {
  const store = newStore(t);
  const { boxes } = store;
  const create = (name: string, labels: Record<string, string>) =>
    boxes.create(newBox({ name, spec: boxSpec({ labels, autoRemove: false }) }));
  create('a', { team: 'x', 'odd key."$[0]': "odd ' value" });
  create('b', { team: 'x', tier: '1' });
  create('c', { team: 'y' });
  runningBox(store, runner(), { name: 'd' });
  const names = (filter: Parameters<typeof boxes.list>[0]) => boxes.list(filter).map((b) => b.name);
  assert.deepEqual(names({ labels: { team: 'x' } }), ['b', 'a']);
  assert.deepEqual(names({ labels: { team: 'x', tier: '1' } }), ['b']);
  assert.deepEqual(names({ labels: { 'odd key."$[0]': "odd ' value" } }), ['a']);
  assert.deepEqual(names({ labels: { team: 'X' } }), []);
  assert.deepEqual(names({ labels: {} }), ['d', 'c', 'b', 'a']);
  assert.deepEqual(names({ status: ['running'] }), ['d']);
  assert.deepEqual(names({ status: ['configured'], labels: { team: 'y' } }), ['c']);
  assert.deepEqual(names({ status: [] }), []);
});

test('only one of two can claim a box', (t) => {
  const { boxes } = newStore(t);
  const { id } = boxes.create(newBox());
  const won = boxes.claim(id, runner(1));
  assert.deepEqual(won?.owner, runner(1));
  assert.equal(boxes.claim(id, runner(2)), null);
  assert.equal(boxes.claim(id, remover(2)), null);
  assert.equal(boxes.claim(BoxIDMint.mint(), runner(1)), null);
});

test('a claim is void once it was given back and another one was made', (t) => {
  const { boxes } = newStore(t);
  const { id } = boxes.create(newBox());
  const first = boxes.claim(id, runner(1));
  assert(first !== null && boxes.release(first.claim));
  const second = boxes.claim(id, runner(1));
  assert(second !== null);
  assert.equal(boxes.change(first.claim, { engine: 'uml' }), null);
  assert.equal(boxes.transition(first.claim, ['configured'], 'running'), null);
  assert.equal(boxes.release(first.claim), false);
  assert.equal(boxes.delete(first.claim), false);
  assert.deepEqual(boxes.get(id), second);
});

test('a box that runs keeps what is known of it until it stops', (t) => {
  let now = 1000;
  const { boxes } = newStore(t, { now: () => now });
  const { id } = boxes.create(newBox());
  const claimed = boxes.claim(id, runner());
  assert(claimed !== null);
  const { claim } = claimed;
  const vmm = someProcess(99);
  assert.equal(boxInfo(boxes.change(claim, { vmm }) ?? claimed).pid, null);
  now = 2000;
  const containerId = ContainerID.new();
  const changes = { engine: 'uml', ports, containerId, imageDisk: 'a.erofs' } as const;
  const running = boxes.transition(claim, ['configured', 'stopped'], 'running', changes);
  assert(running !== null);
  assert.deepEqual(running, {
    ...claimed,
    ...changes,
    vmm,
    status: 'running',
    updatedAt: new Date(2000),
  });
  assert.equal(boxInfo(running).pid, 99);

  assert.equal(boxes.transition(claim, ['running'], 'stopping')?.vmm?.pid, 99);
  const end = { exitReason: 'it ended', exitCode: 7 };
  const stopped = boxes.transition(claim, ['stopping'], 'stopped', end);
  assert(stopped !== null);
  assert.deepEqual(stopped, {
    ...running,
    ...end,
    status: 'stopped',
    owner: null,
    vmm: null,
    ports: [],
  });
  assert.equal(boxes.transition(claim, ['stopped'], 'running'), null);
});

test('a box whose records cannot be read is told by its id, as MetadataError', (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const { id } = store.boxes.create(newBox());
  const database = openDatabase(t, home);
  // What the schema would refuse, a damaged file can have.
  database.exec('PRAGMA ignore_check_constraints = ON');
  database.prepare('UPDATE boxes SET ports = ? WHERE id = ?').run('[{', id.asStr());
  const message = new RegExp(`^Cannot read "ports" of the box ${id}: `);
  assert.throws(() => store.boxes.get(id), { kind: 'MetadataError', message });
});

test('change() leaves alone what it does not name, and sets null where it says so', (t) => {
  const store = newStore(t);
  const { claim } = runningBox(store);
  const all = { vmm: someProcess(), engine: 'tcg', exitReason: 'why', exitCode: 0, ports } as const;
  store.boxes.change(claim, all);
  const row = store.boxes.change(claim, { exitReason: null, exitCode: null, vmm: null });
  assert.deepEqual(
    [row?.vmm, row?.engine, row?.exitReason, row?.exitCode, row?.ports, row?.containerId],
    [null, 'tcg', null, null, ports, null],
  );
  assert.equal(row?.status, 'running');
});

test('transition() does nothing unless the box is in one of the states it comes from', (t) => {
  const store = newStore(t);
  const row = runningBox(store);
  assert.equal(store.boxes.transition(row.claim, ['configured', 'stopped'], 'running'), null);
  assert.equal(store.boxes.transition(row.claim, [], 'stopped'), null);
  assert.deepEqual(store.boxes.get(row.id), row);
});

test('transition() refuses what is no way of the state machine', (t) => {
  const store = newStore(t);
  const row = runningBox(store);
  const pairs = boxStatuses.flatMap((from) => boxStatuses.map((to) => [from, to] as const));
  for (const [from, to] of pairs.filter(([from, to]) => !canTransition(from, to))) {
    assert.throws(() => store.boxes.transition(row.claim, ['running', from], to), TypeError);
  }
  assert.deepEqual(store.boxes.get(row.id), row);
});

test('a box that stops can stay with its owner, to be removed', (t) => {
  const store = newStore(t);
  const { id, claim } = runningBox(store);
  assert.equal(store.boxes.delete(claim), false);
  const stopped = store.boxes.transition(claim, ['running'], 'stopped', { next: remover() });
  assert.deepEqual([stopped?.status, stopped?.owner, stopped?.vmm], ['stopped', remover(), null]);
  assert.equal(store.boxes.claim(id, runner(2)), null);
  assert.equal(store.boxes.delete(claim), true);
  assert.equal(store.boxes.get(id), null);
});

test('release() is refused while the box runs', (t) => {
  const store = newStore(t);
  const row = runningBox(store);
  assert.equal(store.boxes.release(row.claim), false);
  assert.deepEqual(store.boxes.get(row.id), row);
});

test('delete() frees the name and takes the measures along', (t) => {
  const { boxes, metrics } = newStore(t);
  const { id } = boxes.create(newBox({ name: 'web' }));
  metrics.countBox(id, { commandsRunTotal: 1 });
  const claimed = boxes.claim(id, remover());
  assert(claimed !== null && boxes.delete(claimed.claim));
  assert.equal(boxes.delete(claimed.claim), false);
  boxes.create(newBox({ name: 'web' }));
  assert.equal(metrics.ofBox(id).commandsRunTotal, 0);
});

test('boxes of different homes do not meet', (t) => {
  const [one, other] = [newStore(t), newStore(t)];
  one.boxes.create(newBox({ name: 'web' }));
  assert.equal(other.boxes.find('web'), null);
});

test('boxes stay when the store is closed and opened again', (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const rows = [runningBox(store), store.boxes.create(newBox({ name: 'web' }))];
  store[Symbol.dispose]();
  assert.throws(
    () => store.boxes.list(),
    (error) => BoxliteError.is(error, 'InvalidState'),
  );
  assert.deepEqual(openStore(t, home).boxes.list(), rows.reverse());
});

test('grow() makes the disk of a box that nobody has larger, and nothing else', (t) => {
  const { boxes } = newStore(t);
  const spec = boxSpec({ autoRemove: false, diskSizeGb: 4, labels: { a: 'b' } });
  const row = boxes.create(newBox({ spec }));
  const grown = { ...row, spec: { ...row.spec, diskSizeGb: 9 } };
  assert.deepEqual(boxes.grow(row.id, 9), grown);
  assert.equal(boxes.grow(row.id, 8), null);
  const claimed = boxes.claim(row.id, runner());
  assert.equal(boxes.grow(row.id, 10), null);
  assert(claimed !== null);
  boxes.release(claimed.claim);
  assert.deepEqual(boxes.get(row.id)?.spec, grown.spec);
  assert.equal(boxes.grow(BoxIDMint.mint(), 10), null);
});
