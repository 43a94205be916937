import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sandboxed } from '../../src/jail/sandbox.ts';
import { sandboxProfile } from '../../src/jail/sandbox-profile.ts';
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
  descriptors: [],
  shared: [],
  user: null,
};

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
  const withArgs = { ...plan, args: ['-kernel', '/box/kernel'] };

  it('runs the plan under our profile, with the paths of the host', () => {
    const security = SecurityOptions.enabled().toSettings();
    const { executable, args, env } = sandboxed(withArgs, { security, environment });
    assert.equal(executable, '/usr/bin/sandbox-exec');
    const host = plan.files[0]?.hostPath;
    assert.deepEqual(args.slice(2), [plan.executable, '-kernel', host]);
    assert.equal(args[0], '-p');
    assert.equal(args[1], sandboxProfile(withArgs, true));
    assert.deepEqual(env, {});
  });

  it('takes the profile that is named, and leaves the variables that are', () => {
    const security = SecurityOptions.builder().sandboxProfile('/p.sb').allowEnv('LANG').build();
    const { args, env } = sandboxed(withArgs, { security, environment });
    assert.deepEqual(args.slice(0, 2), ['-f', '/p.sb']);
    assert.deepEqual(env, { LANG: 'C' });
  });

  it('leaves the VMM as it is without the jailer', () => {
    const security = SecurityOptions.disabled().toSettings();
    assert.equal(sandboxed(withArgs, { security, environment }).executable, plan.executable);
  });
});
