import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressClass } from '../../src/network/address-class.ts';
import { HOST_ALIAS, HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { NamePins } from '../../src/network/pins.ts';
import { dialed, NetworkPolicy } from '../../src/network/policy.ts';
import { Refusals } from '../../src/network/refusals.ts';
import { parseNetworkRule } from '../../src/spec/network-rule.ts';

function policy(...patterns: string[]): NetworkPolicy {
  return new NetworkPolicy(patterns.map(rule));
}

function rule(pattern: string) {
  const parsed = parseNetworkRule(pattern);
  assert.ok(parsed !== null, pattern);
  return parsed;
}

function to(address: string, port = 443) {
  return { address, port };
}

describe('NetworkPolicy without rules', () => {
  const all = policy();

  it('allows every name, and public and private addresses', () => {
    assert.equal(all.lookup('whatever.example'), null);
    for (const address of ['203.0.113.1', '10.0.0.1', '2001:db8::1', HOST_ALIAS.v4]) {
      assert.equal(all.connection(to(address), []).kind, 'address', address);
      assert.equal(all.flow(to(address), []).kind, 'address', address);
    }
  });

  it('never allows metadata services, loopback and what leads nowhere, in any spelling', () => {
    const never = [
      ...['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16'],
      ...['127.0.0.1', '127.8.8.8', '::1', '0.0.0.0', '::', '224.0.0.1', '255.255.255.255'],
      ...['ff02::1', '::ffff:169.254.169.254', '::ffff:7f00:1', '64:ff9b::a9fe:a9fe'],
      ...['2002:7f00:1::', '2002:a9fe:a9fe::1', '::127.0.0.1', '192.168.127.1', '192.168.127.3'],
      ...['fd6b:7865:6c69::9', 'fd20:ce::254', 'fd00:42::42', 'febf::1', 'fec0::1', '2001:0:1::1'],
      // Public addresses in a form that leads through somebody who need not keep to our rules.
      ...['::ffff:0:203.0.113.1', '::203.0.113.1', '64:ff9b::203.0.113.1', '2002:cb00:7101::1'],
    ];
    for (const address of never) {
      assert.equal(all.connection(to(address), ['a.example']).kind, 'denied', address);
      assert.equal(all.flow(to(address), []).kind, 'denied', address);
      const explicit = policy(`${address}/${address.includes(':') ? 128 : 32}`, 'a.example');
      assert.equal(explicit.connection(to(address), ['a.example']).kind, 'denied', address);
    }
  });
});

describe('NetworkPolicy with rules', () => {
  const rules = policy('api.example', '*.wild.example:8443', '192.0.2.0/24:80', '10.1.0.0/16');

  it('allows names to be looked up, and no others', () => {
    assert.equal(rules.lookup('api.example'), null);
    assert.equal(rules.lookup('a.b.wild.example'), null);
    const others = [
      'wild.example',
      'evilwild.example',
      'a.wild.example.evil',
      '\\042.wild.example.x',
    ];
    for (const name of [...others, 'xapi.example', 'x.api.example', 'api.example.evil', '']) {
      assert.equal(rules.lookup(name)?.reason, 'name-not-allowed', name);
    }
    assert.equal(rules.lookup(HOST_ALIAS_NAME)?.reason, 'name-not-allowed');
  });

  it('allows an address for the names that were resolved to it, on their ports', () => {
    const verdict = rules.connection(to('203.0.113.7'), ['api.example', 'other.example']);
    assert.deepEqual(verdict, { kind: 'names', names: ['api.example'] });
    assert.equal(rules.connection(to('203.0.113.7'), []).kind, 'denied');
    assert.equal(rules.connection(to('203.0.113.7'), ['other.example']).kind, 'denied');
    assert.equal(rules.connection(to('203.0.113.7', 443), ['a.wild.example']).kind, 'denied');
    assert.equal(rules.connection(to('203.0.113.7', 8443), ['a.wild.example']).kind, 'names');
  });

  it('allows addresses by block and port', () => {
    assert.equal(rules.connection(to('192.0.2.9', 80), []).kind, 'address');
    assert.equal(rules.connection(to('192.0.2.9', 81), []).kind, 'denied');
    assert.equal(rules.connection(to('192.0.3.9', 80), []).kind, 'denied');
    assert.equal(rules.flow(to('10.1.2.3', 53), []).kind, 'address');
  });

  it('refuses UDP to what only a name allows', () => {
    const verdict = rules.flow(to('203.0.113.7'), ['api.example']);
    assert.equal(verdict.kind === 'denied' ? verdict.reason : '', 'udp-not-allowed');
  });

  it('refuses private and loopback answers that no block covers', () => {
    assert.equal(rules.answer('api.example', '203.0.113.7'), null);
    assert.equal(rules.answer('api.example', '10.1.2.3'), null);
    for (const address of ['10.2.2.3', '127.0.0.1', '100.64.0.1', 'fd00::1', '::1', '::']) {
      assert.equal(rules.answer('api.example', address)?.reason, 'private-answer', address);
    }
    assert.equal(rules.answer('api.example', '169.254.169.254')?.reason, 'metadata-address');
  });

  it("lets the host's loopback be allowed by its name or address", () => {
    const [byName, byAddress] = [policy(HOST_ALIAS_NAME), policy(`${HOST_ALIAS.v4}:8080`)];
    assert.equal(byName.lookup(HOST_ALIAS_NAME), null);
    assert.equal(byName.connection(to(HOST_ALIAS.v4), [HOST_ALIAS_NAME]).kind, 'address');
    assert.equal(byAddress.connection(to(HOST_ALIAS.v4, 8080), []).kind, 'address');
    assert.equal(byAddress.connection(to(HOST_ALIAS.v4, 22), []).kind, 'denied');
    assert.equal(rules.connection(to(HOST_ALIAS.v4), []).kind, 'denied');
  });

  it("does not open the host's loopback with the private network that its address looks like", () => {
    const blocks = policy('192.168.0.0/16', '192.168.127.0/24', '0.0.0.0/0', 'fd00::/8');
    for (const address of [HOST_ALIAS.v4, HOST_ALIAS.v6]) {
      assert.equal(blocks.connection(to(address, 8080), []).kind, 'denied', address);
      assert.equal(blocks.flow(to(address, 53), []).kind, 'denied', address);
    }
    assert.equal(blocks.lookup(HOST_ALIAS_NAME)?.reason, 'name-not-allowed');
    assert.equal(blocks.connection(to('192.168.1.1', 8080), []).kind, 'address');
  });

  it('dials what it was asked for, but for the names of the host', () => {
    assert.equal(dialed(HOST_ALIAS.v4), '127.0.0.1');
    assert.equal(dialed(HOST_ALIAS.v6), '::1');
    for (const address of ['1.1.1.1', '10.1.2.3', '2606:4700::1111']) {
      assert.equal(dialed(address), address);
    }
  });

  it('adds the hosts of secrets, on the port of TLS', () => {
    const limited = new NetworkPolicy([rule('a.example')], [rule('secret.example')]);
    assert.equal(limited.lookup('secret.example'), null);
    assert.equal(limited.connection(to('203.0.113.7'), ['secret.example']).kind, 'names');
    assert.equal(limited.connection(to('203.0.113.7', 80), ['secret.example']).kind, 'denied');
    assert.equal(new NetworkPolicy([], [rule('secret.example')]).limited, false);
  });
});

describe('addressClass()', () => {
  it('is public only for what is in no special block, and total', () => {
    assert.equal(addressClass('8.8.8.8'), 'public');
    assert.equal(addressClass('2606:4700::1'), 'public');
    assert.equal(addressClass('172.31.255.255'), 'private');
    assert.equal(addressClass('172.32.0.0'), 'public');
    assert.equal(addressClass('no address'), 'unroutable');
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        assert.ok(addressClass(text).length > 0);
      }),
    );
  });

  it('gives an IPv4 address the same class in every IPv6 form that carries it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const expected = addressClass(text);
        assert.equal(addressClass(`::ffff:${text}`), expected);
        assert.equal(addressClass(`64:ff9b::${text}`), expected);
      }),
    );
  });
});

