import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootfsName } from '../../src/spec/box-spec.ts';
import { hostPathsOf, missingHostPath } from '../../src/spec/host-path.ts';
import { providersOf } from '../../src/spec/parse-files.ts';
import { parseBoxOptions } from '../../src/spec/parse-options.ts';
import { parse, refuses, refusesOptions, testHost } from './refusal.ts';

const IMAGE = 'an image reference such as "alpine:latest"';

test('rootfs is an image, a path or the built-in one', () => {
  const cases: [unknown, object, string][] = [
    ['debian', { kind: 'image', reference: 'debian' }, 'debian'],
    [{ image: 'a.io/b:c' }, { kind: 'image', reference: 'a.io/b:c' }, 'a.io/b:c'],
    [{ rootfsPath: '/srv/root' }, { kind: 'path', path: '/srv/root' }, '/srv/root'],
    [{ rootfsPath: '../root' }, { kind: 'path', path: '/home/root' }, '/home/root'],
    ['builtin:base', { kind: 'base' }, 'builtin:base'],
    [{ image: 'builtin:base' }, { kind: 'base' }, 'builtin:base'],
    [{ image: 'debian', rootfsPath: undefined }, { kind: 'image', reference: 'debian' }, 'debian'],
  ];
  for (const [rootfs, source, name] of cases) {
    assert.deepEqual(parse({ rootfs }).rootfs, source);
    assert.equal(rootfsName(parse({ rootfs }).rootfs), name);
  }
});

test('rootfs says what to write instead', () => {
  const cases: [unknown, string][] = [
    ['', 'rootfs: expected a string that is not empty, got ""'],
    [
      './root',
      `rootfs: expected ${IMAGE}, got "./root"; for a path write { rootfsPath: "./root" }`,
    ],
    ['/root', `rootfs: expected ${IMAGE}, got "/root"; for a path write { rootfsPath: "/root" }`],
    [
      { image: '~/root' },
      `rootfs.image: expected ${IMAGE}, got "~/root"; for a path write { rootfsPath: "~/root" }`,
    ],
    [
      'builtin:debian',
      `rootfs: expected ${IMAGE}, got "builtin:debian"; the only built-in one is "builtin:base"`,
    ],
    ['a b', 'rootfs: expected an image reference without spaces, got "a b"'],
    [5, 'rootfs: expected an image reference, { image } or { rootfsPath }, got 5'],
    [{}, 'rootfs: expected one of { image } and { rootfsPath }, got neither'],
    [
      { image: 'a', rootfsPath: '/b' },
      'rootfs: expected one of { image } and { rootfsPath }, got both',
    ],
    [{ rootfsPath: '' }, 'rootfs.rootfsPath: expected a string that is not empty, got ""'],
    [{ path: '/' }, 'rootfs.path: unknown option, expected one of image, rootfsPath'],
  ];
  for (const [rootfs, message] of cases) refusesOptions({ rootfs }, message);
});

test('volumes have one spelling for one place', () => {
  const volumes = [
    { hostPath: '/a', guestPath: '/x' },
    { hostPath: 'b/../c', guestPath: '//y/./z/', readOnly: true },
  ];
  assert.deepEqual(parse({ volumes }).volumes, [
    { hostPath: '/a', guestPath: '/x', readOnly: false },
    { hostPath: '/home/me/c', guestPath: '/y/z', readOnly: true },
  ]);
});

