import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeFlag } from '../../src/cli/volume-flag.ts';

test('-v is read as Docker has it', () => {
  const cases: [string, object][] = [
    ['/a:/b', { hostPath: '/a', guestPath: '/b', readOnly: false }],
    ['/a:/b:ro', { hostPath: '/a', guestPath: '/b', readOnly: true }],
    ['./a:/b:rw,z', { hostPath: './a', guestPath: '/b', readOnly: false }],
    ['.:/b:Z,ro', { hostPath: '.', guestPath: '/b', readOnly: true }],
    ['../a/:/b/', { hostPath: '../a/', guestPath: '/b/', readOnly: false }],
    ['/a:/b:rprivate,ro', { hostPath: '/a', guestPath: '/b', readOnly: true }],
  ];
  for (const [given, volume] of cases) assert.deepEqual(volumeFlag(given), volume);
});

test('-v says what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['/a', /name a path on the host and one in the box/],
    [':/b', /name a path on the host/],
    ['name:/b', /there are no named volumes; for a directory write \.\/name/],
    ['/a:/b:rx', /unknown option "rx"/],
    ['/a:/b:ro,rw', /one of ro and rw/],
    ['/a:/b:ro:x', /":"/],
    ['', /name a path on the host and one in the box/],
    ['/a:', /expected an absolute path in the box, got ""/],
    ['/a:b', /expected an absolute path in the box, got "b"/],
    ['/a:/b:', /expected ro or rw behind the last ":"/],
    ['/a:/b:ro,', /unknown option ""/],
    ['/a:/b:ro,ro', /"ro" is there twice/],
    ['/a:/b:nocopy', /there is no option "nocopy": it is about named volumes/],
    ['/a:/b:rshared', /there is no option "rshared": what is mounted/],
  ];
  for (const [given, message] of cases) assert.throws(() => volumeFlag(given), message);
});
