import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SecurityOptions } from '../../src/spec/security.ts';
import { parse, refusesOptions } from './refusal.ts';

const secret = { name: 'key', hosts: ['a.com'], value: 'hunter2' };

test('network is enabled under both names and with an empty list', () => {
  const everything = { mode: 'enabled', allowNet: [] };
  for (const network of [
    'enabled',
    'isolated',
    { mode: 'enabled' },
    { mode: 'isolated', allowNet: [] },
    { mode: 'enabled', allowNet: undefined },
  ]) {
    assert.deepEqual(parse({ network }).network, everything);
  }
});

test('network is disabled without rules', () => {
  for (const network of ['disabled', { mode: 'disabled' }, { mode: 'disabled', allowNet: [] }]) {
    assert.deepEqual(parse({ network }).network, { mode: 'disabled' });
  }
});

test('network refuses what is neither', () => {
  const modes = 'one of "enabled", "disabled", "isolated"';
  refusesOptions({ network: 'none' }, `network: expected ${modes}, got "none"`);
  refusesOptions({ network: {} }, `network.mode: expected ${modes}, got nothing`);
  refusesOptions(
    { network: true },
    'network: expected "enabled", "disabled" or { mode, allowNet }, got true',
  );
  refusesOptions(
    { network: { mode: 'enabled', allownet: [] } },
    'network.allownet: unknown option, expected one of mode, allowNet',
  );
  refusesOptions(
    { network: { mode: 'disabled', allowNet: ['a.com'] } },
    'network.allowNet: expected none with mode "disabled", got 1',
  );
  refusesOptions(
    { network: { mode: 'enabled', allowNet: ['a.com', 'a b'] } },
    'network.allowNet[1]: expected a host name, "*.domain", an address or a CIDR block, each with' +
      ' ":port" if wanted ("[...]:port" for IPv6), got "a b"',
  );
  refusesOptions(
    { network: { mode: 'enabled', allowNet: 'a.com' } },
    'network.allowNet: expected an array, got a string',
  );
});

test('network must be disabled where the sandbox has none', () => {
  const security = SecurityOptions.builder().networkEnabled(false).build();
  assert.equal(parse({ security, network: 'disabled' }).security.networkEnabled, false);
  refusesOptions(
    { security },
    'network: expected "disabled" with security.networkEnabled(false), got "enabled"',
  );
});

test('ports have defaults, and 0 lets the host choose', () => {
  const mapping = { guestPort: 80, hostPort: null, protocol: 'tcp', hostIp: '0.0.0.0' };
  assert.deepEqual(parse({ ports: [{ guestPort: 80 }] }).ports, [mapping]);
  assert.deepEqual(parse({ ports: [{ guestPort: 80, hostPort: 0 }] }).ports, [mapping]);
});

test('ports write addresses one way', () => {
  const hostIp = (written: string) =>
    parse({ ports: [{ guestPort: 1, hostIp: written }] }).ports[0];
  assert.equal(hostIp('0:0:0::1')?.hostIp, '::1');
  assert.equal(hostIp('::ffff:127.0.0.1')?.hostIp, '127.0.0.1');
});

test('ports out of range and of the wrong type are refused', () => {
  const cases: [unknown, string][] = [
    [{}, 'guestPort: expected 1..65535, got nothing'],
    [{ guestPort: 0 }, 'guestPort: expected 1..65535, got 0'],
    [{ guestPort: 65_536 }, 'guestPort: expected 1..65535, got 65536'],
    [{ guestPort: 1.5 }, 'guestPort: expected a whole number in 1..65535, got 1.5'],
    [{ guestPort: 1, hostPort: -1 }, 'hostPort: expected 0..65535, got -1'],
    [{ guestPort: 1, hostPort: null }, 'hostPort: expected 0..65535, got null'],
    [{ guestPort: 1, protocol: 'TCP' }, 'protocol: expected one of "tcp", "udp", got "TCP"'],
    [{ guestPort: 1, hostIp: 'localhost' }, 'hostIp: expected an IP address, got "localhost"'],
    [{ guestPort: 1, hostIp: '' }, 'hostIp: expected an IP address, got ""'],
    [
      { guestPort: 1, port: 2 },
      'port: unknown option, expected one of guestPort, hostPort, protocol, hostIp',
    ],
  ];
  for (const [port, message] of cases) {
    refusesOptions({ ports: [{ guestPort: 1 }, port] }, `ports[1].${message}`);
  }
  refusesOptions({ ports: { guestPort: 1 } }, 'ports: expected an array, got an object');
});

test('ports that the host could not listen for twice are refused', () => {
  const first = { guestPort: 80, hostPort: 8080 };
  const cases: [object, object, string][] = [
    [first, { guestPort: 81, hostPort: 8080 }, '0.0.0.0:8080->81/tcp'],
    [first, { ...first, hostIp: '127.0.0.1' }, '127.0.0.1:8080->80/tcp'],
    [first, { ...first, hostIp: '::' }, '[::]:8080->80/tcp'],
    [{ ...first, hostIp: '::' }, { ...first, hostIp: '10.0.0.1' }, '10.0.0.1:8080->80/tcp'],
    [{ guestPort: 80 }, { guestPort: 80, hostPort: 0 }, '0.0.0.0:any->80/tcp'],
  ];
  for (const [one, other, name] of cases) {
    const message = `ports[1]: expected another port than ports[0], got ${name}`;
    refusesOptions({ ports: [one, other] }, message);
  }
});

