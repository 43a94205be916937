import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Seconds } from '../../src/base/durations.ts';
import { Bytes } from '../../src/base/sizes.ts';
import { SecurityOptions, SecurityOptionsBuilder } from '../../src/spec/security.ts';
import type { SecuritySettings } from '../../src/spec/security-settings.ts';
import { refuses } from './refusal.ts';

const noLimits = {
  maxOpenFiles: null,
  maxFileSize: null,
  maxProcesses: null,
  maxMemory: null,
  maxCpuTime: null,
};
const enabled: SecuritySettings = {
  jailerEnabled: true,
  seccompEnabled: true,
  uid: 65_534,
  gid: 65_534,
  newPidNs: true,
  newNetNs: true,
  chrootBase: null,
  chrootEnabled: true,
  closeFds: true,
  sanitizeEnv: true,
  envAllowlist: [],
  resourceLimits: { ...noLimits, maxOpenFiles: 1024, maxProcesses: 1024 },
  allowUnjailed: false,
  umlPtrace: false,
  sandboxProfile: null,
  networkEnabled: true,
};
const jailOff = {
  jailerEnabled: false,
  seccompEnabled: false,
  uid: null,
  gid: null,
  newPidNs: false,
  newNetNs: false,
  chrootEnabled: false,
};

/** Builders named as in the references, from the settings that they start from. */
const starts: [string, () => SecurityOptionsBuilder, Partial<SecuritySettings>][] = [
  ['builder()', () => SecurityOptions.builder(), {}],
  ['new', () => new SecurityOptionsBuilder(), {}],
  ['new()', () => SecurityOptionsBuilder.new(), {}],
  ['enabled()', () => SecurityOptionsBuilder.enabled(), {}],
  ['maximum()', () => SecurityOptionsBuilder.maximum(), {}],
  [
    'disabled()',
    () => SecurityOptionsBuilder.disabled(),
    { ...jailOff, closeFds: false, sanitizeEnv: false, resourceLimits: noLimits },
  ],
  [
    'development()',
    () => SecurityOptionsBuilder.development(),
    { ...jailOff, closeFds: false, resourceLimits: noLimits },
  ],
  [
    'standard()',
    () => SecurityOptionsBuilder.standard(),
    { uid: null, gid: null, resourceLimits: noLimits },
  ],
];

for (const [name, start, difference] of starts) {
  test(`SecurityOptionsBuilder ${name} starts from its preset`, () => {
    assert.deepEqual({ ...start().build() }, { ...enabled, ...difference });
  });
}

test('SecurityOptions has the presets of both references', () => {
  assert.deepEqual(SecurityOptions.enabled(), SecurityOptionsBuilder.enabled().build());
  assert.deepEqual(SecurityOptions.disabled(), SecurityOptionsBuilder.disabled().build());
  assert.deepEqual(SecurityOptions.development(), SecurityOptionsBuilder.development().build());
  assert.deepEqual(SecurityOptions.standard(), SecurityOptionsBuilder.standard().build());
  assert.deepEqual(SecurityOptions.maximum(), SecurityOptionsBuilder.maximum().build());
});

test('SecurityOptions are frozen, and are plain data to the rooms', () => {
  const security = SecurityOptions.builder().allowEnv('TZ').maxProcesses(5).build();
  assert.ok(Object.isFrozen(security));
  assert.ok(Object.isFrozen(security.envAllowlist));
  assert.ok(Object.isFrozen(security.resourceLimits));
  const settings = security.toSettings();
  assert.ok(Object.isFrozen(settings));
  assert.equal(Object.getPrototypeOf(settings), Object.prototype);
  assert.deepEqual(settings, { ...security });
});

/** Each method, an argument, and what alone it changes. */
const methods: [
  (b: SecurityOptionsBuilder) => SecurityOptionsBuilder,
  Partial<SecuritySettings>,
][] = [
  [(b) => b.seccompEnabled(false), { seccompEnabled: false }],
  [(b) => b.uid(1000), { uid: 1000 }],
  [(b) => b.gid(1001), { gid: 1001 }],
  [(b) => b.newPidNs(false), { newPidNs: false }],
  [(b) => b.newNetNs(false), { newNetNs: false }],
  [(b) => b.chrootBase('/srv/jails'), { chrootBase: '/srv/jails' }],
  [(b) => b.chrootEnabled(false), { chrootEnabled: false }],
  [(b) => b.closeFds(false), { closeFds: false }],
  [(b) => b.sanitizeEnv(false), { sanitizeEnv: false }],
  [(b) => b.envAllowlist(['A', 'B']), { envAllowlist: ['A', 'B'] }],
  [(b) => b.allowEnv('A').allowEnv('B'), { envAllowlist: ['A', 'B'] }],
  [
    (b) => b.resourceLimits({ maxOpenFiles: 9 }),
    { resourceLimits: { ...noLimits, maxOpenFiles: 9 } },
  ],
  [(b) => b.resourceLimits({ maxProcesses: null }), { resourceLimits: noLimits }],
  [(b) => b.maxOpenFiles(2048), limits({ maxOpenFiles: 2048 })],
  [(b) => b.maxFileSizeBytes(1024), limits({ maxFileSize: 1024 })],
  [(b) => b.maxFileSizeBytes(Bytes.fromKib(1)), limits({ maxFileSize: 1024 })],
  [(b) => b.maxProcesses(100), limits({ maxProcesses: 100 })],
  [(b) => b.maxMemoryBytes(Bytes.fromMib(1)), limits({ maxMemory: 1_048_576 })],
  [(b) => b.maxCpuTimeSeconds(60), limits({ maxCpuTime: 60 })],
  [(b) => b.maxCpuTimeSeconds(Seconds.fromMinutes(1)), limits({ maxCpuTime: 60 })],
  [(b) => b.sandboxProfile('/etc/box.sb'), { sandboxProfile: '/etc/box.sb' }],
  [(b) => b.networkEnabled(false), { networkEnabled: false }],
  [(b) => b.jailerEnabled(true), {}],
];

