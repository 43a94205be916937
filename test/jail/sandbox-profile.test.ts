import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { programPath } from '../../src/base/env.ts';
import { sandboxed, withLimits } from '../../src/jail/sandbox.ts';
import { sandboxProfile } from '../../src/jail/sandbox-profile.ts';
import { hostEngines, requirePossible } from '../../src/runtime/host-checks.ts';
import { findJailPrograms } from '../../src/runtime/jail-programs.ts';
import { prepareJail } from '../../src/runtime/jailed-vm.ts';
import type { LaunchPlan } from '../../src/spec/parts.ts';
import { SecurityOptions } from '../../src/spec/security.ts';

const plan: LaunchPlan = {
  kind: 'qemu',
  executable: '/opt/homebrew/bin/qemu-system-aarch64',
  args: [],
  env: {},
  files: [{ hostPath: '/Users/me/a "kernel" \\', inside: '/box/kernel' }],
  libraries: ['/opt/homebrew/share/qemu'],
  devices: [],
  sharedMemoryBytes: 0,
  fileBytes: 4096,
  fixedAddresses: false,
  descriptors: [],
  user: null,
};

const withArgs = { ...plan, args: ['-kernel', '/box/kernel'] };

/** The rules, as their nesting has them; throws if the brackets do not match. */
function parse(profile: string): string[] {
  let depth = 0;
  let rule = '';
  const rules: string[] = [];
  for (const [token] of profile.matchAll(/"(?:\\.|[^"\\])*"|[()]|[^()"]+/g)) {
    if (token === '(') depth++;
    rule += token;
    if (token === ')' && --depth === 0) {
      rules.push(rule.trim());
      rule = '';
    }
  }
  assert.equal(depth, 0);
  assert.equal(rule.trim(), '');
  return rules;
}

