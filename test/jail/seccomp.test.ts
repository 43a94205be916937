import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { filterFile } from '../../src/jail/filter-file.ts';
import { compile, verdicts } from '../../src/jail/seccomp/compile.ts';
import { allowLists, filterFor } from '../../src/jail/seccomp/filters.ts';
import { type SyscallName, syscallNumbers } from '../../src/jail/seccomp/numbers.ts';
import type { AllowList, ArgumentTest } from '../../src/jail/seccomp/rule.ts';
import type { Architecture, ProgramKind } from '../../src/spec/parts.ts';
import { decide } from './bpf.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const audit: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const architectures = ['x64', 'arm64'] as const;
const kinds = Object.keys(allowLists) as ProgramKind[];
const NUMBERS = 470;
const X32_BIT = 0x40000000;
const ENOSYS = 38;
const ENOTTY = 25;
const SIGSYS = 'SIGSYS';

/** What a list says of a call, read as it is written. */
function allowed(list: AllowList, arch: Architecture, number: number, args: readonly bigint[]) {
  const passes = ({ index, mask, equals }: ArgumentTest) => ((args[index] ?? 0n) & mask) === equals;
  return list.some(
    (rule) =>
      rule.calls.some((call) => syscallNumbers[call][arch] === number) &&
      (rule.args ?? []).every(passes),
  );
}

/** Arguments that the list's own tests ask for, and others near them. */
function interestingArguments(list: AllowList): bigint[][] {
  const values = new Set<bigint>([0n, 1n, 0xffffffffffffffffn]);
  for (const { args = [] } of list) {
    for (const { mask, equals } of args) {
      values.add(equals);
      values.add(equals ^ 1n);
      values.add(equals | (1n << 40n));
      values.add(equals | (mask & (1n << 28n)));
      values.add(equals | 0x11n);
    }
  }
  return [...values].flatMap((first) => [
    [first, 0n, 0n],
    [0n, first, 0n],
  ]);
}

/** The same list, made by libseccomp. */
function byLibseccomp(list: AllowList, arch: Architecture): Uint8Array {
  const rules = list.flatMap(({ calls, args = [] }) =>
    calls.map((call) => ({
      call,
      optional: syscallNumbers[call][arch] === null,
      args: args.map(({ index, mask, equals }) => ({
        index,
        mask: String(mask),
        equals: String(equals),
      })),
    })),
  );
  const input = JSON.stringify({ arch: audit[arch], refuse: verdicts.refuse, rules });
  return execFileSync('python3', [join(here, 'libseccomp.py')], { input });
}

/** The numbers of Linux's header for programs. */
function headerNumbers(arch: Architecture): Map<string, number> {
  const header = arch === 'x64' ? '<asm/unistd_64.h>' : '<asm-generic/unistd.h>';
  const input = `#include ${header}\n`;
  // What asm-generic leaves to the architecture is so on arm64.
  const bits = arch === 'x64' ? [] : ['-D__BITS_PER_LONG=64', '-D__ARCH_WANT_NEW_STAT'];
  const text = execFileSync('gcc', ['-E', '-dM', ...bits, '-xc', '-'], { input, encoding: 'utf8' });
  const macros = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^#define (__NR\w*) (\w+)$/gm)) {
    macros.set(name, value);
  }
  const numbers = new Map<string, number>();
  for (const [name, value] of macros) {
    const number = Number(macros.get(value) ?? value);
    if (Number.isInteger(number)) numbers.set(name.replace(/^__NR_/, ''), number);
  }
  return numbers;
}

describe('syscallNumbers', () => {
  it('are those of the kernel’s headers for x86-64', {
    skip: process.arch !== 'x64' && 'they are x86-64’s',
  }, () => {
    const numbers = headerNumbers('x64');
    for (const [name, { x64 }] of Object.entries(syscallNumbers)) {
      assert.equal(x64, numbers.get(name) ?? null, name);
    }
  });

  it('are those of the kernel’s headers for arm64', () => {
    const numbers = headerNumbers('arm64');
    // They are called otherwise in the header that all newer architectures share.
    const aliases: Readonly<Record<string, string>> = { newfstatat: 'fstatat' };
    for (const [name, { arm64 }] of Object.entries(syscallNumbers)) {
      assert.equal(arm64, numbers.get(name) ?? numbers.get(aliases[name] ?? '') ?? null, name);
    }
  });
});

