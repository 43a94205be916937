import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../src/cli/arguments.ts';
import { portFlag } from '../../src/cli/port-flag.ts';

test('-p has the grammar of Docker', () => {
  const tcp = { hostPort: 0, protocol: 'tcp' };
  const cases: [string, object[]][] = [
    ['80', [{ ...tcp, guestPort: 80 }]],
    ['8080:80', [{ ...tcp, guestPort: 80, hostPort: 8080 }]],
    [':80', [{ ...tcp, guestPort: 80 }]],
    ['53:53/udp', [{ guestPort: 53, hostPort: 53, protocol: 'udp' }]],
    ['80/tcp', [{ ...tcp, guestPort: 80 }]],
    ['127.0.0.1:8080:80', [{ ...tcp, guestPort: 80, hostPort: 8080, hostIp: '127.0.0.1' }]],
    ['127.0.0.1::80', [{ ...tcp, guestPort: 80, hostIp: '127.0.0.1' }]],
    ['[::1]:8080:80', [{ ...tcp, guestPort: 80, hostPort: 8080, hostIp: '::1' }]],
    ['[::]::80/udp', [{ guestPort: 80, hostPort: 0, protocol: 'udp', hostIp: '::' }]],
    [
      '7000-7001:80-81',
      [
        { ...tcp, guestPort: 80, hostPort: 7000 },
        { ...tcp, guestPort: 81, hostPort: 7001 },
      ],
    ],
    [
      '80-81/udp',
      [
        { guestPort: 80, hostPort: 0, protocol: 'udp' },
        { guestPort: 81, hostPort: 0, protocol: 'udp' },
      ],
    ],
  ];
  for (const [text, ports] of cases) assert.deepEqual(portFlag(text), ports, text);
});

test('-p says what it cannot read', () => {
  const shape = '[IP:][HOST:]PORT[/udp] with ports from 1 to 65535';
  const cases: [string, string][] = [
    ...[
      '',
      'x',
      '80:',
      '0',
      '65536',
      '80-',
      '-80',
      '81-80',
      '1:2:3:4',
      '127.0.0.1:80',
      '::1:80:80',
    ].map((text): [string, string] => [text, shape]),
    ['8080:0', shape],
    ['70000:80', shape],
    ['80/sctp', 'tcp or udp behind the slash'],
    ['8000-8002:80', 'as many ports of the host as of the box'],
    ['8000:80-82', 'as many ports of the host as of the box'],
  ];
  for (const [text, expected] of cases) {
    const message = `--publish: expected ${expected}, got "${text}"`;
    assert.throws(() => portFlag(text), { message }, text);
  }
});

test('-p gives valid ports or an error of usage, whatever it gets', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[\d:[\].\-/a-z]{0,24}$/));
  fc.assert(
    fc.property(text, (given) => {
      try {
        for (const { guestPort, hostPort = 0 } of portFlag(given)) {
          assert.ok(guestPort >= 1 && guestPort <= 65_535 && hostPort >= 0 && hostPort <= 65_535);
        }
      } catch (error) {
        assert.ok(error instanceof UsageError);
      }
    }),
  );
});
