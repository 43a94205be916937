import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { BoxIDMint } from '../../src/base/ids.ts';
import { isAlive, processIdentity, thisProcess } from '../../src/process/identity.ts';
import type { BoxStatus } from '../../src/spec/box-status.ts';
import type { Liveness, ProcessIdentity } from '../../src/spec/process-identity.ts';
import type { BoxRow } from '../../src/store/box-row.ts';
import { type BoxRemains, decideRecovery } from '../../src/store/recovery.ts';
import type { Store } from '../../src/store/store.ts';
import { runProgram } from './programs.ts';
import { boxesOf, recoverHome } from './recover-home.ts';
import {
  boxSpec,
  newBox,
  newHome,
  openStore,
  ownerOf,
  runningBox,
  someProcess,
} from './store-fixture.ts';

/** A process whose fate is written in its start time. */
const processes: fc.Arbitrary<ProcessIdentity> = fc
  .constantFrom<Liveness>('alive', 'dead', 'unknown')
  .map((start) => ({ ...someProcess(), start }));

function liveness(process: ProcessIdentity): Liveness {
  return process.start as Liveness;
}

function remains(
  status: fc.Arbitrary<BoxStatus>,
  owner: fc.Arbitrary<BoxRemains['owner']>,
  vmm: fc.Arbitrary<BoxRemains['vmm']>,
): fc.Arbitrary<BoxRemains> {
  return fc.record({
    claim: fc.nat(9).map((number) => ({ id: BoxIDMint.mint(), number })),
    status,
    autoRemove: fc.boolean(),
    creator: processes,
    owner,
    vmm,
  });
}

/** Every kind of row that can be recorded. */
const rows: fc.Arbitrary<BoxRemains> = fc.oneof(
  remains(fc.constantFrom('configured', 'stopped'), fc.constant(null), fc.constant(null)),
  remains(
    fc.constantFrom('configured', 'stopped'),
    processes.map((process) => ownerOf(process, 'remove')),
    fc.constant(null),
  ),
  remains(
    fc.constantFrom('unknown', 'configured', 'running', 'stopping', 'stopped'),
    processes.map((process) => ownerOf(process, 'run')),
    fc.option(processes),
  ),
);

const homes = fc.array(fc.tuple(rows, fc.boolean()), { maxLength: 20 }).map((boxes) => ({
  rows: boxes.map(([row]) => row),
  directories: boxes.flatMap(([row, present]) => (present ? [row.claim.id.asStr()] : [])),
}));

function decide(home: { rows: BoxRemains[]; directories: string[] }) {
  const facts = { boot: 'this boot', directories: home.directories, liveness };
  return decideRecovery(home.rows, facts);
}

/** What is said of one box; undefined if it is left alone. */
function verdictOn(row: BoxRemains, directory: boolean) {
  const directories = directory ? [row.claim.id.asStr()] : [];
  return decide({ rows: [row], directories }).boxes[0];
}

test('decideRecovery() leaves alone whatever has an owner that is not known to be dead', () => {
  fc.assert(
    fc.property(rows, fc.boolean(), (row, directory) => {
      fc.pre(row.owner !== null && liveness(row.owner) !== 'dead');
      assert.equal(verdictOn(row, directory), undefined);
    }),
  );
});

test('decideRecovery() leaves nothing with a dead owner, and nothing of it running', () => {
  fc.assert(
    fc.property(rows, fc.boolean(), (row, directory) => {
      fc.pre(row.owner !== null && liveness(row.owner) === 'dead');
      const verdict = verdictOn(row, directory);
      const runs = row.vmm !== null && liveness(row.vmm) === 'alive';
      assert.deepEqual(verdict?.reap, runs ? row.vmm : null);
    }),
  );
});

test('decideRecovery() never removes a box that somebody could start again', () => {
  fc.assert(
    fc.property(rows, (row) => {
      fc.pre(!row.autoRemove && row.owner?.purpose !== 'remove');
      assert.notEqual(verdictOn(row, true)?.fate, 'remove');
      const wasAtRest = row.status === 'configured' || row.status === 'stopped';
      if (wasAtRest) assert.notEqual(verdictOn(row, false)?.fate, 'remove');
    }),
  );
});