test('volumes of the wrong shape are refused', () => {
  const cases: [unknown, string][] = [
    [{ guestPath: '/x' }, 'hostPath: expected a string, got nothing'],
    [{ hostPath: '/a' }, 'guestPath: expected a string, got nothing'],
    [{ hostPath: '', guestPath: '/x' }, 'hostPath: expected a string that is not empty, got ""'],
    [
      { hostPath: '/a\0', guestPath: '/x' },
      'hostPath: expected a string without NUL, got one with NUL',
    ],
    [{ hostPath: '/a', guestPath: 'x' }, 'guestPath: expected an absolute path, got "x"'],
    [{ hostPath: '/a', guestPath: '/' }, 'guestPath: expected a path below "/", got "/"'],
    [{ hostPath: '/a', guestPath: '/.//.' }, 'guestPath: expected a path below "/", got "/.//."'],
    [
      { hostPath: '/a', guestPath: '/x/../y' },
      'guestPath: expected a path without "..", got "/x/../y"',
    ],
    [{ hostPath: '/a', guestPath: '/x', readOnly: 1 }, 'readOnly: expected a boolean, got 1'],
    [
      { hostPath: '/a', guestPath: '/x', ro: true },
      'ro: unknown option, expected one of hostPath, guestPath, readOnly, provider',
    ],
  ];
  for (const [volume, message] of cases) {
    refusesOptions({ volumes: [volume] }, `volumes[0].${message}`);
  }
  const twice = [
    { hostPath: '/a', guestPath: '/x' },
    { hostPath: '/b', guestPath: '/x/' },
  ];
  refusesOptions(
    { volumes: twice },
    'volumes[1].guestPath: expected another path than volumes[0], got "/x"',
  );
});

test('relative host paths are refused where there is no working directory', () => {
  const { cwd, ...host } = testHost;
  assert.equal(cwd, '/home/me');
  refuses(
    () => parseBoxOptions({ rootfs: { rootfsPath: 'root' } }, host),
    'rootfs.rootfsPath: expected an absolute path, got "root"',
  );
  refuses(
    () => parseBoxOptions({ volumes: [{ hostPath: 'a', guestPath: '/x' }] }, host),
    'volumes[0].hostPath: expected an absolute path, got "a"',
  );
});

test('hostPathsOf() lists what the runtime has to look for', () => {
  const volumes = [{ hostPath: '/a', guestPath: '/x' }];
  assert.deepEqual(hostPathsOf(parse({ volumes })), [
    { option: 'volumes[0].hostPath', path: '/a' },
  ]);
  const both = hostPathsOf(parse({ volumes, rootfs: { rootfsPath: '/r' } }));
  assert.deepEqual(both[0], { option: 'rootfs.rootfsPath', path: '/r' });
  assert.equal(both.length, 2);
});

test('missingHostPath() names the option and the path', () => {
  const cause = new Error('ENOENT');
  const error = missingHostPath({ option: 'volumes[0].hostPath', path: '/a' }, cause);
  assert.equal(error.kind, 'InvalidArgument');
  assert.equal(
    error.message,
    'volumes[0].hostPath: expected an existing path that can be read, got "/a"',
  );
  assert.equal(error.cause, cause);
});

test('a volume is a host path or a provider, which stays what it is', () => {
  const provider = { root: () => Promise.reject(new Error('not opened by parsing')) };
  const volumes = [
    { guestPath: '/own/', provider, readOnly: true },
    { guestPath: '/b', hostPath: '/a' },
  ];
  const spec = parse({ volumes });
  assert.deepEqual(spec.volumes, [
    { guestPath: '/own', hostPath: null, readOnly: true },
    { guestPath: '/b', hostPath: '/a', readOnly: false },
  ]);
  assert.deepEqual([...providersOf({ volumes }, spec)], [['/own', provider]]);
  assert.equal(providersOf({ volumes }, spec).get('/own'), provider);
});

test('a provider that is none is refused', () => {
  const root = () => undefined;
  const cases: [unknown, string][] = [
    [{ provider: null }, 'volumes[0].provider: expected an object with a method root(), got null'],
    [{ provider: {} }, 'volumes[0].provider: expected an object with a method root()'],
    [{ provider: { root: '/' } }, 'volumes[0].provider: expected an object with a method root()'],
    [
      { provider: { root }, hostPath: '/a' },
      'volumes[0].hostPath: expected only one of hostPath and provider, got both',
    ],
    [{ provider: { root }, extra: 1 }, 'volumes[0].extra'],
  ];
  for (const [volume, message] of cases) {
    assert.throws(
      () => parse({ volumes: [{ guestPath: '/b', ...(volume as object) }] }),
      (error) => error instanceof Error && error.message.startsWith(message),
      message,
    );
  }
  assert.throws(
    () => parse({ detach: true, volumes: [{ guestPath: '/b', provider: { root } }] }),
    /volumes\[0\]\.provider: expected none with detach: true/,
  );
});
