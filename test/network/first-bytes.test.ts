import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readClientHello } from '../../src/network/client-hello.ts';
import { readBeginning } from '../../src/network/first-bytes.ts';
import { hostOfAuthority, requestHost } from '../../src/network/http-host.ts';
import {
  ENCRYPTED_HELLO,
  ENCRYPTED_NAME,
  realHello,
  WARNING,
  withExtension,
} from './client-hellos.ts';

/** The same message in records of other lengths. */
function refragmented(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(parts);
}

const hello = await realHello({ servername: 'API.example', ALPNProtocols: ['h2', 'http/1.1'] });

describe('readBeginning() of TLS', () => {
  it("reads the name and the protocols of Node's own client", () => {
    assert.deepEqual(readBeginning(hello), {
      kind: 'tls',
      hello: { serverName: 'api.example', encrypted: false, protocols: ['h2', 'http/1.1'] },
    });
  });

  it('says that there is no name', async () => {
    const beginning = readBeginning(await realHello({ host: '203.0.113.1' }));
    assert.equal(beginning.kind === 'tls' ? beginning.hello.serverName : '', null);
  });

  it('wants more for every beginning of it, in one record or in many', () => {
    for (const bytes of [hello, refragmented(hello, 8), refragmented(hello, 64)]) {
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(readBeginning(bytes.subarray(0, end)).kind, 'more', `${end}`);
      }
      assert.equal(readBeginning(bytes).kind, 'tls');
    }
  });

  it('sees that there is an encrypted one inside', () => {
    for (const extension of [ENCRYPTED_HELLO, ENCRYPTED_NAME]) {
      const beginning = readBeginning(withExtension(hello, extension));
      assert.equal(beginning.kind === 'tls' && beginning.hello.encrypted, true);
    }
  });

  it('refuses two names, two extensions of a kind, and empty records without end', () => {
    const name = Buffer.from('\0\0\0\x0e\0\x0c\0\0\x09b.example', 'latin1');
    assert.equal(readBeginning(withExtension(hello, name)).kind, 'malformed');
    assert.equal(readBeginning(Buffer.from([22, 3, 1, 0, 0, 22, 3, 1, 0, 0])).kind, 'malformed');
    assert.equal(readBeginning(Buffer.concat([hello.subarray(0, 5), hello])).kind, 'malformed');
  });

  it('does not read ever more records anew with each byte', () => {
    assert.equal(readBeginning(refragmented(hello, 1)).kind, 'malformed');
  });

  it('never throws, and never waits for more than it may', () => {
    const change = fc.tuple(fc.nat(hello.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const copy = Buffer.from(hello);
        for (const [at, value] of changes) copy[at] = value;
        readBeginning(copy);
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readBeginning(bytes);
        readClientHello(bytes);
        readClientHello(Uint8Array.from([22, 3, 1, 0, bytes.length, ...bytes]));
      }),
      { numRuns: 3_000 },
    );
    const endless = Buffer.concat(
      Array.from({ length: 3 }, () =>
        Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, ...Buffer.alloc(0x3ffe)]),
      ),
    );
    assert.notEqual(readBeginning(endless).kind, 'more');
  });
});

