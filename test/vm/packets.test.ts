/** Packets as no kernel sends them, from root in a box: none of them gets anywhere, and none does any harm. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { inNamespace } from '../network/namespace.ts';
import { compileGuest } from './compile.ts';
import { folders, forEachEngine, sharedBox, shell } from './fixture.ts';
import { eventually, inTime } from './polling.ts';

const RANDOM_PACKETS = 20_000;
/** What a program may hold on to that has been sent those. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

// Whatever a packet can reach is in here, the host's loopback too.
if (inNamespace(import.meta.filename)) {
  let server: Server;
  const clients = new Set<Socket>();
  let reached = 0;

  before(async () => {
    server = createServer((socket) => {
      reached++;
      clients.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => clients.delete(socket));
      socket.end('hello\n');
    });
    server.listen(0, '::');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    for (const socket of clients) socket.destroy();
  });

  forEachEngine((engine) => {
    describe('raw packets of a box', () => {
      const box = sharedBox(engine);
      before(async () => {
        await box().copyIn(compileGuest('packets', folders.homes), '/bin/');
      });
      const port = () => (server.address() as AddressInfo).port;
      const send = async (kind: string, count = 0) => {
        const words = `${kind} ${HOST_ALIAS.v4} ${port()} ${count}`;
        const { stdout, exitCode } = await shell(box(), `/bin/packets ${words}`);
        assert.equal(exitCode, 0, stdout);
        return Number(/sent (\d+)/.exec(stdout)?.[1]);
      };
      /** What was sent before is through when an ordinary connection is. */
      const ordinary = async () => {
        const { stdout } = await shell(box(), `nc ${HOST_ALIAS.v4} ${port()} < /dev/null`);
        assert.equal(stdout, 'hello\n');
      };

      it('reach a server if they are in order', async () => {
        reached = 0;
        assert.equal(await send('whole'), 1);
        await eventually('a connection', () => (reached === 1 ? true : null));
      });

      for (const kind of ['spoofed', 'fragments', 'malformed', 'extensions']) {
        it(`reach nobody if they are ${kind}`, async () => {
          reached = 0;
          assert.ok((await send(kind)) > 5);
          await ordinary();
          assert.equal(reached, 1, 'the ordinary connection alone');
        });
      }

      it('do no harm, whatever they are', async () => {
        await send('random', RANDOM_PACKETS / 10);
        globalThis.gc?.();
        const { rss } = process.memoryUsage();
        assert.ok((await send('random', RANDOM_PACKETS)) > RANDOM_PACKETS / 2);
        await ordinary();
        const quiet = async () => {
          while ((await box().metrics()).networkTcpConnections !== 0) await turn();
        };
        await inTime('the end of all connections', quiet());
        globalThis.gc?.();
        const grown = process.memoryUsage().rss - rss;
        assert.ok(grown < KEPT_BYTES_MAX, `${grown} bytes more`);
      });
    });
  });
}
