import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  candidateFolders,
  groupName,
  groupSettings,
  needsGroup,
  ownerOfGroup,
} from '../../src/jail/control-group.ts';
import { SecurityOptions } from '../../src/spec/security.ts';

const MIB = 1024 * 1024;
const mounts = (line: string) => `22 1 8:1 / / rw - ext4 /dev/sda1 rw\n${line}\n`;
const unified = mounts('30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw');

describe('candidateFolders()', () => {
  it('are the groups around ours, the outermost first', () => {
    assert.deepEqual(candidateFolders('0::/user.slice/user@1000.service/app.scope\n', unified), [
      '/sys/fs/cgroup',
      '/sys/fs/cgroup/user.slice',
      '/sys/fs/cgroup/user.slice/user@1000.service',
      '/sys/fs/cgroup/user.slice/user@1000.service/app.scope',
    ]);
  });

  it('is the root where that is ours, beside hierarchies of version 1', () => {
    const hybrid = mounts(
      '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n' +
        '41 31 0:37 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw',
    );
    assert.deepEqual(candidateFolders('4:memory:/a\n0::/\n', hybrid), ['/sys/fs/cgroup/uni fied']);
  });

  it('starts where a container sees its own part', () => {
    const part = mounts('30 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw');
    assert.deepEqual(candidateFolders('0::/docker/abc/x\n', part), [
      '/sys/fs/cgroup',
      '/sys/fs/cgroup/x',
    ]);
    assert.deepEqual(candidateFolders('0::/docker/abcd\n', part), []);
  });

  it('is none where we are in none that can be seen', () => {
    assert.deepEqual(candidateFolders('4:memory:/a\n', unified), []);
    assert.deepEqual(candidateFolders('0::/../other\n', unified), []);
    assert.deepEqual(candidateFolders('0::/a\n', mounts('')), []);
  });
});

describe('groupSettings()', () => {
  const size = { cpus: 2, memoryMib: 512 };
  const values = (security: SecurityOptions) =>
    Object.fromEntries(groupSettings(size, security).map(({ file, value }) => [file, value]));

  it('is what a box was given, and what its VMM needs', () => {
    assert.deepEqual(values(SecurityOptions.enabled()), {
      'memory.max': String(1024 * MIB),
      'memory.swap.max': String(1024 * MIB),
      'memory.oom.group': '1',
      'cpu.max': '300000 100000',
      'pids.max': '1026',
    });
  });

  it('is no more than what limits say', () => {
    const some = SecurityOptions.builder()
      .maxMemoryBytes(700 * MIB)
      .maxProcesses(50);
    assert.equal(values(some.build())['memory.max'], String(700 * MIB));
    assert.equal(values(some.build())['pids.max'], '52');
    assert.equal(values(SecurityOptions.standard())['pids.max'], undefined);
  });

  it('is only what limits say without a jail', () => {
    const free = SecurityOptions.builder().jailerEnabled(false).resourceLimits({});
    assert.deepEqual(values(free.build()), {});
    assert.deepEqual(values(free.maxProcesses(9).build()), { 'pids.max': '11' });
    assert.equal(values(free.maxMemoryBytes(MIB).build())['memory.max'], String(MIB));
  });

  it('is needed only where nothing else counts the processes of root', () => {
    const limited = SecurityOptions.builder().jailerEnabled(false).maxProcesses(9).build();
    assert.ok(needsGroup(limited, true));
    assert.ok(!needsGroup(limited, false));
    assert.ok(!needsGroup(SecurityOptions.enabled(), true));
    assert.ok(!needsGroup(SecurityOptions.disabled(), true));
    assert.ok(!needsGroup(SecurityOptions.builder().jailerEnabled(false).build(), true));
  });
});

describe('groupName()', () => {
  it('tells its owner, whoever that is', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.stringMatching(/^[0-9a-z]{1,26}$/), (...all) => {
        const [pid, start, namespace, box] = all;
        const owner = { pid, start: String(start), namespace: `pid:[${namespace}]` };
        const name = groupName({ ...owner, boot: 'this' }, box);
        assert.deepEqual(ownerOfGroup(name), owner);
        assert.match(name, /^[0-9a-z-]+$/);
      }),
    );
  });

  it('is no name that others give', () => {
    for (const name of ['', 'user.slice', '1-2-3', '1-2-3-', '1-2-3-a/b', 'x1-2-3-a']) {
      assert.equal(ownerOfGroup(name), null, name);
    }
  });
});
