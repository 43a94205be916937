/**
 * Whether the lists of system calls are as long as they have to be: whole lives of boxes are watched with strace, under
 * their filters. What is called and not listed was refused, and is known here; what is listed is called.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cacheDir, programPath } from '../../src/base/env.ts';
import { BoxDisks } from '../../src/disk/box-disk.ts';
import { findProgram } from '../../src/engine/vmm.ts';
import { type EngineName, SecurityOptions } from '../../src/index.ts';
import { allowLists } from '../../src/jail/seccomp/filters.ts';
import { runCommand } from '../../src/process/run.ts';
import { jailedDiskTools } from '../../src/runtime/disk-tools.ts';
import { Host } from '../../src/runtime/host.ts';
import type { ProgramKind } from '../../src/spec/parts.ts';
import { folders, forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';

/** What comes of a call that is refused; of those with arguments like these, where they are told. */
type Refusal = string | { readonly why: string; readonly only: RegExp };

/** What is refused. */
const refused: Partial<Record<EngineName, Readonly<Record<string, Refusal>>>> = {
  uml: {
    clone3: 'the C library starts threads by clone instead, whose flags a filter can see',
    ptrace: 'a stub that was killed is also let go, which is not needed',
    ioctl: 'UML asks for the size of the window, of which the console has none',
    rt_sigreturn: 'this is what a call of the guest came to',
    writev: {
      why: 'a kernel that has powered off and is slow to leave may abort, and cannot say so; its box is over',
      only: /"stack smashing detected"/,
    },
  },
  tcg: {
    clone3: 'the C library starts threads by clone instead, whose flags a filter can see',
    io_uring_setup: 'QEMU waits by ppoll instead',
    seccomp: 'QEMU asks whether it could filter itself',
    get_mempolicy: 'libnuma asks where memory would be',
    set_mempolicy: 'libnuma tries where memory could be',
    prctl: 'QEMU asks for signals when memory is broken',
  },
};

const path = process.env['PATH'];
/** Where also the user of a box may go, when root runs this. */
const scratch = mkdtempSync(join(folders.homes, '../../boxlite-watched-'));

/** Puts a bubblewrap first in the PATH that is watched. */
async function watchBubblewrap(): Promise<void> {
  const bubblewrap = await findProgram('bwrap', programPath());
  const strace = await findProgram('strace', programPath());
  assert.ok(bubblewrap !== null && strace !== null);
  const script = join(scratch, 'bwrap');
  const trace = `${strace} -f -o "${scratch}/trace.$$"`;
  writeFileSync(script, `#!/bin/sh\nexec ${trace} ${bubblewrap} "$@"\n`);
  chmodSync(script, 0o755);
  // As root the one that is watched is another user.
  chmodSync(scratch, 0o777);
  process.env['PATH'] = `${scratch}:${path}`;
}

/** One call in strace's words. */
interface Called {
  readonly name: string;
  /** The line that tells of it. */
  readonly line: string;
  /** How it was refused, from its beginning; null if it was not. */
  readonly refused: string | null;
}

/**
 * The VMM's calls, from when bubblewrap has executed it. What a guest's program calls is stopped by a signal of UML's
 * filter, which strace tells in the next line of that process. So a call that is the last line of one was cut short by
 * its end, and nobody knows what would have become of it.
 */