describe('sandboxProfile()', () => {
  const rules = parse(sandboxProfile(plan, true));

  it('denies what it does not allow', () => {
    assert.deepEqual(rules.slice(0, 2), ['(version 1)', '(deny default)']);
    for (const rule of rules.slice(2)) assert.match(rule, /^\((allow|deny) /);
  });

  it('lets the VMM execute nothing but itself', () => {
    const executions = rules.filter((rule) => rule.includes('process-exec'));
    assert.deepEqual(executions, [`(allow process-exec (literal "${plan.executable}"))`]);
    assert.ok(!rules.some((rule) => rule.includes('process-fork')));
  });

  it('lets it read the files of the plan, however they are called', () => {
    assert.ok(rules.includes('(allow file-read* (literal "/Users/me/a \\"kernel\\" \\\\"))'));
    const evil = { ...plan, files: [{ hostPath: '/a\n(allow default)', inside: '/box/kernel' }] };
    assert.throws(() => sandboxProfile(evil, true), RangeError);
  });

  it('lets it write to no path', () => {
    for (const rule of rules.filter((one) => one.includes('file-write'))) {
      assert.match(rule, /"\/dev\/(fd|null)"/);
    }
  });

  it('has the network only if that is asked for', () => {
    assert.equal(rules.at(-1), '(allow network*)');
    assert.equal(parse(sandboxProfile(plan, false)).at(-1), '(deny network*)');
  });
});

describe('sandboxed()', () => {
  const environment = { HOME: '/Users/me', LANG: 'C' };
  it('runs the plan under our profile, with the paths of the host', () => {
    const security = SecurityOptions.enabled().toSettings();
    const { args, env } = sandboxed(withArgs, { security, environment });
    const host = plan.files[0]?.hostPath;
    assert.deepEqual(args.slice(2), [
      ...['/usr/bin/sandbox-exec', '-p', sandboxProfile(withArgs, true)],
      ...[plan.executable, '-kernel', host],
    ]);
    assert.deepEqual(env, {});
  });

  it('takes the profile that is named, and leaves the variables that are', () => {
    const builder = SecurityOptions.builder().resourceLimits({});
    const security = builder.sandboxProfile('/p.sb').allowEnv('LANG').build();
    const { args, env } = sandboxed(withArgs, { security, environment });
    assert.deepEqual(args.slice(3, 5), ['-f', '/p.sb']);
    assert.deepEqual(env, { LANG: 'C' });
  });

  it('leaves the VMM as it is without the jailer', () => {
    const security = SecurityOptions.disabled().toSettings();
    assert.equal(sandboxed(withArgs, { security, environment }).executable, plan.executable);
  });

  it('sets its limits first, whether it is locked in or not', () => {
    const builder = SecurityOptions.builder().resourceLimits({ maxOpenFiles: 9, maxCpuTime: 7 });
    for (const jailer of [true, false]) {
      const security = builder.jailerEnabled(jailer).build();
      const { executable, args } = sandboxed(withArgs, { security, environment });
      assert.equal(executable, '/bin/dash');
      const own = jailer ? 'ulimit -f 8 && ulimit -t 7 && ulimit -c 0' : 'ulimit -t 7';
      const script = `ulimit -n 9 && ${own} && exec "$0" "$@"`;
      const program = jailer ? '/usr/bin/sandbox-exec' : plan.executable;
      assert.deepEqual(args.slice(0, 3), ['-c', script, program]);
    }
  });
});

describe('withLimits()', { skip: !existsSync('/bin/dash') && 'there is no dash' }, () => {
  it('limits what is executed, in the units of the settings', () => {
    const limits = {
      maxOpenFiles: 77,
      maxFileSize: 1024 * 1024,
      maxProcesses: 999,
      maxMemory: 512 * 1024 * 1024,
      maxCpuTime: 55,
      coreBytes: 1,
    };
    const target = { ...plan, executable: '/bin/cat', args: ['/proc/self/limits'] };
    const { executable, args } = withLimits(target, limits);
    const said = execFileSync(executable, args, { encoding: 'utf8' });
    const both = (name: string) => new RegExp(`^${name} +(\\d+) +(\\d+)`, 'm').exec(said)?.slice(1);
    assert.deepEqual(both('Max open files'), ['77', '77']);
    assert.deepEqual(both('Max file size'), ['1048576', '1048576']);
    assert.deepEqual(both('Max processes'), ['999', '999']);
    assert.deepEqual(both('Max address space'), ['536870912', '536870912']);
    assert.deepEqual(both('Max cpu time'), ['55', '55']);
    assert.deepEqual(both('Max core file size'), ['0', '0']);
  });
});

describe('the jail of a system', () => {
  it('is its own sandbox on macOS, which needs no other program', async () => {
    const programs = await findJailPrograms('/nonexistent', 'darwin');
    assert.equal(programs, null);
    const security = SecurityOptions.enabled().toSettings();
    using jail = prepareJail(withArgs, { programs, security, boxId: 'box' });
    assert.ok(jail.plan.args.includes('/usr/bin/sandbox-exec'));
    assert.equal(jail.plan.user, null);
  });

  it('is bubblewrap on Linux, and starting fails without', async () => {
    await assert.rejects(findJailPrograms('/nonexistent', 'linux'), {
      kind: 'Config',
      message: /bwrap.*install bubblewrap/,
    });
    const programs = await findJailPrograms(programPath(), 'linux');
    assert.match(programs?.bubblewrap ?? '', /\/bwrap$/);
  });
});

describe('the engines of a system', () => {
  it('are hvf and tcg on macOS', () => {
    assert.deepEqual(hostEngines('darwin'), ['hvf', 'tcg']);
    assert.doesNotThrow(() => requirePossible('hvf', 'darwin'));
    for (const engine of ['kvm', 'uml'] as const) {
      assert.throws(() => requirePossible(engine, 'darwin'), { kind: 'UnsupportedEngine' });
    }
  });

  it('are kvm, uml and tcg on Linux, and none elsewhere', () => {
    assert.deepEqual(hostEngines('linux'), ['kvm', 'uml', 'tcg']);
    assert.throws(() => requirePossible('hvf', 'linux'), { kind: 'UnsupportedEngine' });
    assert.deepEqual(hostEngines('win32'), []);
  });
});
