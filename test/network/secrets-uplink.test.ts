import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, createSecureServer } from 'node:http2';
import { createServer as createHttpsServer, type Server } from 'node:https';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { opcodes } from '../../src/network/http/web-socket-frames.ts';
import { PolicyUplink } from '../../src/network/policy-uplink.ts';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import type { NetworkEvent } from '../../src/spec/network-event.ts';
import { secrets as readSecrets } from '../../src/spec/parse-network.ts';
import { realHello } from './client-hellos.ts';
import { frame, MessageReader } from './frames.ts';
import { connectThrough, datagramThrough, lookup } from './guest.ts';
import { NameServer } from './name-server.ts';
import { inNamespace, serverKeys, servers } from './namespace.ts';
import { RealServers } from './real-servers.ts';

const VALUE = 'sk-live-"7f3a&9';
const PLACEHOLDER = '<BOXLITE_SECRET:key>';
const MIB = 1024 * 1024;
/** The value of a secret that can be the name of a field. */
const TOKEN = 'token-of-another';
const authority = new CertificateAuthority('BoxLite test');

function uplinkFor() {
  const refused: NetworkEvent[] = [];
  const secrets = readSecrets(
    [
      { name: 'key', hosts: ['api.example', '*.wild.example'], value: VALUE },
      { name: 'token', hosts: ['api.example'], value: TOKEN },
      { name: 'other', hosts: ['elsewhere.example'], value: 'other-value' },
    ],
    'secrets',
  );
  const uplink = new PolicyUplink({
    rules: [],
    secrets,
    authority: () => authority,
    onRefused: (event) => refused.push(event),
  });
  return { uplink, refused, reasons: () => refused.map(({ reason }) => reason) };
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly host?: string;
  readonly port?: number;
}

/** A whole HTTP/2 client: its preface, settings, and one request whose fields nobody looks at. */
function rawHttp2(fields: Record<string, string | string[]>): Buffer {
  const literal = (text: string) => Buffer.from([text.length, ...Buffer.from(text)]);
  const block = Buffer.concat(
    Object.entries(fields)
      .flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const))
      .map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)])),
  );
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
    // END_STREAM and END_HEADERS.
    frame(1, 5, 1, block),
  ]);
}

/** Whether a request in HTTP/2 was answered, or its stream or connection given up in order. */
async function answered(stream: AsyncIterable<Buffer>): Promise<boolean> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9) {
      // HEADERS, RST_STREAM, GOAWAY.
      if ([1, 3, 7].includes(rest.readUInt8(3))) return true;
      const length = 9 + rest.readUIntBE(0, 3);
      if (rest.length < length) break;
      rest = rest.subarray(length);
    }
  }
  return false;
}

/** TLS as a program in the box would have it, trusting the box's authority alone. */
async function tlsThrough(
  uplink: PolicyUplink,
  { host = 'api.example', port = 443, protocols = ['http/1.1'] } = {},
): Promise<TLSSocket> {
  await lookup(uplink, host);
  const socket = await connectThrough(uplink, { address: servers.one, port });
  const tls = connectTls({ socket, servername: host, ca: authority.pem, ALPNProtocols: protocols });
  await once(tls, 'secureConnect');
  return tls;
}

function ask(socket: Duplex, asked: Ask = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage & { text: string }>();
  const agent = new Agent();
  agent.createConnection = () => socket as Socket;
  const sent = request({
    agent,
    method: asked.method ?? 'GET',
    path: asked.path ?? '/',
    headers: { host: asked.host ?? 'api.example', ...asked.headers },
  });
  sent.on('error', reject);
  sent.on('response', (response) => {
    text(response).then((body) => resolve(Object.assign(response, { text: body })), reject);
  });
  sent.end(asked.body);
  return promise;
}

