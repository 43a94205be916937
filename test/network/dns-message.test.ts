import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DnsCache } from '../../src/network/dns/cache.ts';
import { parseHosts, parseResolvConf } from '../../src/network/dns/host-files.ts';
import {
  answerTo,
  type DnsQuestion,
  encodeAnswer,
  encodeQuery,
  fitted,
  malformedAnswer,
  parseAnswer,
  parseQuery,
  recordTypes,
  resultCodes,
} from '../../src/network/dns/message.ts';

function question(name: string, type: number = recordTypes.A): DnsQuestion {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const bytes = Uint8Array.from([...labels, 0, type >> 8, type & 0xff, 0, 1]);
  return { name: name.toLowerCase(), type, class: 1, bytes };
}

function query(name: string, type?: number) {
  const parsed = parseQuery(encodeQuery(7, question(name, type), 1_232));
  assert.ok(parsed !== null);
  return parsed;
}

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));

describe('parseQuery()', () => {
  it('reads what encodeQuery() writes', () => {
    fc.assert(
      fc.property(name, fc.nat(0xffff), fc.nat(0xffff), (text, type, id) => {
        const parsed = parseQuery(encodeQuery(id, question(text, type), 1_232));
        assert.equal(parsed?.id, id);
        assert.equal(parsed?.question.name, text);
        assert.equal(parsed?.question.type, type);
        assert.equal(parsed?.udpBytesMax, 1_232);
      }),
    );
  });

  it('reads names in lower case, and other bytes as what no rule can spell', () => {
    const { bytes } = question('ExAmple.com');
    const odd = bytes.slice();
    odd[1] = 0x2e;
    const header = encodeQuery(1, question('x'), 512).slice(0, 12);
    header[11] = 0;
    assert.equal(parseQuery(Uint8Array.from([...header, ...bytes]))?.question.name, 'example.com');
    assert.equal(
      parseQuery(Uint8Array.from([...header, ...odd]))?.question.name,
      '\\046xample.com',
    );
  });

  it('refuses answers, pointers in the question, long names and several questions', () => {
    const message = encodeQuery(1, question('example.com'), 512);
    const changed = (at: number, value: number) => {
      const copy = message.slice();
      copy[at] = value;
      return copy;
    };
    assert.ok(parseQuery(message) !== null);
    assert.equal(parseQuery(changed(2, 0x80)), null);
    assert.equal(parseQuery(changed(12, 0xc0)), null);
    assert.equal(parseQuery(changed(5, 2)), null);
    const long = Array.from({ length: 6 }, () => 'a'.repeat(60)).join('.');
    assert.equal(parseQuery(encodeQuery(1, question(long), 512)), null);
  });

  it('never throws, whatever comes, whole or changed', () => {
    const message = encodeAnswer(query('a.example.com'), 0, [
      { type: 1, address: [192, 0, 2, 1], ttlSeconds: 60 },
    ]);
    const asked = question('a.example.com');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        parseQuery(bytes);
        parseAnswer(bytes, 7, asked);
        malformedAnswer(bytes);
      }),
      { numRuns: 2_000 },
    );
    const change = fc.tuple(fc.nat(message.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const copy = message.slice();
        for (const [at, value] of changes) copy[at] = value;
        const parsed = parseAnswer(copy, 7, asked);
        for (const offset of parsed?.ttlOffsets ?? []) assert.ok(offset + 4 <= copy.length);
        parseQuery(copy);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('parseAnswer()', () => {
  const address = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));

  it('finds the addresses and the times to live', () => {
    fc.assert(
      fc.property(name, fc.array(address, { maxLength: 20 }), fc.nat(100_000), (text, all, ttl) => {
        const records = all.map((bytes) => ({ type: 1, address: bytes, ttlSeconds: ttl }));
        const asked = query(text);
        const message = encodeAnswer(asked, 0, records);
        const answer = parseAnswer(message, 7, asked.question);
        assert.deepEqual(
          answer?.addresses,
          all.map((bytes) => bytes.join('.')),
        );
        assert.equal(answer?.ttlSeconds, all.length === 0 ? null : ttl);
        const later = answerTo({ ...asked, id: 9 }, message, answer ?? { ttlOffsets: [] }, 30);
        const again = parseAnswer(later, 9, asked.question);
        assert.equal(again?.ttlSeconds, all.length === 0 ? null : Math.max(0, ttl - 30));
      }),
    );
  });

  it('leaves an answer that is kept as it came, in whatever memory that is', () => {
    const asked = query('example.com');
    const record = { type: recordTypes.A, address: [1, 2, 3, 4], ttlSeconds: 100 };
    const kept = Buffer.from(encodeAnswer(asked, 0, [record]));
    const answer = parseAnswer(kept, 7, asked.question) ?? assert.fail();
    for (let i = 0; i < 3; i++) {
      const later = answerTo({ ...asked, id: 9 }, kept, answer, 30);
      assert.equal(parseAnswer(later, 9, asked.question)?.ttlSeconds, 70);
    }
  });

  it('takes an IPv4-mapped address for the IPv4 address that it is', () => {
    const asked = query('a.b', recordTypes.AAAA);
    const mapped = [...new Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1];
    const message = encodeAnswer(asked, 0, [
      { type: recordTypes.AAAA, address: mapped, ttlSeconds: 1 },
    ]);
    assert.deepEqual(parseAnswer(message, 7, asked.question)?.addresses, ['127.0.0.1']);
  });

  it('wants the id and the question that were sent', () => {
    const asked = query('example.com');
    const message = encodeAnswer(asked, 0);
    assert.ok(parseAnswer(message, 7, asked.question) !== null);
    assert.equal(parseAnswer(message, 8, asked.question), null);
    assert.equal(parseAnswer(message, 7, question('example.org')), null);
    assert.equal(parseAnswer(message, 7, question('example.com', 28)), null);
  });

  it('refuses a pointer to itself, forward, and into the header', () => {
    const asked = query('example.com');
    const message = encodeAnswer(asked, 0, [{ type: 1, address: [1, 2, 3, 4], ttlSeconds: 1 }]);
    const at = message.length - 16;
    for (const target of [at, at + 4, 2]) {
      const copy = message.slice();
      copy[at] = 0xc0 | (target >> 8);
      copy[at + 1] = target & 0xff;
      assert.equal(parseAnswer(copy, 7, asked.question), null, `to ${target}`);
    }
  });
});

describe('fitted()', () => {
  it('cuts what UDP does not carry, and says so', () => {
    const asked = { ...query('example.com'), udpBytesMax: 512 };
    const records = Array.from({ length: 40 }, (_, i) => ({
      type: 1,
      address: [10, 0, 0, i],
      ttlSeconds: 5,
    }));
    const short = fitted(encodeAnswer(asked, 0, records), asked);
    assert.ok(short.length <= 512);
    assert.equal(parseAnswer(short, 7, asked.question)?.truncated, true);
    const small = encodeAnswer(asked, resultCodes.NXDOMAIN);
    assert.equal(fitted(small, asked), small);
  });
});

describe('DnsCache', () => {
  it('keeps an answer as long as it holds, and stays bounded', () => {
    const cache = new DnsCache();
    const asked = query('example.com');
    const message = encodeAnswer(asked, 0, [{ type: 1, address: [1, 2, 3, 4], ttlSeconds: 60 }]);
    const answer = parseAnswer(message, 7, asked.question);
    assert.ok(answer !== null);
    cache.put(asked.question, { message, answer, since: 1_000 });
    assert.ok(cache.get(asked.question, 60_999) !== null);
    assert.equal(cache.get(question('example.com', 28), 2_000), null);
    assert.equal(cache.get(asked.question, 61_000), null);
    for (let i = 0; i < 2_000; i++) {
      cache.put(question(`n${i}.example`), { message, answer, since: 0 });
    }
    assert.equal(cache.get(question('n0.example'), 1), null);
    assert.ok(cache.get(question('n1999.example'), 1) !== null);
  });
});

describe("the host's files", () => {
  it('gives the names of /etc/hosts, also second ones and those in capitals', () => {
    const hosts = parseHosts(
      '127.0.0.1 localhost # me\n\n10.1.2.3\tDB.corp db\n10.1.2.4 db\nx y\n',
    );
    assert.deepEqual(hosts.get('db'), ['10.1.2.3', '10.1.2.4']);
    assert.deepEqual(hosts.get('db.corp'), ['10.1.2.3']);
    assert.equal(hosts.get('y'), undefined);
  });

  it('gives the servers of /etc/resolv.conf', () => {
    const text =
      '# c\nsearch corp\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver junk\n';
    assert.deepEqual(parseResolvConf(text).servers, ['192.0.2.1', 'fe80::1%eth0']);
    assert.deepEqual(parseResolvConf('').servers, ['127.0.0.1']);
  });
});
