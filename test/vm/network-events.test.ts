/** Whoever runs a box learns what its network refused: the library as it happens, the command line too. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { NetworkEvent } from '../../src/index.ts';
import { CommandLine } from '../cli/command-line.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { inTime } from './polling.ts';

forEachEngine((engine) => {
  describe('what a network refuses', () => {
    const box = sharedBox(engine, {
      network: { mode: 'enabled', allowNet: ['api.example', '192.0.2.0/24'] },
    });
    const connect = (address: string) => shell(box(), `nc -w 1 ${address} 80 </dev/null`);
    // Where refusals are noted is made with the first one.
    before(() => connect('198.51.100.9'));

    it('is told of as it happens, until the reader has enough', async () => {
      const end = new AbortController();
      const events = box().network.events({ signal: end.signal })[Symbol.asyncIterator]();
      const next = () => inTime('an event', events.next());
      assert.equal(((await next()).value as NetworkEvent).target, '198.51.100.9:80');
      const first = next();
      await connect('169.254.169.254');
      const { value } = (await first) as { value: NetworkEvent };
      assert.deepEqual(
        { ...value, time: null },
        {
          time: null,
          kind: 'refused',
          reason: 'metadata-address',
          protocol: 'tcp',
          target: '169.254.169.254:80',
          name: null,
          message: 'link-local addresses and metadata services are never reached',
        },
      );
      await connect('198.51.100.1');
      assert.equal(((await next()).value as NetworkEvent).reason, 'address-not-allowed');
      await shell(box(), 'nslookup other.example');
      assert.equal(((await next()).value as NetworkEvent).target, 'other.example');
      const waiting = next();
      end.abort();
      await assert.rejects(waiting, { name: 'AbortError' });
    });

    it('is told of to whoever asks later, and to other programs', async () => {
      const kept = await Array.fromAsync(box().network.events({ follow: false }));
      assert.deepEqual(
        kept.slice(0, 3).map(({ reason }) => reason),
        ['address-not-allowed', 'metadata-address', 'address-not-allowed'],
      );
      assert.ok(kept.every(({ time }) => Math.abs(Date.now() - time.getTime()) < 3_600_000));
    });
  });

  it('boxlite logs --network shows it', async () => {
    await using cli = new CommandLine();
    const run = [
      'run',
      '-d',
      '--name',
      'limited',
      '--engine',
      engine,
      '--allow-net',
      'api.example',
    ];
    await cli.say(...run, 'builtin:base', 'sleep', '1000');
    await cli.run(['exec', 'limited', '--', 'nc', '-w', '1', '198.51.100.1', '80']);
    const line = await cli.watch(['logs', '--network', '-f', 'limited'], (text) =>
      text.includes('\n'),
    );
    assert.match(line, /^tcp 198\.51\.100\.1:80 address-not-allowed: no rule of allowNet allows /);
    const timed = await cli.say('logs', '--network', '-t', 'limited');
    assert.match(timed, /^\d{4}-\d\d-\d\dT\S+Z tcp 198\.51\.100\.1:80 address-not-allowed: /);
    assert.equal(await cli.say('logs', 'limited'), '');
    await cli.say('rm', '-f', 'limited');
  });
});