for (const [call, change] of methods) {
  test(`SecurityOptionsBuilder ${call.toString().slice(7)} changes that alone`, () => {
    const builder = SecurityOptions.builder();
    assert.equal(call(builder), builder);
    assert.deepEqual({ ...builder.build() }, { ...enabled, ...change });
  });
}

test('jailerEnabled(false) turns off what the jailer does', () => {
  const security = SecurityOptions.builder().jailerEnabled(false).build();
  assert.deepEqual({ ...security }, { ...enabled, ...jailOff });
});

test('SecurityOptionsBuilder refuses to promise what only a jailer does', () => {
  const cases: [string, (b: SecurityOptionsBuilder) => unknown][] = [
    ['seccompEnabled', (b) => b.seccompEnabled(true)],
    ['uid', (b) => b.uid(1000)],
    ['gid', (b) => b.gid(1000)],
    ['newPidNs', (b) => b.newPidNs(true)],
    ['newNetNs', (b) => b.newNetNs(true)],
    ['chrootEnabled', (b) => b.chrootEnabled(true)],
  ];
  for (const [name, ask] of cases) {
    const builder = SecurityOptionsBuilder.disabled();
    ask(builder);
    refuses(
      () => builder.build(),
      `${name}: expected jailerEnabled(true) with it, because the jailer does this, got false`,
    );
    assert.equal(builder.jailerEnabled(true).build().jailerEnabled, true);
  }
});

test('chrootBase needs a root of the jail', () => {
  const builder = SecurityOptions.builder().chrootBase('/srv/jails').chrootEnabled(false);
  refuses(
    () => builder.build(),
    'chrootBase: expected chrootEnabled(true) with it, for there is no root to make, got false',
  );
  refuses(
    () => SecurityOptionsBuilder.disabled().chrootBase('/srv/jails').build(),
    'chrootBase: expected jailerEnabled(true) with it, because the jailer does this, got false',
  );
  const base = builder.chrootEnabled(true).build();
  assert.equal(base.chrootBase, '/srv/jails');
  // What was asked for before goes with what it was asked for.
  for (const off of [
    (b: SecurityOptionsBuilder) => b.chrootEnabled(false),
    (b: SecurityOptionsBuilder) => b.jailerEnabled(false),
  ]) {
    assert.equal(off(new SecurityOptionsBuilder(base)).build().chrootBase, null);
  }
});

test('SecurityOptionsBuilder can build more than once', () => {
  const builder = SecurityOptions.builder().maxProcesses(5);
  const first = builder.build();
  const second = builder.maxProcesses(6).build();
  assert.equal(first.resourceLimits.maxProcesses, 5);
  assert.equal(second.resourceLimits.maxProcesses, 6);
});

test('SecurityOptionsBuilder starts from options that were built before', () => {
  const base = SecurityOptions.builder().uid(7).build();
  assert.equal(new SecurityOptionsBuilder(base).gid(8).build().uid, 7);
});

test('resourceLimits() takes what another box has', () => {
  const { resourceLimits } = SecurityOptions.enabled();
  const copy = SecurityOptionsBuilder.disabled().resourceLimits(resourceLimits).build();
  assert.deepEqual(copy.resourceLimits, resourceLimits);
});

test('SecurityOptionsBuilder refuses values out of range', () => {
  const b = SecurityOptions.builder();
  const bad = (value: unknown) => value as never;
  const count = 'expected 1..9007199254740991';
  const cases: [() => unknown, string][] = [
    [() => b.jailerEnabled(bad(1)), 'jailerEnabled: expected a boolean, got 1'],
    [() => b.uid(-1), 'uid: expected 0..4294967294, got -1'],
    [() => b.gid(4_294_967_295), 'gid: expected 0..4294967294, got 4294967295'],
    [() => b.chrootBase('jails'), 'chrootBase: expected an absolute path, got "jails"'],
    [() => b.sandboxProfile(''), 'sandboxProfile: expected a string that is not empty, got ""'],
    [() => b.envAllowlist(bad('A')), 'envAllowlist: expected an array, got a string'],
    [() => b.envAllowlist(['A', 'B=']), 'envAllowlist[1]: expected a name without "=", got "B="'],
    [() => b.allowEnv(''), 'allowEnv: expected a string that is not empty, got ""'],
    [() => b.maxOpenFiles(0), `maxOpenFiles: ${count}, got 0`],
    [() => b.maxFileSizeBytes(Bytes.fromBytes(0)), `maxFileSizeBytes: ${count}, got 0`],
    [() => b.maxCpuTimeSeconds(bad('1')), `maxCpuTimeSeconds: ${count}, got a string`],
    [() => b.resourceLimits({ maxMemory: -1 }), `resourceLimits.maxMemory: ${count}, got -1`],
    [
      () => b.resourceLimits(bad({ maxMem: 1 })),
      'resourceLimits.maxMem: unknown option, expected one of maxOpenFiles, maxFileSize,' +
        ' maxProcesses, maxMemory, maxCpuTime',
    ],
    [
      () => new SecurityOptionsBuilder(bad({ jailerEnabled: false })),
      'base: expected SecurityOptions, as SecurityOptions.enabled() gives, got an object',
    ],
  ];
  for (const [act, message] of cases) refuses(act, message);
  assert.deepEqual({ ...b.build() }, enabled);
});

function limits(change: Partial<SecuritySettings['resourceLimits']>): Partial<SecuritySettings> {
  return { resourceLimits: { ...enabled.resourceLimits, ...change } };
}
