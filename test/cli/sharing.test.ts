/** Two programs and the command line at work on the same boxes at the same time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoxliteRuntime } from '../../src/index.ts';
import { Visitor } from '../vm/visitors.ts';
import { CommandLine } from './command-line.ts';

const KEPT = { rootfs: 'builtin:base', autoRemove: false, diskSizeGb: 1 };
const BOXES = ['ours', 'theirs', 'lasting'] as const;
const ROUNDS = 3;

describe('two programs and the command line', () => {
  it('use, stop and remove the boxes of one another at the same time', async () => {
    await using cli = new CommandLine();
    await using runtime = new BoxliteRuntime({ homeDir: cli.home });
    await using visitor = await Visitor.start(cli.home, 'auto');
    const boxOf = async (name: string) => {
      const box = await runtime.get(name);
      assert.ok(box !== null, name);
      return box;
    };

    // Each has a box of its own: two end with their programs, the third has a shim.
    await Promise.all([
      runtime.create(KEPT, 'ours').then((box) => box.start()),
      visitor.does(async (here, options) => {
        await (await here.runtime.create(options, 'theirs')).start();
      }, KEPT),
      cli.say('create', '--name', 'lasting', KEPT.rootfs).then(() => cli.say('start', 'lasting')),
    ]);

    // All three in all three boxes: whose line it is, and that what they read is what their own command wrote.
    const script = (who: string) => `echo ${who} >> /log; echo ${who} "$(hostname)"`;
    const parties: Record<string, (name: string) => Promise<string>> = {
      program: async (name) => {
        const execution = await (await boxOf(name)).run(['sh', '-c', script('program')]);
        return (await execution.output()).stdout;
      },
      visitor: async (name) => (await visitor.shell(name, script('visitor'))).stdout,
      cli: (name) => cli.say('exec', name, '--', 'sh', '-c', script('cli')),
    };
    await Promise.all(
      Object.entries(parties).map(async ([who, say]) => {
        for (let round = 0; round < ROUNDS; round++) {
          const said = await Promise.all(BOXES.map(say));
          for (const [i, name] of BOXES.entries()) {
            const id = (await boxOf(name)).id.asStr().toLowerCase();
            assert.equal(said[i]?.trim(), `${who} ${id}`);
          }
        }
      }),
    );
    const expected = Object.keys(parties).flatMap((who) => Array(ROUNDS).fill(who));
    for (const name of BOXES) {
      const log = await cli.say('exec', name, 'cat', '/log');
      assert.deepEqual(log.split('\n').toSorted(), expected.toSorted(), name);
    }

    const seen = async () => [
      (await runtime.listInfo()).map(({ id, status }) => `${id} ${status}`),
      await visitor.does(async (here) =>
        (await here.runtime.listInfo()).map(({ id, status }) => `${id} ${status}`),
      ),
      (
        JSON.parse(await cli.say('ls', '-a', '--format', 'json')) as {
          id: string;
          status: string;
        }[]
      ).map(({ id, status }) => `${id} ${status}`),
    ];
    const [running, ...others] = await seen();
    assert.equal(running?.length, BOXES.length);
    assert.ok(running?.every((line) => line.endsWith(' running')));
    for (const other of others) assert.deepEqual(other, running);

    // Each stops a box that somebody else runs.
    await Promise.all([
      boxOf('lasting').then((box) => box.stop()),
      visitor.does(async (here) => (await here.box('ours')).stop()),
      cli.say('stop', 'theirs'),
    ]);
    for (const view of await seen()) {
      assert.deepEqual(
        view,
        running?.map((line) => line.replace('running', 'stopped')),
      );
    }

    // And removes one that somebody else has made.
    await Promise.all([
      runtime.remove('theirs'),
      visitor.does(({ runtime }) => runtime.remove('lasting')),
      cli.say('rm', 'ours'),
    ]);
    for (const view of await seen()) assert.deepEqual(view, []);
  });
});
