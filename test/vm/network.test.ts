import assert from 'node:assert/strict';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BoxliteRuntime } from '../../src/index.ts';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { compileGuest } from './compile.ts';
import { folders, forEachEngine, hasIpv6, sharedBox, shell, TestRuntime } from './fixture.ts';
import { inTime } from './polling.ts';

const MIB = 1024 * 1024;
const STREAM_MIB = 64;
const BLOCK_WORDS = 64 * 1024;
const BLOCKS = (STREAM_MIB * MIB) / (4 * BLOCK_WORDS);
const CONNECTIONS = 1_000;
/** What a kernel without IPv6 says, such as Debian's user-mode Linux. */
const NO_IPV6 = 'connect: Address family not supported by protocol';
/** What a program that had a thousand connections may hold on to. */
const KEPT_BYTES_MAX = 64 * MIB;

/** The words of a stream, each its own index. */
function block(index: number): Uint8Array {
  const words = new Uint32Array(BLOCK_WORDS).map((_, i) => index * BLOCK_WORDS + i);
  return new Uint8Array(words.buffer);
}

/** Servers of the host, and everything that is connected to them. */
class Servers {
  readonly #servers: Server[] = [];
  readonly #datagrams: DatagramSocket[] = [];
  readonly #sockets = new Set<Socket>();

  async tcp(serve: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      serve(socket);
    });
    return await this.#listen(server, host);
  }

  async web(body: string): Promise<number> {
    return await this.#listen(createWebServer((_request, response) => response.end(body)));
  }

  async udpEcho(): Promise<number> {
    const socket = createSocket('udp4');
    socket.on('message', (payload, { port, address }) => socket.send(payload, port, address));
    this.#datagrams.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket.address().port;
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    for (const socket of this.#datagrams) socket.close();
  }

  async #listen(server: Server, host = '127.0.0.1'): Promise<number> {
    this.#servers.push(server);
    server.listen({ port: 0, host, backlog: CONNECTIONS });
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
}

