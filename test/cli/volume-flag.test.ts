import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeFlag } from '../../src/cli/volume-flag.ts';

test('-v is read as Docker has it', () => {
  const cases: [string, object][] = [
    ['/a:/b', { hostPath: '/a', guestPath: '/b', readOnly: false }],
    ['/a:/b:ro', { hostPath: '/a', guestPath: '/b', readOnly: true }],
    ['./a:/b:rw,z', { hostPath: './a', guestPath: '/b', readOnly: false }],
    ['.:/b:Z,ro', { hostPath: '.', guestPath: '/b', readOnly: true }],
    ['../a/:/b/:', { hostPath: '../a/', guestPath: '/b/', readOnly: false }],
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
  ];
  for (const [given, message] of cases) assert.throws(() => volumeFlag(given), message);
});