describe('NamePins', () => {
  it('holds as long as the answer, a minute at least and an hour at most', () => {
    const pins = new NamePins();
    pins.add('a', '192.0.2.1', 5, 0);
    pins.add('b', '192.0.2.1', 120, 0);
    pins.add('c', '192.0.2.1', 1e9, 0);
    assert.deepEqual(pins.namesOf('192.0.2.1', 59_999), ['a', 'b', 'c']);
    assert.deepEqual(pins.namesOf('192.0.2.1', 60_000), ['b', 'c']);
    assert.deepEqual(pins.namesOf('192.0.2.1', 120_000), ['c']);
    assert.deepEqual(pins.namesOf('192.0.2.1', 3_600_000), []);
    assert.deepEqual(pins.namesOf('192.0.2.2', 0), []);
  });

  it('forgets the oldest when there are too many', () => {
    const pins = new NamePins();
    for (let i = 0; i < 9_000; i++) pins.add(`n${i}`, '192.0.2.1', 60, 0);
    const names = pins.namesOf('192.0.2.1', 1);
    assert.equal(names.length, 8_192);
    assert.equal(names.at(-1), 'n8999');
  });
});

describe('Refusals', () => {
  it('reports so many at once, and how many more there were', () => {
    const seen: string[] = [];
    const refusals = new Refusals(({ reason }) => seen.push(reason));
    const refusal = { protocol: 'tcp', target: 'x', name: null, message: '' } as const;
    for (let i = 0; i < 5_000; i++) refusals.add({ ...refusal, reason: 'address-not-allowed' });
    assert.ok(seen.length >= 200 && seen.length < 1_000, String(seen.length));
    refusals.flush();
    assert.equal(seen.at(-1), 'suppressed');
  });
});
