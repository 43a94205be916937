import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { BoxOptions, LiteBox, PortSpec, PublishedPort } from '../../src/index.ts';
import { BoxliteError } from '../../src/index.ts';
import { forEachEngine, hasIpv6, sharedBox, shell, TestRuntime } from './fixture.ts';
import { eventually, inTime } from './polling.ts';
import {
  connectTo,
  endOf,
  exchange,
  expectListening,
  installService,
  serve,
  UdpClient,
} from './services.ts';
import { sha256 } from './sha256.ts';
import { Visitor } from './visitors.ts';

const LOOPBACK = { hostIp: '127.0.0.1' } as const;
const LARGE = 32 * 1024 * 1024;
/** What a slow machine takes for that. */
const LARGE_MS = 120_000;
/** More than fits between a client and a service that takes nothing: both windows and all socket buffers. */
const FLOOD = 64 * 1024 * 1024;

/** What is published for a port of the box. */
function portOf(box: LiteBox, guestPort: number, protocol = 'tcp'): PublishedPort {
  const port = box
    .info()
    .ports.find((each) => each.guestPort === guestPort && each.protocol === protocol);
  assert.ok(port !== undefined, `${guestPort}/${protocol} is not published`);
  return port;
}

/** Whether anybody listens there. */
async function listens(port: PublishedPort): Promise<boolean> {
  try {
    await expectListening(port);
    return true;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    return false;
  }
}

/** Somebody else on a port of the host. */
async function occupy(): Promise<{ server: Server; hostPort: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, hostPort: (server.address() as { port: number }).port };
}

function tcp(guestPort: number): PortSpec {
  return { guestPort, ...LOOPBACK };
}

function udp(guestPort: number): PortSpec {
  return { guestPort, protocol: 'udp', ...LOOPBACK };
}

