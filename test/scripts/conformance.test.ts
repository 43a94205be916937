import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { complaintsOf, renderPage, rowsOf, type Table } from '../../scripts/conformance-page.ts';
import type { Outcome } from '../../scripts/outcomes.ts';
import type {
  AdvancedBoxOptions,
  BoxInfo,
  BoxliteOptions,
  BoxMetrics,
  BoxOptions,
  CopyOptions,
  PortSpec,
  ResourceLimits,
  RuntimeMetrics,
  Secret,
  VolumeSpec,
} from '../../src/index.ts';
import * as boxlite from '../../src/index.ts';
import { section, shown } from '../conformance/table/row.ts';
import { table } from '../conformance/table/table.ts';

const SUITE = 'test/conformance/some.test.ts';

function outcome(file: string, path: string, result: Outcome['result'] = 'passed'): Outcome {
  return { file, path: path.split(' > '), result, reason: result === 'skipped' ? 'why' : '' };
}

describe('the conformance page', () => {
  const small: Table = [
    section('contract', 'Things', {
      'Thing.own': 'shown here',
      'Thing.elsewhere': shown('shown there', 'vm/other', 'a suite > a test'),
      'Thing.far': { claim: 'not shown', notHere: 'needs a moon' },
    }),
  ];
  const elsewhere = outcome('test/vm/other.test.ts', 'on uml > a suite > a test');
  const whole = [
    outcome(SUITE, 'on uml > Thing.own'),
    outcome(SUITE, 'on tcg > Thing.own'),
    elsewhere,
    { ...elsewhere, path: ['on tcg', 'a suite', 'a test'] },
  ];
  const complaints = (outcomes: readonly Outcome[]) => complaintsOf(small, outcomes).join('\n');

  it('has nothing to complain of where every row was shown on every engine', () => {
    assert.equal(complaints(whole), '');
    // What needs no guest runs once.
    assert.equal(complaints([outcome(SUITE, 'Thing.own'), ...whole.slice(2)]), '');
  });

  it('complains of a row whose test did not run, ran on one engine, or failed', () => {
    assert.match(complaints(whole.slice(2)), /^Thing\.own: no test ran$/);
    assert.match(complaints(whole.slice(1)), /^Thing\.own: no test ran on uml$/);
    assert.match(complaints(whole.slice(0, 3)), /^Thing\.elsewhere: no test ran on tcg$/);
    assert.match(
      complaints(whole.slice(0, 2)),
      /no test "a suite > a test" ran in test\/vm\/other/,
    );
    const failed = [
      ...whole.slice(0, 3),
      { ...elsewhere, path: ['on tcg', 'a suite', 'a test'], result: 'failed' as const },
    ];
    assert.match(complaints(failed), /^Thing\.elsewhere: "on tcg > a suite > a test" failed$/);
  });

  it('accepts that a machine has no user-mode Linux, and says so', () => {
    const without = [
      outcome(SUITE, 'on uml', 'skipped'),
      outcome('test/vm/other.test.ts', 'on uml', 'skipped'),
      ...[whole[1], whole[3]].filter((each) => each !== undefined),
    ];
    assert.equal(complaints(without), '');
    assert.match(renderPage(small, without), /`Thing\.own` .* tcg \| passed; skipped: why \|$/m);
  });

  it('complains of tests without a row, and of rows of one name', () => {
    const stray = [...whole, outcome(SUITE, 'on uml > Thing.other')];
    assert.match(
      complaints(stray),
      /^test\/conformance\/some.*"on uml > Thing\.other" has no row$/,
    );
    const around = [
      ...stray.slice(0, -1),
      outcome(SUITE, 'a namespace'),
      outcome(SUITE, 'a namespace > on uml > Thing.own'),
    ];
    assert.equal(complaints(around), '');
    const twice = [...small, section('contract', 'More', { 'Thing.own': 'again' })];
    assert.match(complaintsOf(twice, whole).join('\n'), /^there are two rows "Thing\.own"$/);
  });

  it('has a line for each row, without an empty cell', () => {
    const lines = renderPage(small, whole)
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    assert.deepEqual(lines, [
      '| `Thing.own` | contract: Things | shown here | conformance | uml, tcg | passed |',
      '| `Thing.elsewhere` | contract: Things | shown there | vm/other.test.ts: a suite > a test | uml, tcg | passed |',
      '| `Thing.far` | contract: Things | not shown | none | none | not shown: needs a moon |',
    ]);
    assert.equal(rowsOf(lines.join('\n')).length, 3);
    assert.doesNotMatch(lines.join('\n'), /\| *\|/);
    assert.match(renderPage(small, []), /`Thing\.own` .* not run \|$/m);
    const failed = [outcome(SUITE, 'Thing.own', 'failed')];
    assert.match(renderPage(small, failed), /`Thing\.own` .* FAILED \|$/m);
  });
});

/** What is exported and is in neither reference nor on our public API page, with its members: additions of ours. */
const additions: readonly string[] = [
  ...['BoxNetwork', 'ImageStore', 'MemoryVolume', 'buildKernels', 'listKernels'],
  ...['boxliteErrorKinds', 'BoxState.to', 'SecurityOptions.of', 'SecurityOptions.toSettings'],
  ...['ImageRegistry.domain', 'ImageRegistry.namespace', 'ImageRegistry.toString'],
  ...['ImageRegistry.toJSON', 'Execution.start', 'Execution.ended', 'BoxCommand.toSpec'],
];

