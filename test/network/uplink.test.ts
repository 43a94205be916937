import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server } from 'node:net';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { HOST_ALIAS, HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { askServers } from '../../src/network/dns/upstream.ts';
import { PolicyUplink } from '../../src/network/policy-uplink.ts';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import type { NetworkEvent } from '../../src/spec/network-event.ts';
import { parseNetworkRule } from '../../src/spec/network-rule.ts';
import { connectThrough, datagramThrough, lookup, lookupByTcp } from './guest.ts';
import { NameServer } from './name-server.ts';
import { inNamespace, serverKeys, servers } from './namespace.ts';

/** An uplink with what it has refused. */
function uplinkFor(...patterns: string[]) {
  const refused: NetworkEvent[] = [];
  const rules = patterns
    .map((pattern) => parseNetworkRule(pattern))
    .filter((rule) => rule !== null);
  const uplink = new PolicyUplink({
    rules,
    secrets: [],
    authority: () => new CertificateAuthority('test'),
    onRefused: (event) => refused.push(event),
  });
  return { uplink, refused, reasons: () => refused.map(({ reason }) => reason) };
}

async function exchange(stream: Duplex, ...parts: (string | Uint8Array)[]): Promise<string> {
  for (const part of parts) stream.write(part);
  stream.end();
  return await text(stream);
}

function get(host: string, path = '/', close = true): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`;
}

if (inNamespace(import.meta.filename, { hosts: `${servers.private} in-hosts.example\n` })) {
  const names = new NameServer({
    'api.example': [servers.one, servers.v6],
    'other.example': [servers.one],
    'x.wild.example': [servers.two],
    'rebind.example': ['127.0.0.1'],
    'rebind10.example': [servers.private],
    'metadata.example': ['169.254.169.254'],
    '_sip._tcp.api.example': [{ type: 33, data: Uint8Array.of(0, 1, 0, 1, 19, 196, 0) }],
    'long.example': Array.from({ length: 20 }, () => ({ type: 16, data: Buffer.alloc(200, 'c') })),
  });
  const running: Server[] = [];
  /** What the server on port 80 was asked. */
  const asked: { host: string | undefined; url: string | undefined }[] = [];
  /** Answers those that it lets wait. */
  const stalling: (() => void)[] = [];
  const { promise: stalled, resolve: onStalled } = Promise.withResolvers<void>();

  before(async () => {
    await names.listen();
    const http = createHttpServer((request, response) => {
      asked.push({ host: request.headers.host, url: request.url });
      const answer = () => response.end(`${request.headers.host} ${request.url}`);
      if (request.url !== '/stall') return void answer();
      stalling.push(answer);
      onStalled();
    });
    const https = createHttpsServer(serverKeys(), (_request, response) => response.end('secure'));
    const greeter = createServer((socket) => {
      socket.write('hello, who are you?\n');
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    http.listen(80, servers.one);
    https.listen(443, servers.one);
    const picky = createHttpsServer({ ...serverKeys(), ecdhCurve: 'P-384' });
    picky.listen(4433, servers.one);
    greeter.listen(22, servers.one);
    const loopback = createHttpServer((_request, response) => response.end('loopback'));
    loopback.listen(8080, '127.0.0.1');
    const inside = createHttpServer((_request, response) => response.end('inside'));
    inside.listen(80, servers.private);
    running.push(http, https, picky, greeter, loopback, inside);
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) server.close();
    await names[Symbol.asyncDispose]();
  });

  describe('the resolver', () => {
    it("passes on what the host's servers say, of any type", async () => {
      const { uplink } = uplinkFor();
      assert.deepEqual((await lookup(uplink, 'API.example'))?.addresses, [servers.one]);
      assert.deepEqual((await lookup(uplink, 'api.example', 28))?.addresses, [servers.v6]);
      assert.equal((await lookup(uplink, '_sip._tcp.api.example', 33))?.ttlOffsets.length, 1);
      assert.equal((await lookup(uplink, 'nothing.example'))?.code, 3);
      uplink.close();
    });

    it('asks nobody any more once it has been closed', async () => {
      const bytes = Buffer.from('\x03api\x07example\0\0\x01\0\x01', 'latin1');
      const question = { name: 'api.example', type: 1, class: 1, bytes };
      const before = names.asked.length;
      assert.equal(await askServers([servers.names], question, AbortSignal.abort()), null);
      assert.equal(names.asked.length, before);
    });

    it('gives long answers by TCP, and says so by UDP', async () => {
      const { uplink } = uplinkFor();
      assert.equal((await lookup(uplink, 'long.example', 16))?.truncated, true);
      assert.equal((await lookupByTcp(uplink, 'long.example', 16))?.ttlOffsets.length, 20);
      uplink.close();
    });

    it('keeps answers', async () => {
      const { uplink } = uplinkFor();
      const before = names.asked.length;
      for (let i = 0; i < 5; i++) await lookup(uplink, 'x.wild.example');
      assert.equal(names.asked.length, before + 1);
      uplink.close();
    });

    it('asks nobody for a name that is not allowed', async () => {
      const { uplink, refused } = uplinkFor('api.example', '10.0.0.0/8');
      const before = names.asked.length;
      assert.equal((await lookup(uplink, 'c3RvbGVu.evil.example'))?.code, 3);
      assert.equal((await lookup(uplink, 'c3RvbGVu.api.example'))?.code, 3);
      assert.equal(names.asked.length, before);
      assert.deepEqual(
        refused.map(({ reason, target, protocol }) => [reason, target, protocol]),
        [
          ['name-not-allowed', 'c3rvbgvu.evil.example', 'dns'],
          ['name-not-allowed', 'c3rvbgvu.api.example', 'dns'],
        ],
      );
      uplink.close();
    });

    it('gives no keys that would hide a name', async () => {
      const { uplink } = uplinkFor('api.example');
      const before = names.asked.length;
      assert.equal((await lookup(uplink, 'api.example', 65))?.code, 0);
      assert.equal(names.asked.length, before);
      uplink.close();
    });

    it('refuses private answers of an allowed name, unless a block allows them', async () => {
      const { uplink, reasons } = uplinkFor('*.example');
      for (const name of ['rebind.example', 'rebind10.example', 'metadata.example']) {
        assert.deepEqual((await lookup(uplink, name))?.addresses, [], name);
      }
      assert.deepEqual(reasons(), ['private-answer', 'private-answer', 'metadata-address']);
      const { uplink: wider } = uplinkFor('*.example', '10.0.0.0/8');
      assert.deepEqual((await lookup(wider, 'rebind10.example'))?.addresses, [servers.private]);
      uplink.close();
      wider.close();
    });

    it("knows the host's own files and name", async () => {
      const { uplink } = uplinkFor('in-hosts.example', HOST_ALIAS_NAME);
      assert.deepEqual((await lookup(uplink, 'in-hosts.example'))?.addresses, [servers.private]);
      assert.deepEqual((await lookup(uplink, HOST_ALIAS_NAME))?.addresses, [HOST_ALIAS.v4]);
      assert.deepEqual((await lookup(uplink, 'localhost'))?.addresses, ['127.0.0.1']);
      const inside = await connectThrough(uplink, { address: servers.private, port: 80 });
      assert.match(await exchange(inside, get('in-hosts.example')), /inside$/);
      uplink.close();
    });

    it('says of garbage that it is garbage, and nothing to an answer', async () => {
      const { uplink } = uplinkFor();
      const to = { address: '192.168.127.1', port: 53 };
      const answer = await datagramThrough(uplink, to, Buffer.alloc(12, 1));
      assert.equal((answer[3] ?? 0) & 0xf, 1);
      uplink.close();
    });
  });

  describe('connections allowed by name', () => {
    it('go to the addresses of the name, and to no others', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      const to = { address: servers.one, port: 80 };
      await assert.rejects(connectThrough(uplink, to), /prohibited/);
      await lookup(uplink, 'api.example');
      const answer = await exchange(await connectThrough(uplink, to), get('api.example', '/a'));
      assert.match(answer, /^HTTP\/1.1 200 OK\r\n[\s\S]*api.example \/a$/);
      await assert.rejects(
        connectThrough(uplink, { address: servers.two, port: 80 }),
        /prohibited/,
      );
      await assert.rejects(connectThrough(uplink, { address: HOST_ALIAS.v4, port: 8080 }));
      assert.deepEqual(reasons(), Array(3).fill('address-not-allowed'));
      uplink.close();
    });

    it('refuse HTTP for another host, in every request and every way to say it', async () => {
      const bad = [
        get('other.example'),
        get('api.example', 'http://other.example/'),
        get('api.example').replace('\r\n', '\r\nHost: other.example\r\n'),
        'GET / HTTP/1.0\r\n\r\n',
        'CONNECT other.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n',
        `\r\n${get('203.0.113.10')}`,
      ];
      for (const request of bad) {
        const { uplink, reasons } = uplinkFor('api.example');
        await lookup(uplink, 'api.example');
        const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
        assert.match(await exchange(stream, request), /^HTTP\/1.1 403 /, request);
        assert.equal(reasons().length, 1, request);
        uplink.close();
      }
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
      const first = get('api.example', '/1', false);
      const answer = await exchange(stream, first + get('other.example', '/2'));
      assert.match(answer, /api.example \/1[\s\S]*HTTP\/1.1 403 /);
      assert.ok(!answer.includes('other.example /2'));
      assert.deepEqual(reasons(), ['name-mismatch']);
      uplink.close();
    });

    it('hide no request for another host in one for theirs', async () => {
      const hidden = get('other.example', '/hidden');
      const length = `Content-Length: ${hidden.length}`;
      const head = (...fields: string[]) =>
        [`GET / HTTP/1.1`, `Host: api.example`, ...fields, '', ''].join('\r\n');
      const smuggled = [
        // What a connection option takes away with it: the length of the body, or the host itself.
        head(length, 'Connection: keep-alive, Content-Length') + hidden,
        head('Connection: close, Host'),
        `${head(length, 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
        `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n${hidden}`,
        `${head('Transfer-Encoding : chunked')}0\r\n\r\n${hidden}`,
        head('Transfer-Encoding:\x0bchunked', length) + hidden,
        head('Content-Length: 0', length) + hidden,
        head(`Content-Length: +${hidden.length}`) + hidden,
        head('X: a', ' Host: other.example'),
        head('X: a\rHost: other.example'),
        head('X: a\nHost: other.example'),
        head('X: a\0\r\nHost: other.example'),
        `${head('Transfer-Encoding: chunked')}0;\n\r\n${hidden}`,
        head('Upgrade: websocket', 'Connection: Upgrade', length) + hidden,
        head('Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABk'),
        head('Expect: 100-continue', length) + hidden,
      ];
      for (const bytes of smuggled) {
        const { uplink } = uplinkFor('api.example');
        await lookup(uplink, 'api.example');
        const before = asked.length;
        const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
        await exchange(stream, bytes).catch(() => '');
        uplink.close();
        for (const { host, url } of asked.slice(before)) {
          assert.deepEqual({ host, url }, { host: 'api.example', url: '/' }, bytes);
        }
      }
      // The server itself falls for some of it, or this test would show nothing.
      const { uplink } = uplinkFor();
      const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
      const before = asked.length;
      await exchange(stream, get('api.example', '/', false) + hidden);
      assert.equal(asked.slice(before)[1]?.host, 'other.example');
      uplink.close();
    });

    it('say of what is nearly HTTP, or nearly TLS, that it is neither', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const nearly = [
        'GET /\xff HTTP/1.1\r\nHost: other.example\r\n\r\n',
        ' GET / HTTP/1.1\r\nHost: other.example\r\n\r\n',
        'GET /\r\n',
        'GET / HTTP/1.1\r\nHost: other.example\r\n : x\r\n\r\n',
        // A warning, which servers of TLS let pass in front of everything.
        '\x15\x03\x01\0\x02\x01\0',
      ];
      for (const text of nearly) {
        const before = asked.length;
        const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
        await exchange(stream, Buffer.from(text, 'latin1')).catch(() => '');
        assert.equal(asked.length, before, text);
      }
      assert.deepEqual(reasons(), Array(nearly.length).fill('malformed'));
      uplink.close();
    });

    it('refuse TLS for another host, for none, and for an address', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const handshake = async (servername: string | undefined) => {
        const socket = await connectThrough(uplink, { address: servers.one, port: 443 });
        const named = servername === undefined ? {} : { servername };
        const tls = connectTls({
          socket,
          host: 'api.example',
          ...named,
          rejectUnauthorized: false,
        });
        await once(tls, 'secureConnect');
        return exchange(tls, get('api.example'));
      };
      assert.match(await handshake('api.example'), /secure$/);
      assert.deepEqual(reasons(), []);
      await assert.rejects(handshake('other.example'));
      await assert.rejects(handshake(''));
      assert.deepEqual(reasons(), ['name-mismatch', 'name-missing']);
      uplink.close();
    });

    it('refuse TLS that names another host when the server asks again', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const handshake = async (second: string) => {
        const socket = await connectThrough(uplink, { address: servers.one, port: 4433 });
        let hellos = 0;
        const changed = new Duplex({
          read: () => undefined,
          write: (chunk: Buffer, _encoding, done) => {
            const at = chunk.indexOf('api.example');
            if (at >= 0 && ++hellos === 2) chunk.write(second, at);
            socket.write(chunk, done);
          },
          final: (done) => socket.end(done),
        });
        socket.on('data', (chunk) => changed.push(chunk));
        socket.on('close', () => changed.destroy(new Error('it was closed')));
        // The server has only the second of these, and the client offers a key for the first.
        const tls = connectTls({
          socket: changed,
          servername: 'api.example',
          ecdhCurve: 'X25519:P-384',
          rejectUnauthorized: false,
        });
        await once(tls, 'secureConnect');
        assert.equal(hellos, 2);
        tls.destroy();
      };
      await handshake('api.example');
      assert.deepEqual(reasons(), []);
      await assert.rejects(handshake('abc.example'));
      assert.deepEqual(reasons(), ['name-mismatch']);
      uplink.close();
    });

    it('pass whatever else is spoken, also where the server speaks first', async () => {
      const { uplink, reasons } = uplinkFor('api.example:22');
      await lookup(uplink, 'api.example');
      const stream = await connectThrough(uplink, { address: servers.one, port: 22 });
      const [greeting] = await once(stream, 'data');
      assert.match(String(greeting), /^hello/);
      assert.match(await exchange(stream, 'SSH-2.0-x\r\n', 'more'), /SSH-2.0-x\r\nmore$/);
      const web = await connectThrough(uplink, { address: servers.one, port: 22 });
      await once(web, 'data');
      web.end(get('other.example'));
      await once(web, 'close');
      assert.deepEqual(reasons(), ['malformed']);
      await assert.rejects(connectThrough(uplink, { address: servers.one, port: 80 }));
      uplink.close();
    });

    it('keep few requests that nobody answers', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const before = asked.length;
      const ahead = await connectThrough(uplink, { address: servers.one, port: 80 });
      const sent = get('api.example', '/stall', false) + get('api.example', '/', false).repeat(9);
      const answers = exchange(ahead, sent + get('api.example', '/last'));
      await stalled;
      for (const answer of stalling.splice(0)) answer();
      assert.equal((await answers).match(/HTTP\/1.1 200/g)?.length, 11);
      assert.equal(asked.length, before + 11);
      const flood = await connectThrough(uplink, { address: servers.one, port: 80 });
      flood.on('error', () => undefined);
      flood.write(get('api.example', '/stall', false).repeat(2_000));
      await once(flood, 'close');
      assert.deepEqual(reasons(), ['limit']);
      uplink.close();
    });

    it('refuse UDP', async () => {
      const { uplink, reasons } = uplinkFor('api.example');
      await lookup(uplink, 'api.example');
      const to = { address: servers.one, port: 443 };
      await assert.rejects(datagramThrough(uplink, to, Buffer.from('x')), /prohibited/);
      assert.deepEqual(reasons(), ['udp-not-allowed']);
      uplink.close();
    });
  });

  describe('connections allowed by address', () => {
    it('pass as they are, and failures come as what they are', async () => {
      const { uplink } = uplinkFor('203.0.113.0/24');
      const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
      assert.match(await exchange(stream, get('whatever.example')), /whatever.example \/$/);
      await assert.rejects(connectThrough(uplink, { address: servers.one, port: 81 }), /reset/);
      await assert.rejects(
        connectThrough(uplink, { address: '203.0.113.99', port: 80 }),
        /unreachable/,
      );
      uplink.close();
    });

    it('reach the loopback of the host by its alias alone', async () => {
      const { uplink } = uplinkFor();
      const stream = await connectThrough(uplink, { address: HOST_ALIAS.v4, port: 8080 });
      assert.match(await exchange(stream, get('x')), /loopback$/);
      for (const address of [
        '127.0.0.1',
        '0.0.0.0',
        '::1',
        '::ffff:127.0.0.1',
        '64:ff9b::7f00:1',
      ]) {
        await assert.rejects(
          connectThrough(uplink, { address, port: 8080 }),
          /prohibited/,
          address,
        );
      }
      uplink.close();
    });
  });

  it('rules change while it runs', async () => {
    const { uplink } = uplinkFor('api.example');
    await lookup(uplink, 'api.example');
    uplink.setRules([]);
    const stream = await connectThrough(uplink, { address: servers.one, port: 80 });
    assert.match(await exchange(stream, get('other.example')), /other.example/);
    const rule = parseNetworkRule('x.wild.example');
    uplink.setRules(rule === null ? [] : [rule]);
    await assert.rejects(connectThrough(uplink, { address: servers.one, port: 80 }), /prohibited/);
    uplink.close();
  });
}
