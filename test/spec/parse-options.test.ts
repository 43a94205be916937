import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Seconds } from '../../src/base/durations.ts';
import { BoxliteError } from '../../src/base/errors.ts';
import { Bytes } from '../../src/base/sizes.ts';
import type { BoxOptions } from '../../src/spec/box-options.ts';
import { parseBoxName, parseBoxOptions } from '../../src/spec/parse-options.ts';
import { SecurityOptions } from '../../src/spec/security.ts';
import { parse, refuses, refusesOptions, testHost } from './refusal.ts';

const everything: BoxOptions = {
  cpus: 1,
  memoryMib: Bytes.fromGib(1),
  diskSizeGb: Bytes.fromGib(20),
  workingDir: '/app',
  env: { A: '1', B: '' },
  user: '1000:1000',
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['echo hi'],
  labels: { team: 'red' },
  rootfs: { image: 'python:3.12' },
  volumes: [{ hostPath: 'src', guestPath: '/app', readOnly: true }],
  network: { mode: 'enabled', allowNet: ['*.example.com:443', '10.0.0.0/8'] },
  secrets: [{ name: 'api', hosts: ['api.example.com'], value: 'hunter2' }],
  ports: [{ guestPort: 80, hostPort: 8080, protocol: 'udp', hostIp: '127.0.0.1' }],
  autoRemove: false,
  detach: true,
  engine: 'tcg',
  bootTimeoutMs: Seconds.fromMinutes(1),
  advanced: { security: SecurityOptions.standard(), isolateMounts: true },
};

test('parseBoxOptions() fills in the defaults of the contract', () => {
  const { security, ...spec } = parse({});
  assert.deepEqual(spec, {
    cpus: 2,
    memoryMib: 512,
    diskSizeGb: 10,
    workingDir: null,
    env: [],
    user: null,
    entrypoint: null,
    cmd: null,
    labels: {},
    rootfs: { kind: 'image', reference: 'alpine:latest' },
    volumes: [],
    network: { mode: 'enabled', allowNet: [] },
    secrets: [],
    ports: [],
    autoRemove: true,
    detach: false,
    engine: null,
    bootTimeoutMs: null,
    isolateMounts: false,
  });
  assert.deepEqual(security, SecurityOptions.enabled().toSettings());
});

test('parseBoxOptions() takes no options for none, and undefined for a missing one', () => {
  assert.deepEqual(parse(undefined), parse({}));
  const missing = Object.fromEntries(Object.keys(everything).map((key) => [key, undefined]));
  assert.deepEqual(parse(missing), parse({}));
});

test('parseBoxOptions() does not ask for more than a small host has', () => {
  const spec = parseBoxOptions({}, { ...testHost, cpus: 1, memoryMib: 256 });
  assert.equal(spec.cpus, 1);
  assert.equal(spec.memoryMib, 256);
});

test('parseBoxOptions() resolves every option', () => {
  assert.deepEqual(parse(everything), {
    cpus: 1,
    memoryMib: 1024,
    diskSizeGb: 20,
    workingDir: '/app',
    env: [
      ['A', '1'],
      ['B', ''],
    ],
    user: '1000:1000',
    entrypoint: ['/bin/sh', '-c'],
    cmd: ['echo hi'],
    labels: { team: 'red' },
    rootfs: { kind: 'image', reference: 'python:3.12' },
    volumes: [{ hostPath: '/home/me/src', guestPath: '/app', readOnly: true }],
    network: {
      mode: 'enabled',
      allowNet: [
        { kind: 'wildcard', domain: 'example.com', port: 443 },
        { kind: 'cidr', family: 4, address: '10.0.0.0', prefix: 8, port: null },
      ],
    },
    secrets: [
      {
        name: 'api',
        variable: 'BOXLITE_SECRET_API',
        hosts: [{ kind: 'host', host: 'api.example.com', port: null }],
        placeholder: '<BOXLITE_SECRET:api>',
        value: 'hunter2',
      },
    ],
    ports: [{ guestPort: 80, hostPort: 8080, protocol: 'udp', hostIp: '127.0.0.1' }],
    autoRemove: false,
    detach: true,
    engine: 'tcg',
    bootTimeoutMs: 60_000,
    security: SecurityOptions.standard().toSettings(),
    isolateMounts: true,
  });
});

test('parseBoxOptions() gives deeply frozen data that JSON keeps as it is', () => {
  for (const spec of [parse({}), parse(everything), parse({ network: 'disabled' })]) {
    assert.deepEqual(JSON.parse(JSON.stringify(spec)), spec);
    assertDeeplyFrozen(spec, 'spec');
  }
});

test('parseBoxOptions() does not follow later changes of what it was given', () => {
  const env: [string, string][] = [['A', '1']];
  const cmd = ['ls'];
  const spec = parse({ env, cmd });
  env[0] = ['A', '2'];
  cmd.push('-l');
  assert.deepEqual(spec.env, [['A', '1']]);
  assert.deepEqual(spec.cmd, ['ls']);
});

