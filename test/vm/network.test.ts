import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';

forEachEngine((engine) => {
  describe('a box with a network', () => {
    const box = sharedBox(engine);
    const web = createServer((_request, response) => response.end('hello\n'));
    let port = 0;
    before(async () => {
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
      port = (web.address() as AddressInfo).port;
    });
    after(() => {
      web.close();
      web.closeAllConnections();
    });

    it('reaches a server on the host', async () => {
      const { stdout } = await shell(box(), `wget -q -O - http://${HOST_ALIAS.v4}:${port}/`);
      assert.equal(stdout, 'hello\n');
    });

    it('learns that nobody listens, and where it may not go', async () => {
      const ask = async (url: string) => (await shell(box(), `wget -O - ${url} 2>&1`)).stdout;
      assert.match(await ask(`http://${HOST_ALIAS.v4}:1/`), /Connection refused/);
      assert.match(await ask('http://169.254.169.254/'), /No route to host/);
    });

    it('gets answers to its pings from the gateway', async () => {
      const { stdout } = await shell(
        box(),
        'ping -c 1 192.168.127.1 && ping6 -c 1 fd6b:7865:6c69::1',
      );
      assert.equal(stdout.match(/ 0% packet loss/g)?.length, 2, stdout);
    });
  });

  it('a box without a network has no interface but its own', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ network: 'disabled' });
    const { stdout } = await shell(box, 'ls /sys/class/net; cat /proc/net/route | wc -l');
    assert.equal(stdout, 'lo\n1\n');
  });
});
