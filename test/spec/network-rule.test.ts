import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatNetworkRule, networkRule, parseNetworkRule } from '../../src/spec/network-rule.ts';
import { refuses } from './refusal.ts';

const EXPECTED =
  'a host name, "*.domain", an address or a CIDR block, each with ":port" if wanted' +
  ' ("[...]:port" for IPv6)';

function cidr(family: 4 | 6, address: string, prefix: number, port: number | null = null) {
  return { kind: 'cidr', family, address, prefix, port };
}

test('parseNetworkRule() knows every kind of rule', () => {
  const cases: [string, object][] = [
    ['example.com', { kind: 'host', host: 'example.com', port: null }],
    ['Example.COM.:443', { kind: 'host', host: 'example.com', port: 443 }],
    ['localhost', { kind: 'host', host: 'localhost', port: null }],
    ['_sip._tcp.example.com', { kind: 'host', host: '_sip._tcp.example.com', port: null }],
    ['*.example.com', { kind: 'wildcard', domain: 'example.com', port: null }],
    ['*.example.com:8443', { kind: 'wildcard', domain: 'example.com', port: 8443 }],
    ['192.0.2.1', cidr(4, '192.0.2.1', 32)],
    ['192.0.2.1:80', cidr(4, '192.0.2.1', 32, 80)],
    ['10.1.2.3/8', cidr(4, '10.0.0.0', 8)],
    ['10.0.0.0/8:5432', cidr(4, '10.0.0.0', 8, 5432)],
    ['0.0.0.0/0', cidr(4, '0.0.0.0', 0)],
    ['2001:db8::1:443', cidr(6, '2001:db8::1:443', 128)],
    ['[2001:db8::1]:443', cidr(6, '2001:db8::1', 128, 443)],
    ['[2001:db8::1]', cidr(6, '2001:db8::1', 128)],
    ['2001:DB8::/32', cidr(6, '2001:db8::', 32)],
    ['[2001:db8::/32]:22', cidr(6, '2001:db8::', 32, 22)],
    ['::ffff:10.0.0.0/104', cidr(4, '10.0.0.0', 8)],
  ];
  for (const [pattern, rule] of cases) assert.deepEqual(parseNetworkRule(pattern), rule, pattern);
});

test('parseNetworkRule() refuses what could be read in two ways', () => {
  const patterns = [
    '',
    '.',
    '*',
    '*.',
    '*.*.com',
    'a.*.com',
    '*example.com',
    '-a.com',
    'a-.com',
    'a..com',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(127)}com`,
    'exämple.com',
    'a b.com',
    'https://example.com',
    'example.com/path',
    'example.com:0',
    'example.com:080',
    'example.com:65536',
    'example.com:http',
    'example.com:',
    '127.1',
    '2130706433',
    '0x7f000001',
    '010.0.0.1',
    '1.2.3.256',
    '*.1.2.3',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/',
    '2001:db8::/129',
    '::ffff:0:0/90',
    '[10.0.0.1]:80',
    '[2001:db8::1]443',
    '[example.com]:80',
    'fe80::1%eth0',
  ];
  for (const pattern of patterns) assert.equal(parseNetworkRule(pattern), null, pattern);
});

test('networkRule() says what to write instead', () => {
  refuses(
    () => networkRule('*', 'a[0]'),
    `a[0]: expected ${EXPECTED}, got "*"; an empty list allows everything`,
  );
  refuses(
    () => networkRule('http://a.com', 'a[0]'),
    `a[0]: expected ${EXPECTED}, got "http://a.com"; leave out the scheme and the path`,
  );
  refuses(
    () => networkRule('bücher.de', 'a[0]'),
    `a[0]: expected ${EXPECTED}, got "bücher.de"; write the name in its xn-- form`,
  );
  refuses(() => networkRule(1, 'a[0]'), 'a[0]: expected a string, got 1');
});

test('formatNetworkRule() writes what parses to the same rule', () => {
  const target = fc.oneof(
    fc.domain(),
    fc.domain().map((domain) => `*.${domain}`),
    fc.ipV4(),
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, prefix]) => `${address}/${prefix}`),
    fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, prefix]) => `[${address}/${prefix}]`),
  );
  const pattern = fc.tuple(target, fc.option(fc.integer({ min: 1, max: 65_535 })));
  fc.assert(
    fc.property(pattern, ([text, port]) => {
      const rule = parseNetworkRule(port === null ? text : `${text}:${port}`);
      // Only a short prefix of an IPv4-mapped block has no rule.
      fc.pre(rule !== null || !text.startsWith('['));
      assert.ok(rule !== null, text);
      assert.equal(rule.port, port);
      assert.deepEqual(parseNetworkRule(formatNetworkRule(rule)), rule);
    }),
  );
});

test('parseNetworkRule() answers for any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const rule = parseNetworkRule(text);
      if (rule !== null) assert.deepEqual(parseNetworkRule(formatNetworkRule(rule)), rule);
    }),
  );
});
