import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { programPath } from '../../src/base/env.ts';
import { findProgram, findQemu, umlVmm } from '../../src/engine/vmm.ts';
import { BoxliteRuntime } from '../../src/index.ts';
import { runCommand } from '../../src/process/run.ts';
import { kvmRemedy } from '../../src/runtime/host-checks.ts';
import { findJailPrograms, requireDiskPrograms } from '../../src/runtime/jail-programs.ts';
import { makeFolder } from '../../src/runtime/own-folders.ts';

const folder = mkdtempSync(join(tmpdir(), 'boxlite-checks-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('what a host lacks', () => {
  it('is told with the package that has it', async () => {
    await assert.rejects(findJailPrograms(folder, 'linux'), {
      kind: 'Config',
      message: /apt-get install bubblewrap/,
    });
    await assert.rejects(requireDiskPrograms(folder), {
      kind: 'Config',
      message: /apt-get install e2fsprogs/,
    });
    await assert.rejects(findQemu('x64', folder, runCommand), { message: /install QEMU/ });
  });

  it('may be in other folders than an ordinary user has in PATH', async () => {
    await requireDiskPrograms(programPath());
  });

  it('is leave to use /dev/kvm', () => {
    assert.match(kvmRemedy({ mode: 0o20660, gid: 104 }), /^add the user to its group .*104/);
    assert.match(kvmRemedy({ mode: 0o20600, gid: 104 }), /chmod g\+rw .* add the user/);
    assert.match(kvmRemedy({ mode: 0o20660, gid: 0 }), /chgrp kvm .* add the user/);
  });

  it('is leave to execute a kernel where it is', async () => {
    const path = join(folder, 'linux');
    writeFileSync(path, '', { mode: 0o644 });
    const kernel = { path } as Parameters<typeof umlVmm>[0];
    await assert.rejects(umlVmm(kernel, runCommand), { kind: 'Engine', message: /BOXLITE_CACHE/ });
  });

  it('is a folder that can be made', () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    const message =
      /^Cannot make the cache ".*file\/sub": .*; name another folder with BOXLITE_CACHE$/;
    assert.throws(() => makeFolder('Cannot make the cache', join(path, 'sub'), 'BOXLITE_CACHE'), {
      kind: 'Storage',
      message,
    });
    const runtime = new BoxliteRuntime({ homeDir: join(path, 'home') });
    return assert.rejects(runtime.listInfo(), { kind: 'Storage', message: /BOXLITE_HOME$/ });
  });
});

describe('findQemu()', () => {
  it('finds the program that a link leads to', async () => {
    const name = 'qemu-system-x86_64';
    const real = (await findProgram(name, programPath())) ?? assert.fail('there is no QEMU');
    symlinkSync(real, join(folder, name));
    const { executable, libraries } = await findQemu('x64', folder, runCommand);
    assert.deepEqual([executable, libraries[0]], [real, real]);
  });
});