test('parseBoxOptions() refuses values out of range and of the wrong type', () => {
  const cases: [unknown, string][] = [
    [null, 'options: expected an object, got null'],
    ['alpine', 'options: expected an object, got a string'],
    [{ cpus: 0 }, "cpus: expected 1..2 (this host's CPUs), got 0"],
    [{ cpus: 3 }, "cpus: expected 1..2 (this host's CPUs), got 3"],
    [{ cpus: 1.5 }, "cpus: expected a whole number in 1..2 (this host's CPUs), got 1.5"],
    [{ cpus: '2' }, "cpus: expected 1..2 (this host's CPUs), got a string"],
    [{ cpus: null }, "cpus: expected 1..2 (this host's CPUs), got null"],
    [{ memoryMib: 63 }, "memoryMib: expected 64..4096 (this host's memory), got 63"],
    [{ memoryMib: 4097 }, "memoryMib: expected 64..4096 (this host's memory), got 4097"],
    [
      { memoryMib: Bytes.fromMib(5000) },
      "memoryMib: expected 64..4096 (this host's memory), got 5000",
    ],
    [{ memoryMib: Bytes.fromBytes(1) }, 'memoryMib: expected whole MiB, got 1 bytes'],
    [{ diskSizeGb: 0 }, 'diskSizeGb: expected 1..16384, got 0'],
    [{ diskSizeGb: 16385 }, 'diskSizeGb: expected 1..16384, got 16385'],
    [{ diskSizeGb: Bytes.fromMib(512) }, 'diskSizeGb: expected whole GiB, got 512 MiB'],
    [{ workingDir: 'app' }, 'workingDir: expected an absolute path, got "app"'],
    [{ workingDir: '/a\0b' }, 'workingDir: expected a string without NUL, got one with NUL'],
    [{ env: 'A=1' }, 'env: expected a record or a list of [name, value] pairs, got a string'],
    [
      { env: new Map() },
      'env: expected a record or a list of [name, value] pairs, got an object (Map)',
    ],
    [{ env: { 'A=B': '1' } }, 'env["A=B"]: expected a name without "=", got "A=B"'],
    [{ env: { '': '1' } }, 'env[""]: expected a string that is not empty, got ""'],
    [{ env: { 'A\0': '1' } }, 'env["A\\u0000"]: expected a string without NUL, got one with NUL'],
    [{ env: { A: '\0' } }, 'env.A: expected a string without NUL, got one with NUL'],
    [{ env: { A: 1 } }, 'env.A: expected a string, got 1'],
    [{ env: ['A=1'] }, 'env[0]: expected a [name, value] pair, got a string'],
    [{ env: [['A']] }, 'env[0]: expected a [name, value] pair, got an array'],
    [{ env: [['A=', '1']] }, 'env[0][0]: expected a name without "=", got "A="'],
    [{ env: [['A', undefined]] }, 'env[0][1]: expected a string, got nothing'],
    [{ user: '' }, 'user: expected "name", "uid", "uid:gid" or "name:group", got ""'],
    [{ user: 'a:b:c' }, 'user: expected "name", "uid", "uid:gid" or "name:group", got "a:b:c"'],
    [{ user: 'a b' }, 'user: expected "name", "uid", "uid:gid" or "name:group", got "a b"'],
    [{ user: '0:4294967295' }, 'user: expected ids of at most 4294967294, got "0:4294967295"'],
    [{ user: 1000 }, 'user: expected a string, got 1000'],
    [{ entrypoint: 'sh' }, 'entrypoint: expected an array of strings, got a string'],
    [{ entrypoint: [''] }, 'entrypoint[0]: expected a string that is not empty, got ""'],
    [{ cmd: ['a', 1] }, 'cmd[1]: expected a string, got 1'],
    [{ labels: ['a'] }, 'labels: expected a record of strings, got an array'],
    [{ labels: { a: true } }, 'labels.a: expected a string, got true'],
    [{ autoRemove: 'no' }, 'autoRemove: expected a boolean, got a string'],
    [{ detach: 1 }, 'detach: expected a boolean, got 1'],
    [{ engine: 'qemu' }, 'engine: expected one of "auto", "kvm", "hvf", "uml", "tcg", got "qemu"'],
    [{ bootTimeoutMs: 0 }, 'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got 0'],
    [{ bootTimeoutMs: -1 }, 'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got -1'],
    [
      { bootTimeoutMs: 2 ** 31 },
      'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got 2147483648',
    ],
    [{ bootTimeoutMs: Number.NaN }, 'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got NaN'],
    [
      { bootTimeoutMs: Seconds.fromSeconds(0) },
      'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got 0 seconds',
    ],
    [{ bootTimeoutMs: '5s' }, 'bootTimeoutMs: expected 1..2147483647 ms or Seconds, got a string'],
    [
      { advanced: { security: {} } },
      'advanced.security: expected SecurityOptions, as SecurityOptions.enabled() gives, got an object',
    ],
    [{ advanced: { isolateMounts: 1 } }, 'advanced.isolateMounts: expected a boolean, got 1'],
    [
      { advanced: { jail: true } },
      'advanced.jail: unknown option, expected one of security, isolateMounts',
    ],
  ];
  for (const [options, message] of cases) refusesOptions(options, message);
});

