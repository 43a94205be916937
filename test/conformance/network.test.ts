import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before } from 'node:test';
import type { LiteBox } from '../../src/index.ts';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, servers } from '../network/namespace.ts';
import { forEachEngine, shell, TestRuntime } from '../vm/fixture.ts';
import { prove } from './prove.ts';

const GREETING = 'hello from outside\n';

if (inNamespace(import.meta.filename)) {
  const names = new NameServer({ 'api.example': [servers.one] });
  const running: Server[] = [];
  /** Clients that the server has not let go. */
  const held = new Set<Socket>();
  before(async () => {
    await names.listen();
    for (const address of [servers.one, servers.two]) {
      running.push(createServer((socket) => socket.end(GREETING)).listen(80, address));
    }
    const holding = createServer((socket) => {
      socket.on('error', () => undefined);
      held.add(socket);
      socket.write('held\n');
    });
    running.push(holding.listen(81, servers.one));
    // Takes everything before it ends.
    const taking = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on('end', () => socket.end());
    });
    running.push(taking.listen(82, servers.one));
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const socket of held) socket.destroy();
    for (const server of running) server.close();
    await names[Symbol.asyncDispose]();
  });

  forEachEngine((engine) => {
    let owner: TestRuntime;
    let box: LiteBox;
    before(async () => {
      owner = new TestRuntime(engine);
      box = await owner.makeBox();
      await box.start();
    });
    after(() => owner[Symbol.asyncDispose]());

    /** What a box hears from that address. */
    async function hears(from: LiteBox, address: string, port = 80): Promise<string> {
      return (await shell(from, `nc -w 5 ${address} ${port} < /dev/null`)).stdout;
    }
    /** What a box with these rules hears from each server. */
    async function heard(allowNet: string[]): Promise<string[]> {
      await using own = await owner.makeBox({ network: { mode: 'enabled', allowNet } });
      const names = ['api.example', servers.one, servers.two];
      const answers: string[] = [];
      for (const name of names) answers.push(await hears(own, name));
      return answers;
    }

    prove('NetworkSpec.Enabled.allowNet: empty', async () => {
      assert.deepEqual(await heard([]), [GREETING, GREETING, GREETING]);
    });

    prove('NetworkSpec.Enabled.allowNet: IP', async () => {
      assert.deepEqual((await heard([servers.two])).slice(1), ['', GREETING]);
    });

    prove('NetworkSpec.Enabled.allowNet: CIDR', async () => {
      assert.deepEqual((await heard(['203.0.113.16/28'])).slice(1), ['', GREETING]);
      assert.deepEqual((await heard(['203.0.113.0/24'])).slice(1), [GREETING, GREETING]);
    });

    prove('BoxMetrics.networkBytesSent', async () => {
      const before = (await box.metrics()).networkBytesSent ?? 0;
      await shell(box, `head -c 5000 /dev/zero | nc -w 5 ${servers.one} 82`);
      const { networkBytesSent } = await box.metrics();
      assert.ok((networkBytesSent ?? 0) >= before + 5000, `${before}, ${networkBytesSent}`);
    });

    prove('BoxMetrics.networkBytesReceived', async () => {
      const before = (await box.metrics()).networkBytesReceived ?? 0;
      assert.equal(await hears(box, servers.one), GREETING);
      const { networkBytesReceived } = await box.metrics();
      assert.ok((networkBytesReceived ?? 0) >= before + GREETING.length);
    });

    prove('BoxMetrics.networkTcpConnections', async () => {
      const open = async () => (await box.metrics()).networkTcpConnections;
      // Those of the tests before may still be on their way out.
      while ((await open()) !== 0) await shell(box, 'sleep 0.05');
      const execution = await box.run(['nc', servers.one, '81']);
      assert.ok(execution.stdin() !== null);
      for await (const line of execution.stdout() ?? []) {
        assert.equal(line, 'held');
        break;
      }
      assert.equal(await open(), 1);
      await execution.kill();
      await execution.wait();
    });

    prove('BoxMetrics.networkTcpErrors', async () => {
      const before = (await box.metrics()).networkTcpErrors ?? 0;
      assert.equal(await hears(box, servers.one, 9), '');
      assert.equal((await box.metrics()).networkTcpErrors, before + 1);
    });
  });
}