if (inNamespace(import.meta.filename)) {
  const names = new NameServer({
    'api.example': [servers.one],
    'other.example': [servers.one],
    'x.wild.example': [servers.one],
  });
  const real = new RealServers();
  const running: (Server | NetServer)[] = [];
  /** What the servers were sent. */
  const seen: { headers: string[]; body: string }[] = [];

  before(async () => {
    await names.listen();
    const handler = async (
      request: IncomingMessage,
      response: import('node:http').ServerResponse,
    ) => {
      if (request.url === '/mirror') return void request.pipe(response);
      if (request.url === '/stall') return;
      const body = await text(request).catch(() => null);
      // It was given up before its end.
      if (body === null) return;
      seen.push({ headers: [...request.rawHeaders, ...request.rawTrailers], body });
      response.setHeader('X-Echo', request.headers.authorization ?? '');
      if (request.url === '/gzip') {
        response.setHeader('Content-Encoding', 'gzip');
        return void response.end(gzipSync(`all of ${VALUE}`));
      }
      if (request.url === '/everywhere') {
        const named = { [TOKEN]: 'x', Trailer: 'X-Behind', 'X-Base64': `${btoa(`ab${VALUE}cd`)}` };
        response.writeHead(200, `OK ${VALUE}`, named);
        response.write('x');
        response.addTrailers({ 'X-Behind': VALUE });
        return void response.end();
      }
      if (request.url === '/part') {
        const ranged = request.headers.range !== undefined;
        return void response.writeHead(ranged ? 206 : 200).end(ranged ? VALUE.slice(0, 6) : VALUE);
      }
      if (request.url === '/odd') {
        response.setHeader('Content-Encoding', 'rot13');
        return void response.end('x');
      }
      if (request.url === '/events') {
        response.setHeader('Content-Type', 'text/event-stream');
        response.write('data: 1\n\n');
        return void response.once('close', () => undefined);
      }
      if (request.url === '/sized') {
        response.setHeader('Content-Length', Buffer.byteLength(VALUE) + 2);
        return void response.end(`[${VALUE}]`);
      }
      if (request.url === '/large') {
        response.setHeader('Content-Length', 3_000_000);
        return void response.end('y'.repeat(3_000_000));
      }
      response.end(`echo ${body} ${request.headers.authorization ?? ''} ${JSON.stringify(VALUE)}`);
    };
    const https = createHttpsServer(serverKeys(), handler);
    https.on('upgrade', (request, socket: Duplex) => {
      seen.push({ headers: request.rawHeaders, body: '' });
      if (request.url === '/unwilling') {
        const zipped = gzipSync(`all of ${VALUE}`);
        socket.write('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n');
        return void socket.end(zipped);
      }
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      );
      // A frame with compression, which nobody has asked for.
      socket.write(Buffer.of(0xc1, 1, 0));
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end());
    });
    const strange = createHttpsServer(serverKeys('strange'), handler);
    const fickle = createNetServer((socket) => {
      socket.on('error', () => undefined);
      const tls = createTlsServer(serverKeys(), () => socket.resetAndDestroy());
      tls.emit('connection', socket);
    });
    const http = createHttpServer(handler);
    http.on('upgrade', (_request, socket: Duplex) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      );
      const reader = new MessageReader(true);
      socket.on('data', (bytes: Buffer) => {
        reader.push(bytes);
        for (const { payload } of reader.said.splice(0)) {
          socket.write(frame(payload, { key: null }));
        }
      });
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end());
    });
    const http2 = createSecureServer({ ...serverKeys() });
    http2.on('session', (session) => session.on('error', () => undefined));
    http2.on('stream', async (stream, headers) => {
      stream.on('error', () => undefined);
      const behind: string[] = [];
      stream.on('trailers', (trailers) => behind.push(...Object.values(trailers).map(String)));
      const sent = await text(stream).catch(() => null);
      if (sent === null || stream.destroyed) return;
      const body = `${sent}${behind.join()}`;
      const { authorization = '' } = headers;
      seen.push({ headers: Object.entries(headers).flat().map(String), body });
      stream.respond({ ':status': 200, 'x-echo': authorization }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-status': VALUE }));
      stream.end(`echo ${body} ${VALUE}`);
    });
    https.listen(443, servers.one);
    strange.listen(4433, servers.one);
    fickle.listen(4434, servers.one);
    http.listen(80, servers.one);
    http2.listen(8443, servers.one);
    running.push(https, strange, fickle, http, http2 as unknown as NetServer);
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
    }
    await names[Symbol.asyncDispose]();
  });

  describe('a secret over TLS and HTTP/1.1', () => {
    it('is in what its host gets, and in nothing that the box gets', async () => {
      const { uplink, reasons } = uplinkFor();
      const tls = await tlsThrough(uplink);
      assert.match(String(tls.getPeerCertificate().subject.CN), /api.example/);
      const answer = await ask(tls, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${PLACEHOLDER}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ key: PLACEHOLDER }),
      });
      const { headers, body } = seen.at(-1) ?? { headers: [], body: '' };
      assert.ok(headers.includes(`Bearer ${VALUE}`));
      assert.deepEqual(JSON.parse(body), { key: VALUE });
      const length =
        headers[headers.findIndex((name) => name.toLowerCase() === 'content-length') + 1];
      assert.equal(Number(length), Buffer.byteLength(body));
      assert.equal(answer.headers['x-echo'], `Bearer ${PLACEHOLDER}`);
      assert.ok(!answer.text.includes('7f3a'), answer.text);
      assert.ok(answer.text.includes(PLACEHOLDER));
      assert.deepEqual(reasons(), []);
      uplink.close();
    });

    it('is in credentials of Basic authentication, and comes back out of their echo', async () => {
      const { uplink } = uplinkFor();
      const basic = (password: string) =>
        `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
      const authorization = basic(PLACEHOLDER);
      const answer = await ask(await tlsThrough(uplink), { headers: { authorization } });
      assert.ok(seen.at(-1)?.headers.includes(basic(VALUE)));
      assert.equal(answer.headers['x-echo'], authorization);
      assert.ok(answer.text.includes(authorization) && !answer.text.includes(basic(VALUE)));
      uplink.close();
    });

    it('is found in answers of known length, and in compressed ones', async () => {
      const { uplink, reasons } = uplinkFor();
      const sized = await ask(await tlsThrough(uplink), { path: '/sized' });
      assert.equal(sized.text, `[${PLACEHOLDER}]`);
      assert.equal(Number(sized.headers['content-length']), sized.text.length);
      const zipped = await ask(await tlsThrough(uplink), { path: '/gzip' });
      assert.equal(zipped.text, `all of ${PLACEHOLDER}`);
      assert.equal(zipped.headers['content-encoding'], undefined);
      const large = await ask(await tlsThrough(uplink), { path: '/large' });
      assert.equal(large.text.length, 3_000_000);
      assert.deepEqual(reasons(), []);
      const odd = await ask(await tlsThrough(uplink), { path: '/odd' });
      assert.equal(odd.statusCode, 502);
      assert.deepEqual(reasons(), ['response-unreadable']);
      uplink.close();
    });

    it('is found in every part of an answer', async () => {
      const { uplink } = uplinkFor();
      const tls = await tlsThrough(uplink);
      tls.write(
        'GET /everywhere HTTP/1.1\r\nHost: api.example\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n',
      );
      const answer = await text(tls);
      assert.match(answer, /^HTTP\/1.1 200 OK <BOXLITE_SECRET:key>\r\n/);
      assert.match(answer, /X-Behind: <BOXLITE_SECRET:key>\r\n/);
      assert.ok(!answer.includes(VALUE) && !answer.toLowerCase().includes(TOKEN), answer);
      const encoded = /X-Base64: (\S+)/.exec(answer)?.[1] ?? '';
      assert.ok(!Buffer.from(encoded, 'base64').includes(VALUE.slice(2, -2)), encoded);
      uplink.close();
    });

    it('does not come in parts that the box asks for', async () => {
      const { uplink } = uplinkFor();
      const headers = { range: 'bytes=0-5' };
      const answer = await ask(await tlsThrough(uplink), { path: '/part', headers });
      assert.equal(answer.statusCode, 200);
      assert.equal(answer.text, PLACEHOLDER);
      uplink.close();
    });

    it('is found in the answer of a server that does not change its protocol', async () => {
      const { uplink } = uplinkFor();
      const tls = await tlsThrough(uplink);
      tls.write(
        'GET /unwilling HTTP/1.1\r\nHost: api.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Accept-Encoding: gzip\r\n\r\n',
      );
      const answer = await text(tls);
      assert.match(answer, /^HTTP\/1.1 200 OK\r\n/);
      assert.ok(answer.includes(`all of ${PLACEHOLDER}`), answer);
      uplink.close();
    });

    it('is in trailers, and refused there too', async () => {
      const { uplink, reasons } = uplinkFor();
      const trailing = async (field: string) => {
        const tls = await tlsThrough(uplink);
        tls.write('POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n');
        tls.write(`Connection: close\r\n\r\n1\r\nx\r\n0\r\n${field}\r\n\r\n`);
        return await text(tls).catch(() => '');
      };
      await trailing(`X-Sum: ${PLACEHOLDER}`);
      assert.ok(seen.at(-1)?.headers.includes(VALUE));
      const before = seen.length;
      await trailing('X-Sum: <BOXLITE_SECRET:other>');
      assert.equal(seen.length, before);
      assert.deepEqual(reasons(), ['secret-not-allowed']);
      uplink.close();
    });

    it('does not have the program gather more than it may', async () => {
      const { uplink } = uplinkFor();
      const size = 1024 * 1024;
      const head = `POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: ${size}\r\n\r\n`;
      const begin = async () => {
        const tls = await tlsThrough(uplink);
        tls.write(head + 'x'.repeat(size - 1));
        return tls;
      };
      const begun = await Promise.all(Array.from({ length: 32 }, begin));
      // Those fill the room; the next one goes on as it comes.
      const last = await begin();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const finished = last.end('y');
      await text(finished);
      const lastSeen = seen.at(-1);
      assert.ok(lastSeen?.headers.includes('chunked'));
      assert.equal(lastSeen?.body.length, size);
      for (const tls of begun) tls.destroy();
      uplink.close();
    });

    it('asks for bodies that wait to be asked for', async () => {
      const { uplink } = uplinkFor();
      const tls = await tlsThrough(uplink);
      const body = JSON.stringify({ key: PLACEHOLDER });
      tls.write(
        'POST / HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\n' +
          `Content-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
      );
      const [asked] = await once(tls, 'data');
      assert.equal(String(asked), 'HTTP/1.1 100 Continue\r\n\r\n');
      tls.write(body);
      assert.match(await text(tls), /^HTTP\/1.1 200 OK/);
      assert.deepEqual(JSON.parse(seen.at(-1)?.body ?? ''), { key: VALUE });
      uplink.close();
    });

    it('passes bodies of any size in both directions, and no faster than they are read', async () => {
      const { uplink, reasons } = uplinkFor();
      const piece = `${PLACEHOLDER}${'z'.repeat(64 * 1024)}`;
      const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
      const post = async (path: string) => {
        const tls = await tlsThrough(uplink);
        const head = `POST ${path} HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n`;
        tls.write(`${head}Connection: close\r\n\r\n`);
        return tls;
      };
      const pieces = 256;
      const tls = await post('/mirror');
      let received = 0;
      tls.on('data', ({ length }) => {
        received += length;
      });
      for (let i = 0; i < pieces; i++) if (!tls.write(chunk)) await once(tls, 'drain');
      tls.write('0\r\n\r\n');
      await once(tls, 'end');
      assert.ok(received > pieces * piece.length, `${received} bytes came back`);
      // A server that reads nothing, and a box that does not.
      for (const path of ['/stall', '/mirror']) {
        const slow = await post(path);
        let taken = 0;
        for (let going = true; going && taken < 64 * MIB; taken += chunk.length) {
          if (slow.write(chunk)) continue;
          const drained = once(slow, 'drain').then(() => true);
          going = await Promise.race([drained, sleep(2_000, false)]);
        }
        assert.ok(taken < 64 * MIB, `${path}: ${taken} bytes were taken`);
        slow.destroy();
      }
      assert.deepEqual(reasons(), []);
      uplink.close();
    });

    it('leads through no proxy', async () => {
      const { uplink, reasons } = uplinkFor();
      const tls = await tlsThrough(uplink);
      tls.write('CONNECT other.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n');
      assert.match(await text(tls), /^HTTP\/1.1 403 /);
      assert.deepEqual(reasons(), ['name-mismatch']);
      uplink.close();
    });

    it('does not hold up events', async () => {
      const { uplink } = uplinkFor();
      const tls = await tlsThrough(uplink);
      tls.write('GET /events HTTP/1.1\r\nHost: api.example\r\n\r\n');
      let got = '';
      for await (const chunk of tls) {
        got += String(chunk);
        if (got.includes('data: 1')) break;
      }
      uplink.close();
    });

    it('is in chunked bodies, wherever they are cut', async () => {
      const { uplink } = uplinkFor();
      const tls = await tlsThrough(uplink);
      tls.write('POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n');
      tls.write('Connection: close\r\n\r\n');
      for (const part of ['a <BOXLITE_', 'SECRET:k', 'ey> b']) {
        tls.write(`${part.length.toString(16)}\r\n${part}\r\n`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      tls.write('0\r\n\r\n');
      await text(tls);
      assert.equal(seen.at(-1)?.body, `a ${VALUE} b`);
      uplink.close();
    });

    it('goes to nobody whose certificate does not say that they are the host', async () => {
      const { uplink, refused } = uplinkFor();
      await lookup(uplink, 'api.example');
      const before = seen.length;
      await assert.rejects(tlsThrough(uplink, { port: 4433 }));
      assert.equal(refused[0]?.reason, 'certificate-invalid');
      assert.equal(seen.length, before);
      uplink.close();
    });

    it('survives a server that goes while the box has yet to shake hands', async () => {
      const { uplink } = uplinkFor();
      await lookup(uplink, 'api.example');
      const socket = await connectThrough(uplink, { address: servers.one, port: 4434 });
      const closed = once(socket, 'close');
      socket.on('error', () => undefined);
      socket.write(await realHello({ servername: 'api.example' }));
      socket.resume();
      await closed;
      uplink.close();
    });

    it('goes to no host behind another', async () => {
      const { uplink, reasons } = uplinkFor();
      const answer = await ask(await tlsThrough(uplink), {
        host: 'other.example',
        headers: { authorization: PLACEHOLDER },
      });
      assert.equal(answer.statusCode, 403);
      assert.deepEqual(reasons(), ['name-mismatch']);
      uplink.close();
    });

    it('is refused where it has no business', async () => {
      const { uplink, refused } = uplinkFor();
      const before = seen.length;
      const inHeader = await ask(await tlsThrough(uplink), {
        headers: { x: '<BOXLITE_SECRET:other>' },
      });
      assert.equal(inHeader.statusCode, 403);
      const inBody = await ask(await tlsThrough(uplink), {
        method: 'POST',
        body: 'x <BOXLITE_SECRET:other> y',
      });
      assert.equal(inBody.statusCode, 403);
      assert.equal(seen.length, before);
      assert.deepEqual(
        refused.map(({ reason, name }) => [reason, name]),
        Array(2).fill(['secret-not-allowed', 'api.example']),
      );
      assert.ok(!JSON.stringify(refused).includes('other-value'));
      uplink.close();
    });

    it('leaves the TLS of other hosts alone', async () => {
      const { uplink } = uplinkFor();
      await lookup(uplink, 'other.example');
      const socket = await connectThrough(uplink, { address: servers.one, port: 443 });
      const tls = connectTls({ socket, servername: 'other.example' });
      await once(tls, 'secureConnect');
      await ask(tls, { host: 'other.example', headers: { authorization: PLACEHOLDER } });
      assert.ok(seen.at(-1)?.headers.includes(PLACEHOLDER));
      uplink.close();
    });
  });

  describe('a secret on a WebSocket', { timeout: 15_000 }, () => {
    before(async () => {
      await real.webSockets({ port: 8444, host: servers.one });
    });
    after(() => real[Symbol.asyncDispose]());

    /** A client behind the change of protocols, and what it has been told. */
    async function upgraded(socket: Duplex, host = 'api.example') {
      socket.on('error', () => undefined);
      socket.write(
        `GET /ws HTTP/1.1\r\nHost: ${host}\r\n${host === 'api.example' ? `Authorization: ${PLACEHOLDER}\r\n` : ''}` +
          'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
          'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
      );
      const reader = new MessageReader(false);
      let head = '';
      socket.on('data', (bytes: Buffer) => {
        const all = Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
        if (head.includes('\r\n\r\n')) return reader.push(bytes);
        const end = all.indexOf('\r\n\r\n');
        head = all.subarray(0, end < 0 ? all.length : end + 4).toString('latin1');
        if (end >= 0) reader.push(all.subarray(end + 4));
      });
      const { said } = reader;
      const ended = new Promise((resolve) => socket.once('end', resolve));
      const answered = async (count: number) => {
        while (said.length < count && !socket.destroyed) await sleep(5);
        return said.slice(0, count);
      };
      while (!head.includes('\r\n\r\n') && !socket.destroyed) await sleep(5);
      return { socket, head, answered, ended };
    }

    it('is in texts and in the request, and is not in what comes back', async () => {
      const { uplink, reasons } = uplinkFor();
      const { socket, head, answered } = await upgraded(await tlsThrough(uplink, { port: 8444 }));
      assert.match(head, /^HTTP\/1.1 101 /);
      assert.doesNotMatch(head, /extensions/i);
      const texts = [
        JSON.stringify({ key: PLACEHOLDER }),
        `split, and ${PLACEHOLDER}, and joined`,
        `${'x'.repeat(2_000_000)}${PLACEHOLDER}`,
      ];
      for (const text of texts) socket.write(frame(text));
      socket.write(frame(`in ${PLACEHOLDER.slice(0, 9)}`, { final: false }));
      socket.write(frame('between', { opcode: opcodes.ping }));
      socket.write(frame(PLACEHOLDER.slice(9), { opcode: opcodes.continuation }));
      socket.write(frame(PLACEHOLDER, { opcode: opcodes.binary }));
      const back = (await answered(6)).map(({ payload }) => String(payload));
      const quoted = JSON.stringify({ key: PLACEHOLDER });
      const [, ...others] = texts;
      assert.deepEqual(
        back.toSorted(),
        [quoted, ...others, `in ${PLACEHOLDER}`, 'between', PLACEHOLDER].toSorted(),
      );
      const [asked, ...sent] = real
        .read('web-sockets')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(asked, { authorization: VALUE, extensions: null });
      assert.deepEqual(
        sent.map(({ text }) => text),
        [
          JSON.stringify({ key: VALUE }),
          `split, and ${VALUE}, and joined`,
          `${'x'.repeat(2_000_000)}${VALUE}`,
          `in ${VALUE}`,
          Buffer.from(PLACEHOLDER).toString('hex'),
        ],
      );
      socket.write(frame(Buffer.of(3, 0xe8), { opcode: opcodes.close }));
      const said = await answered(7);
      assert.equal(said[6]?.opcode, opcodes.close);
      assert.deepEqual(reasons(), []);
      uplink.close();
    });

    it('is refused where it has no business, in order', async () => {
      const { uplink, refused } = uplinkFor();
      const { socket, answered, ended } = await upgraded(await tlsThrough(uplink, { port: 8444 }));
      const before = real.read('web-sockets');
      socket.write(frame('<BOXLITE_SECRET:ot', { final: false }));
      socket.write(frame('her>', { opcode: opcodes.continuation }));
      socket.write(frame('more'));
      const [closed] = await answered(1);
      assert.equal(closed?.opcode, opcodes.close);
      assert.equal(closed?.payload.readUInt16BE(), 1008);
      assert.match(String(closed?.payload), /BoxLite refused this request: the placeholder/);
      await ended;
      assert.deepEqual(
        refused.map(({ reason, name }) => [reason, name]),
        [['secret-not-allowed', 'api.example']],
      );
      assert.equal(real.read('web-sockets'), before);
      uplink.close();
    });

    it('is refused on plain ones too, which lead to none of its hosts', async () => {
      const { uplink, refused } = uplinkFor();
      await lookup(uplink, 'other.example');
      const plain = await connectThrough(uplink, { address: servers.one, port: 80 });
      const { socket, head, answered } = await upgraded(plain, 'other.example');
      assert.match(head, /^HTTP\/1.1 101 /);
      socket.write(frame('unimportant'));
      assert.equal(String((await answered(1))[0]?.payload), 'unimportant');
      socket.write(frame(`{"key":"${PLACEHOLDER}"}`));
      const [, closed] = await answered(2);
      assert.equal(closed?.payload.readUInt16BE(), 1008);
      assert.deepEqual(
        refused.map(({ reason, name }) => [reason, name]),
        [['secret-not-allowed', 'other.example']],
      );
      uplink.close();
    });

    it('goes no further than what is a WebSocket by the letter', async () => {
      const { uplink, reasons } = uplinkFor();
      const garbled = await upgraded(await tlsThrough(uplink, { port: 8444 }));
      garbled.socket.write(`GET / HTTP/1.1\r\nHost: api.example\r\n\r\n`);
      assert.equal((await garbled.answered(1))[0]?.payload.readUInt16BE(), 1002);
      const compressed = await upgraded(await tlsThrough(uplink));
      assert.equal((await compressed.answered(1))[0]?.payload.readUInt16BE(), 1002);
      assert.deepEqual(reasons(), ['malformed', 'response-unreadable']);
      uplink.close();
    });
  });

  describe('a secret over HTTP/2', () => {
    async function session(uplink: PolicyUplink): Promise<ClientHttp2Session> {
      const tls = await tlsThrough(uplink, { port: 8443, protocols: ['h2'] });
      assert.equal(tls.alpnProtocol, 'h2');
      return connectHttp2('https://api.example', { createConnection: () => tls });
    }

    it('is in what its host gets, and in nothing that the box gets', async () => {
      const { uplink, reasons } = uplinkFor();
      const client = await session(uplink);
      const results = await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const stream = client.request({
            ':method': 'POST',
            ':path': `/${i}`,
            authorization: `Bearer ${PLACEHOLDER}`,
            'content-type': 'text/plain',
          });
          stream.end(`${i} ${PLACEHOLDER}`);
          const heard = once(stream, 'response');
          const trailed = once(stream, 'trailers');
          const body = await text(stream);
          return { body, headers: (await heard)[0], trailers: (await trailed)[0] };
        }),
      );
      for (const [i, { body, headers, trailers }] of results.entries()) {
        assert.equal(body, `echo ${i} ${PLACEHOLDER} ${PLACEHOLDER}`);
        assert.equal(headers['x-echo'], `Bearer ${PLACEHOLDER}`);
        assert.equal(trailers['x-status'], PLACEHOLDER);
      }
      const last = seen.at(-1);
      assert.ok(last?.headers.includes(`Bearer ${VALUE}`));
      assert.ok(last?.body.includes(VALUE));
      assert.deepEqual(reasons(), []);
      client.close();
      uplink.close();
    });

    it('is in trailers, and refused there too', async () => {
      const { uplink, reasons } = uplinkFor();
      const client = await session(uplink);
      const trailing = async (value: string) => {
        const stream = client.request({ ':method': 'POST' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': value }));
        stream.end('x');
        return await text(stream).catch(() => '');
      };
      await trailing(PLACEHOLDER);
      assert.equal(seen.at(-1)?.body, `x${VALUE}`);
      const before = seen.length;
      await trailing('<BOXLITE_SECRET:other>');
      assert.equal(seen.length, before);
      assert.deepEqual(reasons(), ['secret-not-allowed']);
      client.close();
      uplink.close();
    });

    it('survives requests that no client would send', async () => {
      const { uplink } = uplinkFor();
      const base = {
        ':method': 'GET',
        ':scheme': 'https',
        ':path': '/',
        ':authority': 'api.example',
      };
      const odd: Record<string, string | string[]>[] = [
        { 'http2-settings': 'AAMAAABk' },
        { 'user-agent': ['a', 'b'], 'content-type': ['a', 'b'] },
        { authorization: [PLACEHOLDER, 'b'] },
        { host: ['api.example', 'other.example'] },
        { 'transfer-encoding': 'chunked' },
        { te: 'gzip' },
        { ':protocol': 'websocket' },
        { ':method': 'CONNECT' },
        { expect: '100-continue' },
        { 'Upper-Case': 'x' },
        { constructor: 'y', toString: 'z' },
        { 'content-length': '-1' },
        { 'x-line': 'a\r\nHost: other.example' },
      ];
      for (const fields of odd) {
        const before = seen.length;
        const tls = await tlsThrough(uplink, { port: 8443, protocols: ['h2'] });
        tls.on('error', () => undefined);
        tls.write(rawHttp2({ ...base, ...fields }));
        assert.ok(await answered(tls), JSON.stringify(fields));
        tls.destroy();
        for (const { headers } of seen.slice(before)) {
          assert.ok(!headers.includes('other.example'), JSON.stringify(fields));
        }
      }
      const client = await session(uplink);
      const stream = client.request({ ':path': '/still' });
      assert.match(await text(stream), /echo/);
      client.close();
      uplink.close();
    });

    it('is refused in a body where it has no business, wherever in it', async () => {
      const { uplink, refused } = uplinkFor();
      const client = await session(uplink);
      const before = seen.length;
      for (const place of [0, 100, 5_000, 150_000]) {
        const body = Buffer.alloc(200_000, 'x');
        body.write('<BOXLITE_SECRET:other>', place);
        const stream = client.request({ ':method': 'POST' });
        stream.end(body);
        // A server may answer before it has heard all, and then wants no more of it.
        stream.on('error', () => undefined);
        let said = '';
        stream.on('data', (chunk) => {
          said += String(chunk);
        });
        const closed = once(stream, 'close');
        const [headers] = await once(stream, 'response');
        assert.equal(headers[':status'], 403);
        await closed;
        assert.match(said, /BoxLite refused this request: the placeholder/);
      }
      assert.equal(seen.length, before);
      assert.deepEqual(
        refused.map(({ reason, name }) => [reason, name]),
        Array(4).fill(['secret-not-allowed', 'api.example']),
      );
      client.close();
      uplink.close();
    });

    it('goes to no host behind another', async () => {
      const { uplink, reasons } = uplinkFor();
      const client = await session(uplink);
      const stream = client.request({ ':authority': 'other.example', authorization: PLACEHOLDER });
      const [headers] = await once(stream, 'response');
      assert.equal(headers[':status'], 403);
      stream.resume();
      assert.deepEqual(reasons(), ['name-mismatch']);
      const foreign = client.request({ ':path': '/', x: '<BOXLITE_SECRET:other>' });
      assert.equal((await once(foreign, 'response'))[0][':status'], 403);
      foreign.resume();
      assert.deepEqual(reasons(), ['name-mismatch', 'secret-not-allowed']);
      client.close();
      uplink.close();
    });
  });

  describe('a secret over plain HTTP', () => {
    const plain = async (uplink: PolicyUplink, host: string, headers: Record<string, string>) => {
      const socket = await connectThrough(uplink, { address: servers.one, port: 80 });
      return ask(socket, { host, headers });
    };

    it('goes to what its name was resolved to', async () => {
      const { uplink } = uplinkFor();
      await lookup(uplink, 'api.example');
      const answer = await plain(uplink, 'api.example', { authorization: PLACEHOLDER });
      assert.ok(seen.at(-1)?.headers.includes(VALUE));
      assert.equal(answer.headers['x-echo'], PLACEHOLDER);
      uplink.close();
    });

    it('goes to nobody else who is called by its name', async () => {
      const { uplink, reasons } = uplinkFor();
      const before = seen.length;
      const answer = await plain(uplink, 'api.example', { authorization: PLACEHOLDER });
      assert.equal(answer.statusCode, 403);
      const other = await plain(uplink, 'other.example', { authorization: PLACEHOLDER });
      assert.equal(other.statusCode, 403);
      assert.equal(seen.length, before);
      assert.deepEqual(reasons(), ['secret-not-allowed', 'secret-not-allowed']);
      uplink.close();
    });
  });

  it('a secret does not go by UDP', async () => {
    const { uplink, reasons } = uplinkFor();
    await lookup(uplink, 'api.example');
    const to = { address: servers.one, port: 443 };
    await assert.rejects(datagramThrough(uplink, to, Buffer.from('x')), /prohibited/);
    assert.deepEqual(reasons(), ['udp-not-allowed']);
    uplink.close();
  });

  it('the authority makes certificates that others can read', () => {
    const certificate = new X509Certificate(authority.pem);
    assert.ok(certificate.ca);
    assert.ok(certificate.verify(certificate.publicKey));
  });
}
