import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { VmmProcess } from '../../src/process/vmm.ts';
import type { LaunchPlan } from '../../src/spec/parts.ts';

const plan: LaunchPlan = {
  kind: 'qemu',
  executable: '/bin/sh',
  args: ['-c', 'echo said; exit 3'],
  env: {},
  files: [],
  libraries: [],
  devices: [],
  sharedMemoryBytes: 0,
  fixedAddresses: false,
  fileBytes: 0,
  descriptors: [],
  user: null,
};

test('VmmProcess tells how a program ended, and what it said', async () => {
  const vmm = await VmmProcess.start(plan);
  vmm.wire.resume();
  assert.deepEqual(await vmm.exited, { code: 3, signal: null });
  assert.equal(vmm.consoleTail, 'said\n');
});

test('VmmProcess has the other end of each socket of its plan, whatever is inherited between them', async () => {
  const file = openSync('/dev/null', 'r');
  const script = 'cat <&4 >&6; exec 6>&-; test -e /proc/self/fd/5';
  const descriptors = ['socket', file, 'socket'] as const;
  const vmm = await VmmProcess.start({ ...plan, args: ['-c', script], descriptors });
  closeSync(file);
  vmm.wire.resume();
  const [input, output] = vmm.sockets;
  assert.ok(input !== undefined && output !== undefined && vmm.sockets.length === 2);
  input.end('passed on');
  input.resume();
  assert.equal(await text(output), 'passed on');
  assert.deepEqual(await vmm.exited, { code: 0, signal: null });
});

test('VmmProcess.start() names what cannot be executed, whichever way Node tells it', async () => {
  // By an event, and at once: no argument may be as long as that.
  for (const wrong of [{ executable: '/nonexistent' }, { args: ['x'.repeat(1 << 20)] }]) {
    await assert.rejects(VmmProcess.start({ ...plan, ...wrong }), {
      kind: 'Engine',
      message: /^Cannot execute "\/(nonexistent|bin\/sh)": spawn /,
    });
  }
});