test('ports that only look alike are taken', () => {
  const cases: [object, object][] = [
    [
      { guestPort: 80, hostPort: 8080 },
      { guestPort: 80, hostPort: 8081 },
    ],
    [
      { guestPort: 53, hostPort: 53 },
      { guestPort: 53, hostPort: 53, protocol: 'udp' },
    ],
    [{ guestPort: 80 }, { guestPort: 81 }],
    [{ guestPort: 80 }, { guestPort: 80, hostPort: 80 }],
    [
      { guestPort: 80, hostPort: 80, hostIp: '127.0.0.1' },
      { guestPort: 80, hostPort: 80, hostIp: '127.0.0.2' },
    ],
    [
      { guestPort: 80, hostPort: 80, hostIp: '0.0.0.0' },
      { guestPort: 80, hostPort: 80, hostIp: '::1' },
    ],
  ];
  for (const pair of cases) assert.equal(parse({ ports: pair }).ports.length, 2);
});

test('ports need the network', () => {
  refusesOptions(
    { network: 'disabled', ports: [{ guestPort: 80 }] },
    'ports: expected none with network "disabled", got 1',
  );
});

test('secrets have a placeholder and a variable of their name', () => {
  const [rule] = parse({ secrets: [{ ...secret, name: 'openai.key-1' }] }).secrets;
  assert.equal(rule?.placeholder, '<BOXLITE_SECRET:openai.key-1>');
  assert.equal(rule?.variable, 'BOXLITE_SECRET_OPENAI_KEY_1');
  const [own] = parse({ secrets: [{ ...secret, placeholder: 'sk-none' }] }).secrets;
  assert.equal(own?.placeholder, 'sk-none');
});

test('secrets go to hosts, wildcards and addresses', () => {
  const hosts = ['a.com', '*.b.com:443', '192.0.2.1'];
  const kinds = parse({ secrets: [{ ...secret, hosts }] }).secrets[0]?.hosts.map((r) => r.kind);
  assert.deepEqual(kinds, ['host', 'wildcard', 'cidr']);
  refusesOptions(
    { secrets: [{ ...secret, hosts: ['10.0.0.0/8'] }] },
    'secrets[0].hosts[0]: expected a host name, "*.domain" or an address, got "10.0.0.0/8"',
  );
  refusesOptions(
    { secrets: [{ ...secret, hosts: [] }] },
    'secrets[0].hosts: expected at least one host, got none',
  );
});

test('secrets of the wrong shape are refused', () => {
  const line = 'a line of text that is not empty';
  const cases: [unknown, string][] = [
    ['hunter2', 'secrets[0]: expected an object, got a string'],
    [{ name: 'a', hosts: ['a.com'] }, 'secrets[0].value: expected a string, got nothing'],
    [{ ...secret, name: '' }, 'secrets[0].name: expected a string that is not empty, got ""'],
    [{ ...secret, name: 'ä' }, 'secrets[0].name: expected printable ASCII characters, got "ä"'],
    [{ ...secret, value: '' }, `secrets[0].value: expected ${line}, got ""`],
    [{ ...secret, value: 5 }, 'secrets[0].value: expected a string, got 5'],
    [
      { ...secret, value: 'a\r\nb' },
      `secrets[0].value: expected ${line}, got one with a line end or NUL`,
    ],
    [{ ...secret, placeholder: '' }, `secrets[0].placeholder: expected ${line}, got ""`],
  ];
  for (const [element, message] of cases) refusesOptions({ secrets: [element] }, message);
});

test('secrets that could not be told apart are refused', () => {
  const another = { ...secret, name: 'other' };
  refusesOptions(
    { secrets: [secret, { ...secret, name: 'KEY' }] },
    'secrets[1].name: expected another variable than secrets[0], got BOXLITE_SECRET_KEY',
  );
  refusesOptions(
    { secrets: [secret, { ...another, placeholder: '<BOXLITE_SECRET:key>' }] },
    "secrets[1].placeholder: expected another than secrets[0]'s, got the same",
  );
  assert.equal(parse({ secrets: [secret, another] }).secrets.length, 2);
});

test('a refusal never shows the value of a secret', () => {
  const value = 'hunter2-hunter2';
  const wrong = fc.anything().filter((other) => other !== value);
  const fields = fc.record(
    { name: wrong, hosts: wrong, placeholder: wrong, extra: wrong },
    { requiredKeys: [] },
  );
  const misplaced = fc.constantFrom(
    { secrets: value },
    { secrets: [value] },
    { secrets: { [0]: value } },
    { secrets: [{ ...secret, value: `${value}\n` }] },
    { secrets: [{ ...secret, value: [value] }] },
    { secrets: [{ ...secret, hosts: value }] },
    { env: value },
    { env: [`KEY=${value}`] },
    { env: { KEY: [value] } },
    { env: { KEY: `${value}\0` } },
  );
  const options = fields.map((changes) => ({ secrets: [{ ...secret, value, ...changes }] }));
  fc.assert(
    fc.property(fc.oneof(misplaced, options), (given) => {
      try {
        parse(given);
      } catch (error) {
        assert.ok(!String(error).includes(value), String(error));
      }
    }),
  );
});