forEachEngine((engine) => {
  describe('a published port', () => {
    const box = sharedBox(engine, {
      ports: [tcp(7), tcp(9), tcp(80), tcp(81), tcp(82), udp(53), udp(54), tcp(66), tcp(67)],
    });
    before(() => installService(box()));

    it('is in info() with the port that the host chose', () => {
      const ports = box().info().ports;
      assert.equal(ports.length, 9);
      for (const port of ports) assert.ok(port.hostPort >= 1024 && port.hostIp === '127.0.0.1');
      assert.equal(new Set(ports.map(({ hostPort }) => hostPort)).size, 9);
    });

    it('reaches services on the loopback address and on all of them', async () => {
      await shell(box(), 'mkdir /www; echo hello > /www/index.html');
      await shell(box(), 'httpd -p 127.0.0.1:80 -h /www; httpd -p 81 -h /www');
      for (const guestPort of [80, 81]) {
        const { hostPort } = portOf(box(), guestPort);
        const headers = { connection: 'close' };
        const response = await fetch(`http://127.0.0.1:${hostPort}/`, { headers });
        assert.equal(await response.text(), 'hello\n');
      }
    });

    it('reaches a service that has IPv6 alone, which takes a kernel that has it', async () => {
      const six = await hasIpv6(engine);
      const serving = serve(box(), 'echo', '::1', 66);
      if (!six) return assert.rejects(serving, /the service has ended: .*Bad file descriptor/);
      await using _service = await serving;
      assert.equal(String(await exchange(portOf(box(), 66), 'over six')), 'over six');
    });

    it('resets a client when nobody listens in the box', async () => {
      const socket = await connectTo(portOf(box(), 67));
      assert.equal(await endOf(socket), 'ECONNRESET');
    });

    it('ends each direction on its own', async () => {
      await using _service = await serve(box(), 'echo', '127.0.0.1', 7);
      // The client ends first, and the service answers behind that.
      assert.equal(String(await exchange(portOf(box(), 7), 'to the end')), 'to the end');
      // The service ends first, and the client says more behind that.
      await using _first = await serve(box(), 'first', '127.0.0.1', 82);
      const socket = await connectTo(portOf(box(), 82));
      await inTime('the end of the service', once(socket.resume(), 'end'));
      socket.end('said after its end');
      const { stdout } = await shell(box(), 'until [ -e /late ]; do sleep 0.1; done; cat /late');
      assert.equal(stdout, 'said after its end');
    });

    it('carries resets both ways', async () => {
      await using _service = await serve(box(), 'reset', '0.0.0.0', 9);
      const socket = await connectTo(portOf(box(), 9));
      socket.write('x');
      assert.equal(await endOf(socket), 'ECONNRESET');
      await using _stalled = await serve(box(), 'echo', '127.0.0.1', 7);
      const client = await connectTo(portOf(box(), 7));
      client.write('x');
      await once(client, 'data');
      client.resetAndDestroy();
      const open = 'while netstat -tn | grep -q "127.0.0.1:7 .*ESTABLISHED"; do sleep 0.1; done';
      assert.equal((await shell(box(), open)).exitCode, 0);
    });

    it('carries 32 MiB in, and 32 MiB out, unharmed', { timeout: LARGE_MS }, async () => {
      const data = randomBytes(LARGE);
      const receiver = await serve(box(), 'once', '0.0.0.0', 82, ['sha256sum']);
      const answer = await exchange(portOf(box(), 82), data);
      assert.equal(String(answer).split(' ')[0], sha256(data));
      await receiver.wait();
      await shell(box(), `head -c ${LARGE} /dev/urandom > /data`);
      const sender = await serve(box(), 'once', '0.0.0.0', 82, ['cat', '/data']);
      const got = await exchange(portOf(box(), 82), '');
      await sender.wait();
      const { stdout } = await shell(box(), 'sha256sum /data; rm /data');
      assert.equal(stdout.split(' ')[0], sha256(got));
    });

    it('serves many connections at once', async () => {
      await using _service = await serve(box(), 'many', '0.0.0.0', 7);
      const texts = Array.from({ length: 1000 }, (_, i) => `connection ${i} `.repeat(100));
      const sockets: Socket[] = [];
      // All of them are open before the first one speaks.
      for (const _ of texts) sockets.push(await connectTo(portOf(box(), 7)));
      const answers = sockets.map(async (socket, i) => {
        const text = texts[i] ?? '';
        let got = '';
        socket.on('data', (chunk) => {
          got += String(chunk);
        });
        socket.end(text);
        await inTime('an answer', once(socket, 'close'));
        return got;
      });
      assert.deepEqual(await Promise.all(answers), texts);
    });

    it('slows a client whose service is slow, and goes on with the others', async () => {
      await using _stalled = await serve(box(), 'stall', '127.0.0.1', 9);
      await using _service = await serve(box(), 'echo', '127.0.0.1', 7);
      const socket = await connectTo(portOf(box(), 9));
      const ended = endOf(socket);
      socket.write(new Uint8Array(FLOOD));
      let before = -1;
      await eventually('the end of the flow', () => {
        const still = socket.bytesWritten - socket.writableLength === before;
        before = socket.bytesWritten - socket.writableLength;
        return still ? true : null;
      });
      assert.ok(socket.writableLength > 0, 'all of it has been taken');
      assert.equal(String(await exchange(portOf(box(), 7), 'others')), 'others');
      socket.destroy();
      await ended;
    });

    it('slows a service whose client is slow', { timeout: LARGE_MS }, async () => {
      const script = `head -c ${FLOOD} /dev/zero; exec >&-; touch /done`;
      await using _sender = await serve(box(), 'once', '0.0.0.0', 82, ['sh', '-c', script]);
      const socket = await connectTo(portOf(box(), 82));
      const { exitCode } = await shell(box(), 'sleep 1; [ ! -e /done ]');
      assert.equal(exitCode, 0, 'the service did not have to wait');
      let got = 0;
      socket.on('data', (chunk) => {
        got += chunk.length;
      });
      await once(socket, 'end');
      assert.equal(got, FLOOD);
      socket.destroy();
    });

    it('carries datagrams of every size to whoever asked', async () => {
      await using _service = await serve(box(), 'udp', '127.0.0.1', 53);
      await using one = new UdpClient(portOf(box(), 53, 'udp'));
      await using other = new UdpClient(portOf(box(), 53, 'udp'));
      for (const size of [0, 1, 1400, 9000, 65_507]) {
        const [mine, theirs] = [randomBytes(size), randomBytes(size)];
        const answers = await Promise.all([one.ask(mine), other.ask(theirs)]);
        assert.deepEqual(answers, [mine, theirs]);
      }
    });

    it('finds a UDP service wherever it listens', async () => {
      const six = await hasIpv6(engine);
      const serving = serve(box(), 'udp', '::1', 54);
      if (!six) return assert.rejects(serving, /the service has ended: .*Bad file descriptor/);
      await using _service = await serving;
      await using client = new UdpClient(portOf(box(), 54, 'udp'));
      assert.equal(String(await client.ask(Buffer.from('six'))), 'six');
    });
  });

  describe('ports of a box', () => {
    let owner: TestRuntime;
    before(() => {
      owner = new TestRuntime(engine);
    });
    after(() => owner[Symbol.asyncDispose]());

    const make = (ports: PortSpec[], options: BoxOptions = {}, name?: string) =>
      owner.makeBox({ ports, diskSizeGb: 1, ...options }, name);

    it('fail the start when they are taken, and name who has them', async () => {
      const { server, hostPort } = await occupy();
      await using box = await make([tcp(80), { guestPort: 81, hostPort, ...LOOPBACK }]);
      await assert.rejects(box.start(), (error) => {
        assert.ok(BoxliteError.is(error, 'Network'));
        const wanted = `Cannot publish 127.0.0.1:${hostPort}->81/tcp: "`;
        assert.ok(error.message.startsWith(wanted), error.message);
        assert.match(
          error.message,
          new RegExp(`" \\(process ${process.pid}\\) has .*another hostPort`),
        );
        return true;
      });
      assert.deepEqual(box.info().ports, []);
      server.close();
      await once(server, 'close');
      await box.start();
      assert.equal(portOf(box, 81).hostPort, hostPort);
    });

    it('name another box that has them', async () => {
      await using first = await make([tcp(80)], {}, 'first');
      await first.start();
      const { hostPort } = portOf(first, 80);
      await using second = await make([{ guestPort: 80, hostPort, ...LOOPBACK }]);
      const message = new RegExp(`the box first has 127\\.0\\.0\\.1:${hostPort} already`);
      await assert.rejects(second.start(), { kind: 'Network', message });
    });

    it('refuse an address that this host does not have', async () => {
      await using box = await make([{ guestPort: 80, hostIp: '192.0.2.1' }]);
      const message = /this host does not have the address 192\.0\.2\.1/;
      await assert.rejects(box.start(), { kind: 'Network', message });
    });

    it('end with the box, and are there again when it starts', async () => {
      const { server, hostPort } = await occupy();
      server.close();
      await once(server, 'close');
      const fixed = { guestPort: 7, hostPort, ...LOOPBACK };
      await using box = await make([fixed], { autoRemove: false }, 'again');
      await box.start();
      await installService(box);
      const port = portOf(box, 7);
      for (const _ of [1, 2]) {
        await box.start();
        await serve(box, 'echo', '0.0.0.0', 7);
        assert.equal(String(await exchange(port, 'hello')), 'hello');
        const socket = await connectTo(port);
        const ended = endOf(socket);
        await box.stop();
        assert.equal(await ended, 'ECONNRESET');
        assert.deepEqual(box.info().ports, []);
        assert.equal(await listens(port), false);
      }
      await owner.runtime.remove('again');
    });

    it('come and go while it runs, also for other programs', async () => {
      await using box = await make([], {}, 'shared');
      await box.start();
      await installService(box);
      await serve(box, 'echo', '127.0.0.1', 7);
      const port = await box.network.publish(tcp(7));
      assert.equal(String(await exchange(port, 'ours')), 'ours');
      await using visitor = await Visitor.start(owner.homeDir, engine);
      const seen = await visitor.does(async (here) => {
        const shared = await here.box('shared');
        const published = await shared.network.publish({ guestPort: 7, hostIp: '127.0.0.1' });
        return { published, ports: shared.info().ports };
      });
      assert.deepEqual(seen.ports, [port, seen.published]);
      assert.deepEqual(box.info().ports, seen.ports);
      assert.equal(String(await exchange(seen.published, 'theirs')), 'theirs');
      const taken = await visitor.does(async (here, hostPort) => {
        const shared = await here.box('shared');
        const again = { guestPort: 7, hostPort, hostIp: '127.0.0.1' };
        return await shared.network.publish(again).then(
          () => null,
          (error: Error) => error.message,
        );
      }, port.hostPort);
      assert.match(taken ?? '', /the box shared has/);
      const socket = await connectTo(port);
      const ended = endOf(socket);
      await visitor.does(async (here, gone) => {
        await (await here.box('shared')).network.unpublish(gone);
      }, port);
      assert.equal(await ended, 'ECONNRESET');
      assert.equal(await listens(port), false);
      assert.deepEqual(box.info().ports, [seen.published]);
      await assert.rejects(box.network.unpublish(port), { kind: 'NotFound' });
      await box.network.unpublish(seen.published);
      assert.deepEqual(box.info().ports, []);
    });

    it('can be published for a box that another program owns', async () => {
      const name = 'detached';
      await using box = await make([tcp(7)], { detach: true, autoRemove: false }, name);
      await box.start();
      await installService(box);
      await serve(box, 'echo', '127.0.0.1', 7);
      assert.equal(String(await exchange(portOf(box, 7), 'there')), 'there');
      const more = await box.network.publish({ guestPort: 7, ...LOOPBACK });
      assert.equal(String(await exchange(more, 'more')), 'more');
      await box.stop();
      assert.equal(await listens(more), false);
      await owner.runtime.remove(name);
    });

    it('are refused where the network is disabled', async () => {
      await using box = await owner.makeBox({ network: 'disabled' });
      await assert.rejects(box.network.publish({ guestPort: 80 }), { kind: 'InvalidState' });
    });
  });
});