test('parseBoxOptions() names the options there are when one is unknown', () => {
  assert.throws(() => parse({ memory_mib: 512 }), {
    kind: 'InvalidArgument',
    message: /^memory_mib: unknown option, expected one of cpus, memoryMib, diskSizeGb, /,
  });
});

test('parseBoxOptions() lets the last value of a variable win', () => {
  const pairs = parse({
    env: [
      ['A', '1'],
      ['B', '2'],
      ['A', '3'],
    ],
  }).env;
  assert.deepEqual(pairs, [
    ['A', '3'],
    ['B', '2'],
  ]);
});

test('parseBoxOptions() takes a duration in milliseconds or in Seconds', () => {
  assert.equal(parse({ bootTimeoutMs: 1500 }).bootTimeoutMs, 1500);
  assert.equal(parse({ bootTimeoutMs: Seconds.fromSeconds(1.5) }).bootTimeoutMs, 1500);
  assert.equal(parse({ bootTimeoutMs: 0.7 }).bootTimeoutMs, 1);
});

test('parseBoxOptions() keeps an empty entrypoint apart from none', () => {
  assert.deepEqual(parse({ entrypoint: [], cmd: [] }).entrypoint, []);
  assert.equal(parse({}).entrypoint, null);
});

test('parseBoxOptions() removes a box at its stop unless it is detached', () => {
  const cases: [BoxOptions, boolean][] = [
    [{}, true],
    [{ autoRemove: false }, false],
    [{ detach: true }, false],
    [{ detach: true, autoRemove: false }, false],
    [{ detach: false, autoRemove: true }, true],
  ];
  for (const [options, autoRemove] of cases) assert.equal(parse(options).autoRemove, autoRemove);
  refusesOptions(
    { detach: true, autoRemove: true },
    'autoRemove: expected false with detach: true, as a detached box is kept, got true',
  );
});

test('parseBoxOptions() takes security and isolateMounts in the older place, but not in both', () => {
  const security = SecurityOptions.disabled();
  assert.equal(parse({ security }).security.jailerEnabled, false);
  assert.equal(parse({ advanced: { security } }).security.jailerEnabled, false);
  assert.equal(parse({ isolateMounts: true }).isolateMounts, true);
  const standard = SecurityOptions.standard();
  const mixed = parse({ security: standard, advanced: { isolateMounts: true } });
  assert.equal(mixed.isolateMounts, true);
  refusesOptions(
    { security, isolateMounts: true },
    'isolateMounts: expected false without the jailer, which isolates them, got true',
  );
  refusesOptions(
    { security, advanced: { security } },
    'security: expected only one of security and advanced.security, got both',
  );
  refusesOptions(
    { isolateMounts: false, advanced: { isolateMounts: true } },
    'isolateMounts: expected only one of isolateMounts and advanced.isolateMounts, got both',
  );
});

test('parseBoxOptions() refuses to isolate mounts where that cannot be done', () => {
  refuses(
    () => parseBoxOptions({ isolateMounts: true }, { ...testHost, platform: 'darwin' }),
    'isolateMounts: expected false but on Linux, got true on darwin',
  );
});

test('parseBoxName() takes 1 to 63 of the allowed characters', () => {
  for (const name of ['a', '0', 'my-box', 'A.b_c-9', 'x'.repeat(63)]) {
    assert.equal(parseBoxName(name), name);
  }
  for (const name of ['', '-a', '.a', '_a', 'a b', 'a/b', 'ä', 'a\n', 'x'.repeat(64)]) {
    refuses(
      () => parseBoxName(name),
      `name: expected 1..63 of [a-zA-Z0-9][a-zA-Z0-9._-]*, got ${JSON.stringify(name)}`,
    );
  }
  refuses(() => parseBoxName(5), 'name: expected a string, got 5');
});

test('parseBoxOptions() throws nothing but InvalidArgument, whatever it is given', () => {
  const values = fc.oneof(
    fc.anything(),
    fc.constantFrom(...Object.values(everything)),
    fc.array(fc.dictionary(fc.constantFrom('guestPort', 'hostPath', 'name'), fc.anything())),
  );
  const options = fc.dictionary(fc.constantFrom(...Object.keys(parse({})), 'advanced'), values);
  fc.assert(
    fc.property(options, (value) => {
      try {
        assertDeeplyFrozen(parse(value), 'spec');
      } catch (error) {
        assert.ok(BoxliteError.is(error, 'InvalidArgument'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

function assertDeeplyFrozen(value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null) return;
  assert.ok(Object.isFrozen(value), `${path} is not frozen`);
  for (const [key, member] of Object.entries(value)) assertDeeplyFrozen(member, `${path}.${key}`);
}