forEachEngine((engine) => {
  describe('a box with a network', () => {
    const box = sharedBox(engine);
    const servers = new Servers();
    before(async () => {
      await box().copyIn(compileGuest('network', folders.homes), '/bin/');
      // Where refusals are noted is made with the first one.
      await probe('send', '169.254.169.254', 80, 1);
    });
    after(() => servers.close());

    const probe = async (...words: (string | number)[]) => {
      const { stdout } = await shell(box(), `/bin/network ${words.join(' ')}`);
      return stdout.trim();
    };

    it('reaches a server on the host', async () => {
      const port = await servers.web('hello\n');
      const { stdout } = await shell(box(), `wget -q -O - http://${HOST_ALIAS.v4}:${port}/`);
      assert.equal(stdout, 'hello\n');
    });

    it('reaches it over IPv6', async () => {
      const port = await servers.tcp((socket) => socket.pipe(socket), '::1');
      const expected = (await hasIpv6(engine)) ? 'echoed 3' : NO_IPV6;
      assert.equal(await probe('many', HOST_ALIAS.v6, port, 3), expected);
    });

    it('learns that nobody listens, and where it may not go', async () => {
      assert.equal(await probe('send', HOST_ALIAS.v4, 1, 1), 'connect: Connection refused');
      for (const address of ['169.254.169.254', '192.168.127.9']) {
        assert.equal(await probe('send', address, 80, 1), 'connect: Host is unreachable');
      }
      assert.equal(await probe('datagram', HOST_ALIAS.v4, 1, 10), 'recv: Connection refused');
    });

    it('gets answers to its pings from the gateway', async () => {
      const { stdout } = await shell(
        box(),
        'ping -c 1 192.168.127.1; ping6 -c 1 fd6b:7865:6c69::1',
      );
      const answers = (await hasIpv6(engine)) ? 2 : 1;
      assert.equal(stdout.match(/ 0% packet loss/g)?.length, answers, stdout);
    });

    it(`sends ${STREAM_MIB} MiB as they are`, async () => {
      const arrived = Promise.withResolvers<number>();
      const port = await servers.tcp((socket) => {
        let words = 0;
        let rest = Buffer.alloc(0);
        socket.on('data', (piece) => {
          const bytes = Buffer.concat([rest, piece]);
          for (let at = 0; at + 4 <= bytes.length; at += 4) {
            if (bytes.readUInt32LE(at) !== words++) arrived.reject(new Error(`word ${words - 1}`));
          }
          rest = bytes.subarray(bytes.length - (bytes.length % 4));
        });
        socket.once('end', () => {
          arrived.resolve(words);
          socket.end();
        });
      });
      assert.equal(await probe('send', HOST_ALIAS.v4, port, STREAM_MIB), `sent ${BLOCKS}`);
      assert.equal(await arrived.promise, BLOCKS * BLOCK_WORDS);
    });

    it(`receives ${STREAM_MIB} MiB as they are`, async () => {
      const port = await servers.tcp(async (socket) => {
        for (let i = 0; i < BLOCKS && !socket.destroyed; i++) {
          if (!socket.write(block(i))) await once(socket, 'drain');
        }
        socket.end();
      });
      assert.equal(await probe('receive', HOST_ALIAS.v4, port), `received ${STREAM_MIB * MIB}`);
    });

    it('has half-closed connections', async () => {
      const port = await servers.tcp((socket) => {
        const pieces: Buffer[] = [];
        socket.on('data', (piece) => pieces.push(piece));
        // Answers only when it has heard everything.
        socket.once('end', () => socket.end(`heard ${Buffer.concat(pieces)}`));
      });
      const { stdout } = await shell(box(), `echo all | nc ${HOST_ALIAS.v4} ${port}`);
      assert.equal(stdout, 'heard all\n');
    });

    it('resets, and is reset', async () => {
      const error = Promise.withResolvers<NodeJS.ErrnoException>();
      const port = await servers.tcp((socket) => socket.on('error', error.resolve).resume());
      assert.equal(await probe('reset', HOST_ALIAS.v4, port), 'reset 0');
      assert.equal((await error.promise).code, 'ECONNRESET');
      const rude = await servers.tcp((socket) =>
        socket.once('data', () => socket.resetAndDestroy()),
      );
      assert.match(await probe('be-reset', HOST_ALIAS.v4, rude), /Connection reset/);
    });

    it('sends and gets datagrams of any size', async () => {
      const port = await servers.udpEcho();
      for (const size of [0, 1, 1472, 65_507]) {
        assert.equal(await probe('datagram', HOST_ALIAS.v4, port, size), `echoed ${size}`);
      }
    });

    it(`has ${CONNECTIONS} connections at once, and nothing of them afterwards`, async () => {
      const port = await servers.tcp((socket) => socket.pipe(socket));
      assert.equal(await probe('many', HOST_ALIAS.v4, port, 100), 'echoed 100');
      globalThis.gc?.();
      const { rss } = process.memoryUsage();
      assert.equal(await probe('many', HOST_ALIAS.v4, port, CONNECTIONS), `echoed ${CONNECTIONS}`);
      const allGone = async () => {
        while ((await box().metrics()).networkTcpConnections !== 0) await turn();
      };
      await inTime('closing connections', allGone());
      globalThis.gc?.();
      const grown = process.memoryUsage().rss - rss;
      assert.ok(grown < KEPT_BYTES_MAX, `${grown} bytes more`);
    });

    it('is measured', async () => {
      const port = await servers.web('x'.repeat(10_000));
      const earlier = await box().metrics();
      await shell(box(), `wget -q -O - http://${HOST_ALIAS.v4}:${port}/`);
      const later = await box().metrics();
      const received = Number(later.networkBytesReceived) - Number(earlier.networkBytesReceived);
      const sent = Number(later.networkBytesSent) - Number(earlier.networkBytesSent);
      assert.ok(received > 10_000 && received < 20_000, `${received} received`);
      assert.ok(sent > 100 && sent < 10_000, `${sent} sent`);
      await probe('send', HOST_ALIAS.v4, 1, 1);
      const { networkTcpErrors } = await box().metrics();
      assert.equal(Number(networkTcpErrors) - Number(later.networkTcpErrors), 1);
      const [served, refused] = (await box().network.connections()).slice(-2);
      assert.deepEqual(served?.to, { address: HOST_ALIAS.v4, port });
      assert.equal(served?.state, 'closed');
      assert.ok(Number(served?.bytesReceived) > 10_000 && Number(served?.bytesSent) > 10);
      assert.equal(refused?.state, 'refused');
    });
  });

  it('connections are told of to other programs as well', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox();
    await shell(box, `nc -w 1 ${HOST_ALIAS.v4} 1; nc -w 1 169.254.169.254 80`);
    await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
    const same = (await other.get(box.id.asStr())) ?? assert.fail('the box is not found');
    const told = await same.network.connections();
    assert.deepEqual(told, await box.network.connections());
    assert.deepEqual(
      told.map(({ to, state, bytesReceived }) => [to.address, state, bytesReceived]),
      [
        [HOST_ALIAS.v4, 'refused', 0],
        ['169.254.169.254', 'refused', 0],
      ],
    );
  });

  it('a box without a network has no interface but its own', async () => {
    await using owner = new TestRuntime(engine);
    const box = await owner.makeBox({ network: 'disabled' });
    const { stdout } = await shell(box, 'ls /sys/class/net; wc -l < /proc/net/route');
    assert.equal(stdout, 'lo\n1\n');
    const { networkBytesSent, networkTcpConnections } = await box.metrics();
    assert.deepEqual(
      { networkBytesSent, networkTcpConnections },
      { networkBytesSent: null, networkTcpConnections: null },
    );
  });
});
