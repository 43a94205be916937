/** The examples of `boxlite COMMAND --help` work, one after the other, as somebody who reads it would try them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { commands } from '../../src/cli/command-table.ts';
import { inNamespace } from '../network/namespace.ts';
import { DocumentedWorld, worldHosts } from './world.ts';

/** Each uses what those before it made. */
const order = [
  ...['pull', 'run', 'exec', 'cp', 'logs', 'stats', 'inspect', 'create', 'ls', 'start', 'stop'],
  ...['rm', 'images', 'image', 'kernel'],
];

/** What is not tried here, and why. */
const notRun: Readonly<Record<string, string>> = {
  'boxlite run -it python:3.12-slim': 'needs a terminal: test/cli/terminal.test.ts',
  'boxlite exec -it web -- sh': 'needs a terminal: test/cli/terminal.test.ts',
  'boxlite logs -f web': 'goes on until the box stops: test/cli/lifecycle.test.ts',
  'boxlite start --disk-size 20 worker': 'after a stop: test/vm/lifecycle.test.ts',
  'boxlite kernel build': 'takes minutes; set-up does it where the tests run on own kernels',
};

function examplesOf(name: string): string[] {
  const [, examples = ''] = (commands[name]?.usage ?? '').split('\n\nExamples:\n');
  return examples.split('\n').map((line) => line.trim());
}

if (inNamespace(import.meta.filename, { hosts: worldHosts })) {
  describe('the examples of the usage texts', () => {
    let world: DocumentedWorld;
    before(async () => {
      world = await DocumentedWorld.start();
    });
    after(() => world[Symbol.asyncDispose]());

    for (const name of order) {
      for (const example of examplesOf(name)) {
        it(example, { skip: notRun[example] ?? false }, async () => {
          await world.say('bash', ['-c', example]);
        });
      }
    }

    it('are all there: every command has some', () => {
      const without = Object.keys(commands).filter((name) => examplesOf(name)[0] === '');
      assert.deepEqual(without, ['doctor', 'completion']);
    });
  });
}