function callsIn(trace: string, vmm: RegExp): Called[] {
  const before = new Set<string>();
  const last = new Map<string, Called>();
  const calls: Called[] = [];
  let started = false;
  for (const line of trace.split('\n')) {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (!started && vmm.test(rest)) {
      started = true;
      before.delete(pid);
    }
    if (!started) before.add(pid);
    if (!started || before.has(pid)) continue;
    const previous = last.get(pid);
    if (rest.startsWith('--- SIGSYS')) {
      last.delete(pid);
    } else if (/^(?:\w+\(|\+\+\+ exited)/.test(rest)) {
      if (previous !== undefined) calls.push(previous);
      const name = rest.slice(0, rest.indexOf('('));
      last.set(pid, { name, line, refused: isRefused(rest) ? line : null });
    } else if (rest.startsWith('<...') && isRefused(rest) && previous !== undefined) {
      last.set(pid, { ...previous, refused: `${previous.line} ${rest}` });
    }
  }
  return calls;
}

function isRefused(line: string): boolean {
  return / = -1 ENOSYS /.test(line);
}

async function liveABox(engine: EngineName): Promise<void> {
  await using owner = new TestRuntime(engine);
  await using service = await listening();
  const shared = mkdtempSync(join(folders.homes, 'volume-'));
  const box = await owner.makeBox({
    cpus: 2,
    memoryMib: 256,
    diskSizeGb: 1,
    autoRemove: false,
    volumes: [{ hostPath: shared, guestPath: '/shared' }],
  });
  // By the network, and to a volume.
  const { stdout } = await shell(
    box,
    `wget -q -O - http://192.168.127.254:${service.port}/ | tee /shared/file`,
  );
  assert.equal(stdout, 'from the host\n');
  assert.equal(readFileSync(join(shared, 'file'), 'utf8'), 'from the host\n');
  const script =
    'head -c 300000 /dev/urandom > /file; sync; md5sum /file; (true & true); sleep 0.2';
  await (await box.run(['sh', '-c', script])).output();
  const reader = await box.run(['wc', '-c']);
  const stdin = reader.stdin();
  await stdin?.write(new Uint8Array(1_000_000));
  await stdin?.close();
  assert.equal((await reader.output()).stdout.trim(), '1000000');
  await box.stop();
  // On a disk that has been used, and has grown.
  await box.start({ diskSizeGb: 2 });
  assert.equal(
    (await shell(box, 'head -c 10000000 /dev/zero > /more; wc -c < /file')).stdout,
    '300000\n',
  );
  await box.stop();
  rmSync(shared, { recursive: true });
}

/** A web server of one page on the host's loopback. */
async function listening(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => response.end('from the host\n'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A disk that was not unmounted in order is repaired, and grows. */
async function wearADisk(): Promise<void> {
  const folder = mkdtempSync(join(folders.homes, 'disk-'));
  try {
    const path = join(folder, 'disk');
    const disks = new BoxDisks(cacheDir(), runCommand);
    await (await disks.create({ path }, 1)).close();
    execFileSync('debugfs', ['-w', '-R', 'set_super_value state 0', path], { stdio: 'pipe' });
    const host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
    const security = SecurityOptions.enabled();
    const file = await disks.reopen(path, 3, jailedDiskTools(host, { security, boxId: 'disk' }));
    await file?.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the program called while `live` was watched. */
async function watch(program: RegExp, live: () => Promise<void>): Promise<Called[]> {
  await watchBubblewrap();
  try {
    await live();
    const traces = readdirSync(scratch).filter((name) => name.startsWith('trace.'));
    return traces.flatMap((name) => callsIn(readFileSync(join(scratch, name), 'utf8'), program));
  } finally {
    process.env['PATH'] = path;
    for (const name of readdirSync(scratch)) rmSync(join(scratch, name));
  }
}

function isKnown(refusal: Refusal | undefined, line: string): boolean {
  return typeof refusal === 'object' ? refusal.only.test(line) : refusal !== undefined;
}

/** Defines what is expected of a list, given what was called. */
function expectTheList(
  kind: ProgramKind,
  known: Readonly<Record<string, Refusal>>,
  called: () => Called[],
): void {
  it('is not too short: what is refused is known', () => {
    const unknown = called().filter(
      ({ name, refused }) => refused && !isKnown(known[name], refused),
    );
    assert.deepEqual(
      unknown.map(({ refused }) => refused),
      [],
    );
  });

  it('is not too long: what is listed is called', () => {
    const names = new Set(
      called()
        .filter((call) => !call.refused)
        .map(({ name }) => name),
    );
    const needed = allowLists[kind].filter(({ when }) => when === undefined);
    assert.deepEqual(
      needed.flatMap(({ calls }) => calls).filter((name) => !names.has(name)),
      [],
    );
  });
}

describe('the list of system calls of what reads old disks', () => {
  let called: Called[];
  before(async () => {
    called = await watch(/^execve\("[^"]*\/(e2fsck|resize2fs)"/, wearADisk);
  });
  const known = {
    clone3: 'the C library starts threads by clone instead, whose flags a filter can see',
    ioctl: 'whether the disk is a device, and its output a terminal',
  };
  expectTheList('disk-tool', known, () => called);
});

/** One in ptrace mode traces its own processes, and a process has one tracer. */
const traces = process.arch === 'x64' && !(await kernelOf('uml')).seccomp;

forEachEngine((engine) => {
  const skip = engine === 'uml' && traces && 'strace cannot watch a kernel without seccomp mode';
  describe('the list of system calls', { skip }, () => {
    const kind = engine === 'uml' ? 'uml-seccomp' : 'qemu';
    const vmm = engine === 'uml' ? /^execve\("\/box\/linux"/ : /^execve\("[^"]*qemu-system/;
    let called: Called[];

    before(async () => {
      called = await watch(vmm, () => liveABox(engine));
    });
    expectTheList(kind, refused[engine] ?? {}, () => called);
  });
});

after(() => rmSync(scratch, { recursive: true, force: true }));
