/**
 * What a start asks of the box: each round trip is a wait of both sides, and what the agent can do before it is asked it
 * does while the kernel's other processors, and the host, have nothing to do.
 */
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import type { BoxOptions } from '../../src/index.ts';
import { Channel } from '../../src/portal/channel.ts';
import { forEachEngine, TestRuntime } from './fixture.ts';

forEachEngine((engine) => {
  /** What the host asks for until a command has printed something, and how often it has been answered by then. */
  async function asked(options: BoxOptions): Promise<string[]> {
    const said: string[] = [];
    const { open, receive } = Channel.prototype;
    const opens = mock.method(Channel.prototype, 'open', function (this: Channel, ...args) {
      said.push(String(args[0]['service']));
      return Reflect.apply(open, this, args);
    } satisfies typeof open);
    const receives = mock.method(Channel.prototype, 'receive', function (this: Channel, ...args) {
      if (said.at(-1) !== 'answer') said.push('answer');
      return Reflect.apply(receive, this, args);
    } satisfies typeof receive);
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox(options);
    const execution = await box.run(['echo', 'hello']);
    for await (const _ of execution.stdout()?.bytes() ?? []) break;
    opens.mock.restore();
    receives.mock.restore();
    return said;
  }

  describe('a start up to the first output', () => {
    it('waits for hello, for the root and for the command', async () => {
      const said = await asked({ network: { mode: 'disabled' } });
      assert.deepEqual(said, ['answer', 'boot', 'answer', 'exec', 'answer']);
    });

    it('does not wait for the network', async () => {
      const said = await asked({});
      assert.deepEqual(said, ['answer', 'net', 'boot', 'answer', 'exec', 'answer']);
    });
  });
});
