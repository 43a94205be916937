/** Programs in JavaScript pass anything: what a call cannot mean is refused by name, and the box goes on. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';

/** A call, as somebody without a type checker writes it, by what its message begins with. */
// biome-ignore lint/suspicious/noExplicitAny: whatever can be passed is what this is about
type Calls = readonly (readonly [path: string, call: (on: any) => Promise<unknown>])[];

const ofRuntime: Calls = [
  ['idOrName', ({ runtime }) => runtime.get(5)],
  ['idOrName', ({ runtime }) => runtime.get(null)],
  ['idOrName', ({ runtime }) => runtime.getInfo({})],
  ['idOrName', ({ runtime }) => runtime.exists(undefined)],
  ['idOrName', ({ runtime }) => runtime.remove(5)],
  ['name', ({ runtime }) => runtime.create({}, 5)],
  ['name', ({ runtime }) => runtime.getOrCreate({})],
  ['options', ({ runtime }) => runtime.create(5)],
  ['reference', ({ runtime }) => runtime.images.pull(5)],
  ['reference', ({ runtime }) => runtime.images.get(null)],
  ['reference', ({ runtime }) => runtime.images.inspect({})],
  ['reference', ({ runtime }) => runtime.images.remove(5)],
  ['path', ({ runtime }) => runtime.images.import(5)],
  ['path', ({ runtime }) => runtime.images.export('alpine', 5)],
];

const ofBox: Calls = [
  ['data', (box) => box.fs.writeFile('/tmp/data', 5)],
  ['data', (box) => box.fs.writeFile('/tmp/data', null)],
  // As in Node, the file is there before its pieces are asked for.
  ['data', (box) => box.fs.writeFile('/tmp/pieces', [5])],
  ['path', (box) => box.fs.readFile(5)],
  ['path', (box) => box.fs.mkdir()],
  ['command', (box) => box.run(5)],
  ['command', (box) => box.run([])],
  ['command', (box) => box.run('ls')],
  ['signal', (box) => box.run(['ls'], { signal: {} })],
  ['timeoutMs', (box) => box.stop({ timeoutMs: -1 })],
  ['options', (box) => box.stop(5)],
  ['options', (box) => box.copyIn('/etc/passwd', '/tmp', 5)],
];

const ofExecution: Calls = [
  ['data', (run) => run.stdin().write(5)],
  ['signal', (run) => run.signal('NOPE')],
  ['signal', (run) => run.signal(1000)],
];

async function refusesAll(calls: Calls, on: unknown): Promise<void> {
  for (const [path, call] of calls) {
    await assert.rejects(call(on), (error: { kind?: string; message: string }) => {
      assert.equal(error.kind, 'InvalidArgument', `${call}: ${error}`);
      assert.match(error.message, new RegExp(`\\b${path}\\b`), `${call}`);
      return true;
    });
  }
}

forEachEngine((engine) => {
  const box = sharedBox(engine);
  let owner: TestRuntime;
  before(() => {
    owner = new TestRuntime(engine);
  });
  after(() => owner[Symbol.asyncDispose]());

  describe('an argument that a call cannot mean is refused', () => {
    it('by the runtime', () => refusesAll(ofRuntime, owner));
    it('by a box', () => refusesAll(ofBox, box()));
    it('by a command', async () => {
      await using run = await box().run(['cat']);
      await refusesAll(ofExecution, run);
    });
    it('and nothing has come of it', async () => {
      assert.equal((await shell(box(), 'ls /tmp/data')).exitCode, 1);
      assert.deepEqual(await owner.runtime.listInfo(), []);
    });
  });
});