test('decideRecovery() takes for orphans the directories of ids that nobody has, and no others', () => {
  const names = fc.array(fc.constantFrom('new-abc', '.x', 'AbcdEFGH0001', 'AbcdEFGH0002', 'short'));
  fc.assert(
    fc.property(
      homes,
      fc.uniqueArray(names.chain((list) => fc.constantFrom(...list, 'x'))),
      (home, strangers) => {
        const directories = [...home.directories, ...strangers];
        assert.deepEqual(
          decide({ ...home, directories }).directories,
          strangers.filter((name) => name.startsWith('AbcdEFGH')),
        );
      },
    ),
  );
});

test('decideRecovery() judges every box for itself', () => {
  fc.assert(
    fc.property(homes, (home) => {
      const directories = new Set(home.directories);
      const each = home.rows.flatMap((row) => {
        const verdict = verdictOn(row, directories.has(row.claim.id.asStr()));
        return verdict === undefined ? [] : [verdict];
      });
      assert.deepEqual(decide(home).boxes, each);
    }),
  );
});

test('decideRecovery() tells a restart of the host from the death of an owner', () => {
  const base: BoxRemains = {
    claim: { id: BoxIDMint.mint(), number: 1 },
    status: 'running',
    autoRemove: false,
    creator: someProcess(),
    owner: ownerOf({ ...someProcess(77), start: 'dead' }, 'run'),
    vmm: null,
  };
  assert.equal(
    verdictOn(base, true)?.reason,
    'process 77, which ran it, ended without stopping it',
  );
  const earlier = { ...ownerOf(someProcess(), 'run'), start: 'dead', boot: 'an earlier boot' };
  assert.equal(verdictOn({ ...base, owner: earlier }, true)?.reason, 'the host was restarted');
});

/** Records a box in the state that `row` describes. */
function record(store: Store, { status, autoRemove, creator, owner, vmm }: BoxRemains): BoxRow {
  const { boxes } = store;
  const { id } = boxes.create(newBox({ spec: boxSpec({ autoRemove }), creator }));
  const claim = boxes.claim(id, ownerOf(someProcess(), 'run'))?.claim ?? assert.fail();
  if (status !== 'configured') boxes.transition(claim, ['configured'], 'running');
  if (status === 'stopping') boxes.transition(claim, ['running'], 'stopping');
  if (status === 'unknown') boxes.transition(claim, ['running'], 'unknown');
  if (status === 'stopped') boxes.transition(claim, ['running'], 'stopped');
  else if (status === 'configured') boxes.release(claim);
  if (status === 'stopped' || status === 'configured') {
    const again = owner === null ? null : boxes.claim(id, owner);
    if (again !== null) boxes.change(again.claim, { vmm });
    return boxes.get(id) ?? assert.fail();
  }
  return boxes.change(claim, { vmm }) ?? assert.fail();
}

test('settle() carries out every verdict, after which there is nothing left to decide', (t) => {
  const store = openStore(t, newHome(t));
  const by = ownerOf({ ...someProcess(1), start: 'alive' }, 'remove');
  for (const row of fc.sample(rows, 200)) record(store, row);
  const before = store.boxes.remains();
  const facts = { boot: 'this boot', directories: [], liveness };
  // Boxes recorded as running are this dead process's.
  const dead = (process: ProcessIdentity) =>
    process.start === '1000' ? 'dead' : liveness(process);
  const { boxes } = decideRecovery(before, { ...facts, liveness: dead });
  const removable = store.boxes.settle(boxes, by);
  assert.equal(removable.length, boxes.filter(({ fate }) => fate === 'remove').length);
  store.boxes.deleteAll(removable);
  const after = store.boxes.remains();
  assert.equal(after.length, before.length - removable.length);
  assert.deepEqual(decideRecovery(after, { ...facts, liveness: dead }).boxes, []);
  for (const row of store.boxes.list()) {
    assert(row.owner === null || dead(row.owner) !== 'dead');
    if (row.owner === null) assert(row.status === 'configured' || row.status === 'stopped');
  }
});

