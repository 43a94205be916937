import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIpAddress, networkOf, parseIpAddress } from '../../src/spec/ip-address.ts';

/** IPv6 the way the URL standard prints it, which is RFC 5952. */
function canonicalV6(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

test('parseIpAddress() reads what it should and nothing else', () => {
  const cases: [string, string | null][] = [
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['', null],
    ['256.0.0.1', null],
    ['01.2.3.4', null],
    ['0x7f.0.0.1', null],
    ['127.1', null],
    ['2130706433', null],
    ['1.2.3.4.', null],
    [' 1.2.3.4', null],
    ['fe80::1%eth0', null],
    [':', null],
    [':::', null],
    ['1::2::3', null],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1:2:3:4:5:6:7:8::', null],
    ['1.2.3.4::', null],
    ['::1.2.3.4:5', null],
    ['::12345', null],
    ['[::1]', null],
  ];
  for (const [text, expected] of cases) {
    const address = parseIpAddress(text);
    assert.equal(address && formatIpAddress(address), expected, text);
  }
});

test('parseIpAddress() takes an IPv4 address as it is', () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const address = parseIpAddress(text);
      assert.equal(address?.family, 4);
      assert.equal(address && formatIpAddress(address), text);
    }),
  );
});

test('formatIpAddress() writes IPv6 as the URL standard does', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = parseIpAddress(text);
      assert.ok(address !== null);
      if (address.family === 6) assert.equal(formatIpAddress(address), canonicalV6(text));
    }),
  );
});

test('parseIpAddress() agrees with Node on what an address is, zones apart', () => {
  const characters = fc.constantFrom(...'0123456789abcf:.');
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 20 }), (text) => {
      assert.equal(parseIpAddress(text) !== null, isIP(text) !== 0, text);
    }),
    { numRuns: 2000 },
  );
});

test('networkOf() keeps the first bits', () => {
  const cases: [string, number, string][] = [
    ['10.1.2.3', 8, '10.0.0.0'],
    ['10.1.2.3', 15, '10.0.0.0'],
    ['10.1.2.3', 0, '0.0.0.0'],
    ['10.1.2.3', 32, '10.1.2.3'],
    ['2001:db8:ffff::1', 33, '2001:db8:8000::'],
  ];
  for (const [text, prefix, expected] of cases) {
    const address = parseIpAddress(text);
    assert.equal(address && formatIpAddress(networkOf(address, prefix)), expected);
  }
});