describe('readBeginning() of the rest', () => {
  const kindOf = (text: string) => readBeginning(Buffer.from(text, 'latin1')).kind;

  it('tells HTTP from what is none, as soon as there is a line', () => {
    assert.equal(kindOf('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'http');
    assert.equal(kindOf('\r\n\nPOST /x HTTP/1.0\n'), 'http');
    assert.equal(kindOf('get http://b/ http/1.1\r\n'), 'http');
    assert.equal(kindOf('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'http2');
    assert.equal(kindOf('SSH-2.0-OpenSSH_9.6\r\n'), 'other');
    assert.equal(kindOf('EHLO me\r\n'), 'other');
    assert.equal(kindOf('\0\0\0\x08\x04\xd2\x16/'), 'other');
    assert.equal(kindOf('0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0'), 'other');
    assert.equal(kindOf('0 \x02\x01\x01`\x1b\x02\x01\x03'), 'other');
    assert.equal(kindOf('NICK somebody\r\n'), 'other');
  });

  it('does not let pass as something else what a lenient server takes for HTTP', () => {
    const odd = [
      ...['GET /\xff HTTP/1.1\r\n', 'GET /a b HTTP/1.1\r\n', 'GET /\0 HTTP/1.1\n'],
      ...[' GET / HTTP/1.1\r\n', '\tGET / HTTP/1.1\r\n', '\x85GET / HTTP/1.1\r\n'],
      ...['GET /\r\n', 'GET / \r\n', 'GET http://b.example/\n'],
    ];
    assert.equal(kindOf('GET\xa0/\x1cHTTP/1.1\n'), 'http');
    for (const line of odd) {
      assert.equal(kindOf(line), 'malformed', JSON.stringify(line));
      for (let end = 0; end < line.length; end++) {
        assert.equal(kindOf(line.slice(0, end)), 'more', JSON.stringify(line.slice(0, end)));
      }
    }
  });

  it('does not let pass as something else what a server takes for TLS', () => {
    assert.equal(kindOf(WARNING.toString('latin1') + hello.toString('latin1')), 'malformed');
    assert.equal(kindOf(`\x14\x03\x03\0\x01\x01${hello.toString('latin1')}`), 'malformed');
    // The hello of SSL 2 (RFC 5246, appendix E.2): no session, one cipher suite, 16 bytes of randomness.
    const old = `\x80\x1c\x01\x03\x03\0\x03\0\0\0\x10\0\0\x2f${'r'.repeat(16)}`;
    assert.equal(kindOf(old), 'malformed');
    for (let end = 0; end < 4; end++) assert.equal(kindOf(old.slice(0, end)), 'more');
  });

  it('lets nobody speak as a proxy, who would be believed about what comes behind', () => {
    const behind = 'GET / HTTP/1.1\r\nHost: other.example\r\n\r\n';
    for (const front of [
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
      'PROXY UNKNOWN\r\n',
      '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0',
    ]) {
      const all = front + behind;
      const kinds = Array.from(all, (_, end) => kindOf(all.slice(0, end)));
      const decided = kinds.find((kind) => kind !== 'more');
      assert.equal(decided, 'malformed', front);
    }
    assert.equal(kindOf('PROXYING\r\n'), 'other');
  });

  it('wants more of what could become HTTP, up to a bound', () => {
    const head = 'DELETE /some/thing?with=query HTTP/1.1\r\n';
    for (let end = 0; end < head.length; end++) {
      assert.equal(kindOf(head.slice(0, end)), 'more', head.slice(0, end));
    }
    assert.equal(kindOf(`GET /${'a'.repeat(20_000)}`), 'malformed');
    assert.equal(kindOf('\r\n'.repeat(40)), 'malformed');
  });
});

describe('requestHost()', () => {
  it('is the host of the Host field, without port and letters in lower case', () => {
    assert.equal(requestHost('/', ['API.example:8080']), 'api.example');
    assert.equal(requestHost('/', ['api.example.']), 'api.example');
    assert.equal(requestHost('/', ['[2001:db8::1]:80']), '2001:db8::1');
    assert.equal(requestHost('http://api.example/x', ['api.example']), 'api.example');
  });

  it('is nobody where a server could go by another', () => {
    assert.equal(requestHost('/', []), null);
    assert.equal(requestHost('/', ['a.example', 'b.example']), null);
    assert.equal(requestHost('http://b.example/', ['a.example']), null);
    assert.equal(requestHost('http://a.example@b.example/', ['a.example']), null);
    assert.equal(requestHost('b.example:443', ['a.example']), null);
    assert.equal(requestHost('/', ['a.example, b.example']), null);
    assert.equal(requestHost('/', ['a.example/b']), null);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (target, hosts) => {
        requestHost(target, hosts);
        hostOfAuthority(target);
      }),
    );
  });
});
