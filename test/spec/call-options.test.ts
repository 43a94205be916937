import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Seconds } from '../../src/base/durations.ts';
import { Bytes } from '../../src/base/sizes.ts';
import {
  checkBuildOptions,
  checkImportOptions,
  checkPullOptions,
  parseCopyOptions,
  parseEnginesOptions,
  parseListFilter,
  parseLogsOptions,
  parsePort,
  parsePortName,
  parsePruneOptions,
  parseSignalOptions,
  parseStartOptions,
  parseStopOptions,
} from '../../src/spec/call-options.ts';
import { refuses } from './refusal.ts';

const { signal } = new AbortController();

test('every call can do without options', () => {
  assert.deepEqual(parseSignalOptions(undefined), { signal: null });
  assert.deepEqual(parseStartOptions(undefined), { diskSizeGb: null, signal: null });
  assert.deepEqual(parseStopOptions(undefined), { timeoutMs: null });
  assert.deepEqual(parseLogsOptions(undefined), { follow: false, signal: null });
  assert.deepEqual(parseCopyOptions(undefined), {
    recursive: true,
    overwrite: true,
    followSymlinks: false,
    includeParent: true,
    owner: null,
    signal: null,
  });
  assert.deepEqual(parseListFilter(undefined), {
    status: ['unknown', 'configured', 'running', 'stopping', 'stopped'],
    labels: {},
  });
});

test('every call takes its options', () => {
  assert.equal(parseSignalOptions({ signal }).signal, signal);
  assert.equal(parseStartOptions({ diskSizeGb: Bytes.fromGib(20) }).diskSizeGb, 20);
  assert.equal(parseStopOptions({ timeoutMs: 0 }).timeoutMs, 0);
  assert.equal(parseStopOptions({ timeoutMs: Seconds.fromSeconds(2) }).timeoutMs, 2000);
  assert.deepEqual(parseLogsOptions({ follow: true, signal }), { follow: true, signal });
  assert.equal(parseCopyOptions({ overwrite: false }).overwrite, false);
  assert.deepEqual(parseListFilter({ status: ['running'], labels: { a: 'b' } }), {
    status: ['running'],
    labels: { a: 'b' },
  });
});

test('a port is read like one of the ports option, and named by what the host listens on', () => {
  const published = { guestPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '0.0.0.0' };
  assert.deepEqual(parsePort({ guestPort: 80, hostPort: 8080 }), published);
  assert.equal(parsePort({ guestPort: 80, hostPort: 0 }).hostPort, null);
  assert.deepEqual(parsePortName(published), published);
  assert.deepEqual(parsePortName({ hostPort: 53 }), {
    hostPort: 53,
    protocol: 'tcp',
    hostIp: undefined,
    guestPort: undefined,
  });
});

test('every call refuses what it does not know', () => {
  const statuses = '"unknown", "configured", "running", "stopping", "stopped"';
  const cases: [() => unknown, string][] = [
    [() => parseSignalOptions(null), 'options: expected an object, got null'],
    [() => parseSignalOptions({ signal: 9 }), 'signal: expected an AbortSignal, got 9'],
    [() => parseSignalOptions({ abort: signal }), 'abort: unknown option, expected one of signal'],
    [
      () => parseStopOptions({ timeoutMs: -1 }),
      'timeoutMs: expected 0..2147483647 ms or Seconds, got -1',
    ],
    [() => parseStopOptions({ timeout: 1 }), 'timeout: unknown option, expected one of timeoutMs'],
    [() => parseLogsOptions({ follow: 1 }), 'follow: expected a boolean, got 1'],
    [
      () => parseCopyOptions({ force: true }),
      'force: unknown option, expected one of recursive, overwrite, followSymlinks,' +
        ' includeParent, owner, signal',
    ],
    [
      () => parseListFilter({ status: ['paused'] }),
      `status[0]: expected one of ${statuses}, got "paused"`,
    ],
    [() => parseListFilter({ status: 'running' }), 'status: expected an array, got a string'],
    [() => parseListFilter({ labels: { a: 1 } }), 'labels.a: expected a string, got 1'],
    [
      () => checkPullOptions({ progress: () => undefined }),
      'progress: unknown option, expected one of onProgress, signal',
    ],
    [
      () => checkImportOptions({ onProgress: 'yes' }),
      'onProgress: expected a function, got a string',
    ],
    [() => checkImportOptions({ reference: 7 }), 'reference: expected a string, got 7'],
    [
      () => checkBuildOptions({ flavors: ['steam'] }),
      'flavors[0]: expected one of "uml", "vm", got "steam"',
    ],
    [() => parsePruneOptions({ all: 1 }), 'all: expected a boolean, got 1'],
    [
      () => parseEnginesOptions({ again: true }),
      'again: unknown option, expected one of retry, signal',
    ],
    [() => parsePort(80), 'options: expected an object, got 80'],
    [() => parsePort({ guestPort: 0 }), 'guestPort: expected 1..65535, got 0'],
    [() => parsePortName({ hostPort: 0 }), 'hostPort: expected 1..65535, got 0'],
  ];
  for (const [act, message] of cases) refuses(act, message);
});
