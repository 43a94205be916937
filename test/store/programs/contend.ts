/**
 * Starts, stops, removes, makes and recovers boxes as fast as it can, as others do at the same time:
 * `contend.ts HOME SEED ROUNDS`. Whoever owns a box leaves a note in its place; finding the note of another
 * process that is alive is the one thing that must never happen.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BoxliteError, systemCode } from '../../../src/base/errors.ts';
import { isAlive, thisProcess } from '../../../src/process/identity.ts';
import type { BoxRow } from '../../../src/store/box-row.ts';
import { Store } from '../../../src/store/store.ts';
import { diceFrom } from '../../vm/dice.ts';
import { recoverHome } from '../recover-home.ts';
import { boxSpec, newBox, ownerOf } from '../store-fixture.ts';

const NAMES = ['a', 'b', 'c'];
const [home = '', seed = '', rounds = ''] = process.argv.slice(2);
const self = await thisProcess();
const store = Store.open(home);
const { boxes } = store;
const report = { claims: [] as string[], counted: 0, made: 0, collisions: [] as string[] };
const dice = diceFrom(Number(seed));

function notePath(row: BoxRow): string {
  return join(home, `note-${row.id}`);
}

async function enter(row: BoxRow): Promise<void> {
  report.claims.push(`${row.id}/${row.claim.number}`);
  try {
    writeFileSync(notePath(row), JSON.stringify(self), { flag: 'wx' });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    const text = readFileSync(notePath(row), 'utf8');
    // Cut short: its writer was killed while it wrote.
    if (text !== '' && (await isAlive(JSON.parse(text)))) report.collisions.push(text);
    writeFileSync(notePath(row), JSON.stringify(self));
  }
}

function leave(row: BoxRow): void {
  rmSync(notePath(row), { force: true });
}

async function run(row: BoxRow): Promise<void> {
  const claimed = boxes.claim(row.id, ownerOf(self, 'run'));
  if (claimed === null) return;
  await enter(claimed);
  const { claim } = claimed;
  if (dice(5) === 0) {
    leave(claimed);
    boxes.release(claim);
    return;
  }
  must(boxes.transition(claim, ['configured', 'stopped'], 'running', { vmm: self, engine: 'uml' }));
  store.metrics.countBox(row.id, { commandsRunTotal: 1 });
  report.counted += 1;
  if (dice(2) === 0) must(boxes.transition(claim, ['running'], 'stopping'));
  leave(claimed);
  const next = dice(4) === 0 ? { next: ownerOf(self, 'remove') } : {};
  must(boxes.transition(claim, ['running', 'stopping'], 'stopped', { exitCode: 0, ...next }));
  if ('next' in next && !boxes.delete(claim)) throw new Error('lost a box in the end');
}

async function remove(row: BoxRow): Promise<void> {
  const claimed = boxes.claim(row.id, ownerOf(self, 'remove'));
  if (claimed === null) return;
  await enter(claimed);
  leave(claimed);
  if (!boxes.delete(claimed.claim)) throw new Error('lost a claim to remove');
}

function create(name: string): void {
  try {
    boxes.create(newBox({ name, spec: boxSpec({ autoRemove: dice(2) === 0 }), creator: self }));
    report.made += 1;
  } catch (error) {
    if (!BoxliteError.is(error, 'AlreadyExists')) throw error;
  }
}

function must(row: BoxRow | null): void {
  if (row === null) throw new Error('an owner was refused');
}

console.log('ready');
for (let round = 0; round < Number(rounds); round++) {
  const name = NAMES[dice(NAMES.length)] ?? '';
  const row = boxes.find(name);
  if (row === null) create(name);
  else if (dice(8) === 0) await remove(row);
  else if (dice(20) === 0) await recoverHome(store, home);
  else await run(row);
}
console.log(JSON.stringify(report));
