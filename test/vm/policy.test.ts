import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { BoxliteRuntime, type LiteBox, type NetworkEvent } from '../../src/index.ts';
import { HOST_ALIAS, HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, serverKeys, servers } from '../network/namespace.ts';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';
import { copyProgram } from './host-programs.ts';

/** What has been refused so far. */
async function refusedBy(box: LiteBox): Promise<NetworkEvent[]> {
  return await Array.fromAsync(box.network.events({ follow: false }));
}

if (inNamespace(import.meta.filename)) {
  const names = new NameServer({
    'api.example': [servers.one],
    'other.example': [servers.one],
    'x.wild.example': [servers.two],
    'rebind.example': ['127.0.0.1'],
    'inside.wild.example': [servers.private],
  });
  const running: Server[] = [];
  let requests = 0;

  before(async () => {
    await names.listen();
    const web = (where: string) => {
      const server = createHttpServer((request, response) => {
        requests++;
        if (request.url === '/redirect') {
          response.writeHead(302, { Location: 'http://other.example/' });
        }
        response.end(`${where} ${request.headers.host}\n`);
      });
      running.push(server);
      return server;
    };
    web('one').listen(80, servers.one);
    web('two').listen(80, servers.two);
    web('private').listen(80, servers.private);
    web('loopback').listen(8080, '127.0.0.1');
    const secure = createHttpsServer(serverKeys(), (_request, response) =>
      response.end('secure\n'),
    );
    running.push(secure.listen(443, servers.one));
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) server.close();
    await names[Symbol.asyncDispose]();
  });

  forEachEngine((engine) => {
    describe('a box without rules', () => {
      const box = sharedBox(engine);
      // The log is there from the first refusal on.
      before(() => shell(box(), 'wget -O- http://169.254.1.1/'));

      it('finds names and reaches what they stand for', async () => {
        const script = `wget -qO- http://api.example/; wget -qO- http://${servers.two}/`;
        const { stdout } = await shell(box(), script);
        assert.equal(stdout, `one api.example\ntwo ${servers.two}\n`);
      });

      it('reaches the loopback of the host by its name', async () => {
        const { stdout } = await shell(box(), `wget -qO- http://${HOST_ALIAS_NAME}:8080/`);
        assert.equal(stdout, `loopback ${HOST_ALIAS_NAME}:8080\n`);
      });

      it('never reaches metadata services', async () => {
        const { stdout } = await shell(box(), 'wget -O- http://169.254.169.254/ 2>&1');
        assert.match(stdout, /No route to host|unreachable/);
        const refused = (await refusedBy(box())).at(-1);
        assert.equal(refused?.reason, 'metadata-address');
        assert.equal(refused?.target, '169.254.169.254:80');
      });
    });

    describe('a box with rules for names', () => {
      const box = sharedBox(engine, {
        network: { mode: 'enabled', allowNet: ['api.example', '*.wild.example:80'] },
      });
      before(async () => {
        await shell(box(), 'wget -O- http://169.254.1.1/');
        await copyProgram(box(), '/usr/bin/curl');
      });
      const fails = async (script: string) => {
        const before = requests;
        const { stdout, exitCode } = await shell(box(), `${script} 2>&1`);
        assert.notEqual(exitCode, 0, `${script}: ${stdout}`);
        return { stdout, requests: requests - before };
      };

      it('reaches those names', async () => {
        const script = 'wget -qO- http://api.example/; wget -qO- http://x.wild.example/';
        assert.equal((await shell(box(), script)).stdout, 'one api.example\ntwo x.wild.example\n');
        const { stdout } = await shell(box(), 'curl -sSk https://api.example/ 2>&1');
        assert.equal(stdout, 'secure\n');
      });

      it('does not look up other names, not even at a server of its choice', async () => {
        const before = names.asked.length;
        await fails('wget -qO- http://other.example/');
        await fails('nslookup c3RvbGVu.other.example');
        await fails(`timeout 2 nslookup c3RvbGVu.other.example ${servers.names}`);
        await fails(`timeout 2 nslookup c3RvbGVu.other.example ${HOST_ALIAS.v4}`);
        assert.equal(names.asked.length, before);
      });

      it('reaches no address that it was not given', async () => {
        for (const address of [servers.two, servers.private, '0xcb.0.0x71.10', '3405803796']) {
          await fails(`wget -qO- http://${address}/`);
        }
      });

      it('is not led elsewhere by Host, by TLS, or by a redirect', async () => {
        await shell(box(), 'nslookup api.example');
        const host = await fails(`wget -qO- --header "Host: other.example" http://${servers.one}/`);
        assert.equal(host.requests, 0);
        const redirect = await fails('wget -qO- http://api.example/redirect');
        assert.equal(redirect.requests, 1);
        await fails(`curl -sSk https://${servers.one}/`);
        await fails(`curl -sSk https://other.example/ --resolve other.example:443:${servers.one}`);
        await fails(`curl -sSk https://api.example/ --resolve api.example:443:${servers.two}`);
      });

      it('is not led to private addresses by names', async () => {
        await fails('wget -qO- http://rebind.example/');
        await fails('wget -qO- http://inside.wild.example/');
      });

      it('tells what was refused, and why', async () => {
        const events = await refusedBy(box());
        const reasons = new Set(events.map(({ reason }) => reason));
        for (const reason of ['name-not-allowed', 'address-not-allowed', 'name-mismatch']) {
          assert.ok(reasons.has(reason as NetworkEvent['reason']), reason);
        }
        assert.ok(events.every(({ time }) => time instanceof Date));
      });
    });

    it('rules can be changed while the box runs, also by another program', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ autoRemove: false }, 'changing');
      const ask = async () => (await shell(box, 'wget -qO- http://api.example/ 2>&1')).stdout;
      assert.equal(await ask(), 'one api.example\n');
      await box.network.setRules(['other.example']);
      assert.doesNotMatch(await ask(), /one api/);
      await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
      const same = await other.get('changing');
      await same?.network.setRules(['api.example']);
      assert.equal(await ask(), 'one api.example\n');
      await assert.rejects(box.network.setRules(['http://x']), /allowNet\[0\]/);
      assert.equal((await refusedBy(same ?? box)).length > 0, true);
      await box.stop();
      await assert.rejects(box.network.setRules([]), /does not run/);
    });
  });
}