test('settle() does nothing to a box that has changed since it was judged', (t) => {
  const store = openStore(t, newHome(t));
  const { boxes } = store;
  const owner = ownerOf({ ...someProcess(), start: 'dead' }, 'run');
  const { id } = boxes.create(newBox({ spec: boxSpec({ autoRemove: false }) }));
  boxes.claim(id, owner);
  const facts = { boot: 'this boot', directories: [], liveness };
  const verdicts = decideRecovery(boxes.remains(), facts).boxes;
  assert.equal(verdicts.length, 1);
  // Somebody else has recovered it and runs it.
  boxes.settle(verdicts, ownerOf(someProcess(2), 'remove'));
  const claimed = boxes.claim(id, ownerOf(someProcess(3), 'run'));
  assert(claimed !== null);
  const late = verdicts.map((verdict) => ({ ...verdict, fate: 'remove' as const }));
  assert.deepEqual(boxes.settle(late, ownerOf(someProcess(1), 'remove')), []);
  assert.deepEqual(boxes.get(id), claimed);
});

/** A real process that does nothing. */
async function idleProcess(t: TestContext): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['60']);
  t.after(() => child.kill('SIGKILL'));
  return (await processIdentity(child.pid ?? 0)) ?? assert.fail();
}

test('recovery ends what still runs of a dead owner, and keeps its box', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const vmm = await idleProcess(t);
  const dead = { ...(await thisProcess()), start: '1' };
  const row = runningBox(store, ownerOf(dead, 'run'));
  store.boxes.change(row.claim, { vmm });
  mkdirSync(join(boxesOf(home), row.id.asStr()));
  assert.deepEqual(await recoverHome(store, home), []);
  assert.equal(await isAlive(vmm), false);
  const left = store.boxes.get(row.id);
  assert.deepEqual([left?.status, left?.owner, left?.vmm], ['stopped', null, null]);
  assert.match(left?.exitReason ?? '', /ended without stopping it/);
});

test('recovery puts 1,000 boxes in order at once', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const self = await thisProcess();
  const alive = await idleProcess(t);
  const dead = { ...alive, start: '1' };
  const kept = boxSpec({ autoRemove: false });
  for (let i = 0; i < 1000; i++) {
    const owner = ownerOf(i % 3 === 0 ? alive : { ...dead, pid: 100_000 + i }, 'run');
    const creator = i % 2 === 0 ? self : dead;
    const fields = { spec: i % 5 === 0 ? boxSpec() : kept, creator };
    const { id } =
      i % 4 === 3 ? store.boxes.create(newBox(fields)) : runningBox(store, owner, fields);
    mkdirSync(join(boxesOf(home), id.asStr()));
    writeFileSync(join(boxesOf(home), id.asStr(), 'disk'), '');
  }
  mkdirSync(join(boxesOf(home), BoxIDMint.mint().asStr()));
  const started = performance.now();
  const removed = await recoverHome(store, home);
  t.diagnostic(`recovered in ${(performance.now() - started).toFixed(0)} ms`);
  const left = store.boxes.list();
  assert(removed.length > 0 && left.length === 1000 - removed.length);
  assert.deepEqual(readdirSync(boxesOf(home)).sort(), left.map((row) => row.id.asStr()).sort());
  for (const { owner, status } of left) {
    assert.equal(owner?.pid ?? null, status === 'running' ? alive.pid : null);
  }
  assert.deepEqual(await recoverHome(store, home), []);
});

test('many processes can recover the same home at once', async (t) => {
  const home = newHome(t);
  const store = openStore(t, home);
  const dead = { ...(await thisProcess()), start: '1' };
  for (let i = 0; i < 60; i++) {
    const spec = boxSpec({ autoRemove: i % 2 === 0 });
    const row = runningBox(store, ownerOf(dead, 'run'), { spec });
    mkdirSync(join(boxesOf(home), row.id.asStr()));
  }
  const removed = await Promise.all(
    Array.from({ length: 4 }, () => runProgram<string[]>(t, 'recover', [home])),
  );
  assert.equal(removed.flat().length, 30);
  assert.equal(new Set(removed.flat()).size, 30);
  const left = store.boxes.list();
  assert.equal(left.length, 30);
  assert(left.every(({ status, owner }) => status === 'stopped' && owner === null));
  assert.equal(readdirSync(boxesOf(home)).length, 30);
});