/** The fields of every type without code. A name that is missing here, or not there, does not compile. */
const fields: Readonly<Record<string, Readonly<Record<string, true>>>> = {
  BoxliteOptions: {
    ...{ homeDir: true, imageRegistries: true, engine: true },
  } satisfies Record<keyof BoxliteOptions, true>,
  BoxOptions: {
    ...{ cpus: true, memoryMib: true, diskSizeGb: true, workingDir: true, env: true, user: true },
    ...{ entrypoint: true, cmd: true, labels: true, rootfs: true, volumes: true, network: true },
    ...{ secrets: true, ports: true, autoRemove: true, detach: true, engine: true },
    ...{ bootTimeoutMs: true, advanced: true, security: true, isolateMounts: true },
  } satisfies Record<keyof BoxOptions, true>,
  AdvancedBoxOptions: {
    ...{ security: true, isolateMounts: true },
  } satisfies Record<keyof AdvancedBoxOptions, true>,
  VolumeSpec: {
    ...{ hostPath: true, guestPath: true, readOnly: true },
  } satisfies Record<Exclude<keyof VolumeSpec, 'provider'>, true>,
  Secret: {
    ...{ name: true, hosts: true, value: true, placeholder: true },
  } satisfies Record<keyof Secret, true>,
  PortSpec: {
    ...{ guestPort: true, hostPort: true, protocol: true, hostIp: true },
  } satisfies Record<keyof PortSpec, true>,
  CopyOptions: {
    ...{ recursive: true, overwrite: true, followSymlinks: true, includeParent: true },
    ...{ owner: true, signal: true },
  } satisfies Record<keyof CopyOptions, true>,
  BoxInfo: {
    ...{ id: true, name: true, status: true, createdAt: true, lastUpdated: true, pid: true },
    ...{ image: true, cpus: true, memoryMib: true, labels: true, engine: true, ports: true },
    ...{ exitReason: true },
  } satisfies Record<keyof BoxInfo, true>,
  ResourceLimits: {
    ...{ maxOpenFiles: true, maxFileSize: true, maxProcesses: true, maxMemory: true },
    ...{ maxCpuTime: true },
  } satisfies Record<keyof ResourceLimits, true>,
  RuntimeMetrics: {
    ...{ boxesCreatedTotal: true, boxesFailedTotal: true, numRunningBoxes: true },
    ...{ totalCommandsRun: true, totalRunErrors: true },
  } satisfies Record<keyof RuntimeMetrics, true>,
  BoxMetrics: {
    ...{ commandsRunTotal: true, runErrorsTotal: true, bytesSentTotal: true },
    ...{ bytesReceivedTotal: true, totalCreateDurationMs: true, guestBootDurationMs: true },
    ...{ cpuPercent: true, memoryBytes: true, networkBytesSent: true },
    ...{ networkBytesReceived: true, networkTcpConnections: true, networkTcpErrors: true },
    ...{ stageFilesystemSetupMs: true, stageImagePrepareMs: true, stageGuestRootfsMs: true },
    ...{ stageBoxConfigMs: true, stageBoxSpawnMs: true, stageContainerInitMs: true },
  } satisfies Record<keyof BoxMetrics, true>,
};

/** Public names that a program can call or read: exports, and what classes have. */
function publicNames(): string[] {
  return Object.entries(boxlite).flatMap(([name, value]) => {
    const holders: object[] =
      typeof value === 'function' ? [value, value.prototype ?? {}] : [value as object];
    const isClass = typeof value === 'function' && /^class\b/.test(String(value));
    if (!isClass && typeof value !== 'object') return [name];
    const members = holders.flatMap((holder) => Object.getOwnPropertyNames(holder));
    return members
      .filter((member) => !/^(length|name|prototype|constructor|\d+)$/.test(member))
      .map((member) => `${name}.${member}`);
  });
}

describe('the conformance table', () => {
  const names = table.flatMap(({ claims }) => Object.keys(claims));
  /** Whether there is a row of that name, or about a part of it. */
  const hasRow = (name: string) =>
    names.some((row) => row === name || row.startsWith(`${name}:`) || row.startsWith(`${name} `));

  it('has a row for every public name, unless it is an addition of ours', () => {
    const missing = publicNames().filter((name) => {
      const owner = name.split('.')[0] ?? '';
      return !hasRow(name) && !additions.includes(name) && !additions.includes(owner);
    });
    assert.deepEqual(missing, []);
  });

  it('has a row for every field of every type of the references', () => {
    const wanted = Object.entries(fields).flatMap(([type, members]) =>
      Object.keys(members).map((member) => `${type}.${member}`),
    );
    assert.deepEqual(
      wanted.filter((name) => !hasRow(name)),
      [],
    );
  });

  it('says something in every row', () => {
    for (const { claims } of table) {
      for (const [name, claim] of Object.entries(claims)) {
        const about = typeof claim === 'string' ? claim : claim.claim;
        assert.notEqual(about, '', name);
        if (typeof claim !== 'string' && 'notHere' in claim) assert.ok(claim.notHere !== '', name);
      }
    }
  });
});