for (const kind of kinds) {
  describe(`the filter for ${kind}`, () => {
    const list = allowLists[kind];

    for (const arch of architectures) {
      it(`decides as libseccomp's for ${arch} does`, () => {
        const ours = filterFor(kind, arch);
        const theirs = byLibseccomp(list, arch);
        for (let number = 0; number < NUMBERS; number++) {
          for (const args of interestingArguments(list)) {
            const call = { arch: audit[arch], number, args };
            if (decide(ours, call) !== decide(theirs, call)) assert.fail(`${number}(${args})`);
          }
        }
      });

      it(`allows on ${arch} what is in the list, and nothing else`, () => {
        const filter = filterFor(kind, arch);
        const argument = fc.oneof(
          fc.constantFrom(...interestingArguments(list).flat()),
          fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
        );
        const args = fc.array(argument, { minLength: 6, maxLength: 6 });
        fc.assert(
          fc.property(fc.integer({ min: 0, max: NUMBERS }), args, (number, given) => {
            const expected = allowed(list, arch, number, given) ? verdicts.allow : verdicts.refuse;
            assert.equal(decide(filter, { arch: audit[arch], number, args: given }), expected);
          }),
          { numRuns: 2000 },
        );
      });

      it(`ends a process that calls as another architecture than ${arch}`, () => {
        const filter = filterFor(kind, arch);
        for (const other of [0x40000003, 0x40000028, audit[arch === 'x64' ? 'arm64' : 'x64']]) {
          for (let number = 0; number < NUMBERS; number++) {
            assert.equal(decide(filter, { arch: other, number }), verdicts.killProcess);
          }
        }
      });
    }

    it('refuses x32', () => {
      for (let number = 0; number < NUMBERS; number++) {
        const call = { arch: audit.x64, number: X32_BIT | number };
        assert.equal(decide(filterFor(kind, 'x64'), call), verdicts.refuse);
      }
    });

    it('says of every entry why it is there', () => {
      for (const { why, when, calls } of list) {
        assert.ok(why.length > 4 && when !== '', calls.join());
      }
    });

    it('lets no message be out of band', () => {
      for (const arch of architectures) {
        const filter = filterFor(kind, arch);
        for (const name of ['sendmsg', 'recvmsg'] as const) {
          const number = syscallNumbers[name][arch];
          for (const flags of [1n, 0x4001n, 0x1_0000_0001n]) {
            const call = { arch: audit[arch], number, args: [3n, 0n, flags] };
            assert.equal(decide(filter, call), verdicts.refuse);
          }
        }
      }
    });

    it('has none of what a taken-over VMM would want', () => {
      const names: readonly string[] = list.flatMap(({ calls }): readonly SyscallName[] => calls);
      const unwanted =
        /^(mount|umount2|pivot_root|unshare|setns|bpf|keyctl|add_key|userfaultfd|io_uring_\w+|socket|connect|bind|init_module|finit_module|kexec_load|perf_event_open|process_vm_\w+|open_by_handle_at|clone3|chroot|setuid|setgid|chmod|chown)$/;
      assert.deepEqual(
        names.filter((name) => unwanted.test(name)),
        [],
      );
    });
  });
}

describe('compile()', () => {
  it('makes a program for an empty list that refuses everything', () => {
    const filter = compile([], 'x64');
    assert.equal(decide(filter, { arch: audit.x64, number: 0 }), verdicts.refuse);
  });

  it('is done once for each VMM', () => {
    assert.equal(filterFor('qemu', 'x64'), filterFor('qemu', 'x64'));
  });
});

describe('the kernel', { skip: process.platform !== 'linux' && 'only Linux has filters' }, () => {
  /** Runs the program under the filter, as bubblewrap installs it. */
  function run(...args: string[]) {
    const scratch = mkdtempSync(join(tmpdir(), 'try-calls-'));
    try {
      const program = join(scratch, 'try-calls');
      execFileSync('gcc', [
        ...['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-static', '-o', program],
        join(here, 'programs/try-calls.c'),
      ]);
      const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
      using filter = filterFile(filterFor('qemu', arch), [scratch]);
      return spawnSync(
        'bwrap',
        [
          '--dev-bind',
          '/',
          '/',
          '--as-pid-1',
          '--unshare-pid',
          '--seccomp',
          '3',
          '--',
          program,
          ...args,
        ],
        { stdio: ['ignore', 'pipe', 'pipe', filter.descriptor], encoding: 'utf8' },
      );
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  it('takes our filter, and does what it says', () => {
    const { stdout, stderr, status } = run();
    assert.equal(status, 0, stderr);
    const errors = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => [line.replace(/ \d+$/, ''), Number(/\d+$/.exec(line)?.[0])]),
    );
    assert.deepEqual(errors, {
      getpid: 0,
      mmap: 0,
      'ioctl TCGETS': ENOTTY,
      'ioctl TIOCSTI': ENOSYS,
      'clone of a process': ENOSYS,
      unshare: ENOSYS,
      socket: ENOSYS,
      mount: ENOSYS,
      bpf: ENOSYS,
      io_uring_setup: ENOSYS,
      unknown: ENOSYS,
      ...(process.arch === 'x64' ? { 'x32 getpid': ENOSYS } : {}),
    });
  });

  it('ends a program that calls as i386', {
    skip: process.arch !== 'x64' && 'they are x86-64’s',
  }, () => {
    // Without the filter it lives, where the kernel has i386 at all.
    const { stdout, status, signal } = run('i386');
    assert.doesNotMatch(stdout, /alive/);
    assert.ok(signal === SIGSYS || status === 128 + 31, `${status} ${signal}`);
  });
});
