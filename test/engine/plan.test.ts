import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { engines } from '../../src/engine/engine.ts';
import { parseLdd } from '../../src/engine/libraries.ts';
import { type JailInput, jailed, withHostPaths, withRoomFor } from '../../src/jail/jail.ts';
import type { EngineName, Kernel, LaunchPlan, Machine } from '../../src/spec/parts.ts';
import { SecurityOptions } from '../../src/spec/security.ts';

const kernel = (changes: Partial<Kernel> = {}): Kernel => ({
  flavor: 'vm',
  arch: 'x64',
  origin: 'own',
  version: '7.3.4',
  path: '/home/someone/kernel',
  modules: [],
  seccomp: false,
  smp: true,
  id: 'id',
  ...changes,
});

function plan(engine: EngineName, changes: Partial<Machine> = {}): LaunchPlan {
  const flavor = engine === 'uml' ? ('uml' as const) : ('vm' as const);
  return engines[engine].plan({
    engine,
    kernel: kernel({ flavor, seccomp: engine === 'uml' }),
    vmm: { executable: '/usr/bin/vmm', version: '1', libraries: ['/lib/libc.so'], memfd: true },
    initramfs: '/home/someone/initramfs',
    preload: null,
    cpus: 2,
    memoryMib: 128,
    disks: { image: '/home/someone/image', box: 21, boxBytes: 1024 ** 3 },
    loopsPerJiffy: 1234,
    mailbox: engine === 'uml' ? 22 : null,
    ...changes,
  });
}

const after = ({ args }: LaunchPlan, option: string) => args[args.indexOf(option) + 1];

describe('every plan', () => {
  for (const engine of ['uml', 'tcg', 'kvm', 'hvf'] as const) {
    it(`of ${engine} names no path of the host in the guest's sight`, () => {
      assert.doesNotMatch(plan(engine).args.join(' '), /someone/);
    });

    it(`of ${engine} hands over the box's disk by descriptor, and of the image none to write to`, () => {
      const { args, descriptors, files } = plan(engine);
      assert.equal(descriptors[0], 21);
      assert.match(args.join(' '), /\/box\/image.*\/dev\/fd\/4/);
      const image = files.find(({ inside }) => inside === '/box/image');
      assert.equal(image?.hostPath, '/home/someone/image');
    });

    it(`of ${engine} keeps the path of an image whole where it can see it`, () => {
      const odd = plan(engine, { disks: { image: '/some,one/$& image', box: 21, boxBytes: 1 } });
      const { args } = withHostPaths(odd, { opened: new Map() });
      const word = engine === 'uml' ? 'ubd0rd=/some,one/$& image' : 'file=/some,,one/$& image,';
      assert.ok(
        args.some((arg) => arg.includes(word)),
        args.join(' '),
      );
    });

    it(`of ${engine} has the kernel count none of its own memory for control groups`, () => {
      assert.match(plan(engine).args.join(' '), /cgroup\.memory=nokmem,nosocket/);
    });

    it(`of ${engine} is plain data, the same each time`, () => {
      assert.deepEqual(structuredClone(plan(engine)), plan(engine));
    });
  }
});

describe('planUml()', () => {
  it('says how much memory and how many processors', () => {
    const { args } = plan('uml', { cpus: 3, memoryMib: 300 });
    assert.ok(args.includes('mem=300M'));
    assert.ok(args.includes('ncpus=3'));
  });

  it('keeps UML from following a header the guest has written to its disk', () => {
    const { args } = plan('uml');
    assert.ok(args.includes('ubd0rd=/box/image'));
    assert.ok(args.includes('ubd1d=/dev/fd/4'));
    assert.ok(args.includes('ubd2rd=/dev/fd/5'));
  });

  it('has the guest make no more processes than the host will give', () => {
    const limits = { maxFileSize: null, maxMemory: null, maxCpuTime: null };
    const processes = (maxOpenFiles: number | null, maxProcesses: number | null) =>
      plan('uml', { limits: { ...limits, maxOpenFiles, maxProcesses } })
        .args.filter((arg) => arg.startsWith('BOXLITE_PROCESSES='))
        .join();
    assert.equal(processes(1024, 4096), 'BOXLITE_PROCESSES=704');
    assert.equal(processes(null, 100), 'BOXLITE_PROCESSES=50');
    assert.equal(processes(null, null), '');
    assert.doesNotMatch(plan('uml').args.join(' '), /PROCESSES/);
  });

  it('is quiet once the delay loop has been measured, and not before', () => {
    assert.ok(plan('uml').args.includes('quiet'));
    const aloud = plan('uml', { loopsPerJiffy: null }).args;
    assert.ok(!aloud.includes('quiet'));
    assert.ok(!aloud.some((word) => word.startsWith('lpj=')));
  });

  it('asks a kernel for no more than it can do', () => {
    const old = kernel({ flavor: 'uml', origin: 'distribution', smp: false });
    const { args } = plan('uml', { kernel: old });
    assert.ok(!args.some((word) => /^(seccomp|ncpus)=/.test(word)));
    assert.ok(args.some((word) => word.startsWith('initcall_blacklist=')));
  });
});

describe('planQemu()', () => {
  it('differs between tcg, kvm and hvf in the accelerator and the processor alone', () => {
    assert.match(after(plan('tcg'), '-accel') ?? '', /^tcg,thread=multi/);
    assert.equal(after(plan('kvm'), '-accel'), 'kvm');
    assert.equal(after(plan('hvf'), '-accel'), 'hvf');
    assert.equal(after(plan('kvm'), '-cpu'), 'host');
    assert.match(after(plan('tcg'), '-cpu') ?? '', /popcnt/);
  });

  it('keeps emulated memory in small pages where QEMU can', () => {
    const { args } = plan('tcg', { memoryMib: 300 });
    assert.match(args.join(' '), /memory-backend=memory .*memory-backend-memfd,.*size=300M/);
    const vmm = { executable: '/usr/bin/vmm', version: '1', libraries: [], memfd: false };
    for (const other of [plan('kvm'), plan('tcg', { vmm })]) {
      assert.doesNotMatch(other.args.join(' '), /memory-backend/);
    }
  });

  it('is the same machine for whoever makes a snapshot and for whoever starts from it', () => {
    const [saving, restoring] = (['save', 'restore'] as const).map((snapshot) =>
      plan('tcg', { snapshot, mailbox: 22 }),
    );
    assert.deepEqual(saving?.descriptors, [21, 22, 'socket']);
    assert.deepEqual(restoring?.descriptors, [21, 22, 'socket']);
    assert.deepEqual(restoring.args.slice(-2), ['-incoming', 'fd:6']);
    assert.deepEqual(saving.args.slice(-4), [
      ...['-chardev', 'socket,id=monitor,fd=6', '-mon', 'chardev=monitor,mode=control'],
    ]);
    const same = ({ args }: LaunchPlan, ends: number) =>
      args.slice(0, -ends).map((word) => word.replace(/memory-backend-(ram|memfd,share=on)/, ''));
    assert.deepEqual(same(saving, 4), same(restoring, 2));
    assert.match(after(saving, '-append') ?? '', /BOXLITE_SNAPSHOT=1/);
    assert.doesNotMatch(after(plan('tcg'), '-append') ?? '', /SNAPSHOT/);
  });

  it('gives /dev/kvm to kvm alone', () => {
    assert.deepEqual(plan('kvm').devices, ['/dev/urandom', '/dev/kvm']);
    assert.deepEqual(plan('tcg').devices, ['/dev/urandom']);
  });

  it('has no network, no monitor and no configuration of the user', () => {
    const { args } = plan('tcg');
    for (const option of ['-nodefaults', '-no-user-config', '-no-reboot'])
      assert.ok(args.includes(option));
    assert.ok(!args.some((word) => /netdev|^-nic|monitor|qmp/.test(word)));
  });

  it('uses the virt machine and its console on arm64', () => {
    const arm = plan('hvf', { kernel: kernel({ arch: 'arm64' }) });
    assert.equal(after(arm, '-M'), 'virt');
    assert.match(after(arm, '-append') ?? '', /console=ttyAMA0/);
    assert.doesNotMatch(after(arm, '-append') ?? '', /reboot=t|lpj=/);
  });
});

describe('withRoomFor()', () => {
  it('raises a limit of files by which the VMM could not write its own, and no other', () => {
    for (const [asked, limit] of [
      [null, null],
      [1, 4096],
      [4096, 4096],
      [8192, 8192],
    ] as const) {
      const builder = SecurityOptions.builder().resourceLimits({ maxFileSize: asked });
      const { resourceLimits } = withRoomFor({ fileBytes: 4096 }, builder.build().toSettings());
      assert.deepEqual(resourceLimits, { ...builder.build().resourceLimits, maxFileSize: limit });
    }
  });
});

describe('jailed()', () => {
  const input: JailInput = {
    programs: {
      bubblewrap: '/usr/bin/bwrap',
      prlimit: '/usr/bin/prlimit',
      setpriv: '/usr/bin/setpriv',
      setarch: '/usr/bin/setarch',
    },
    security: SecurityOptions.standard().toSettings(),
    filter: 99,
    user: null,
    opened: new Map([['/lib/libc.so', 77]]),
    root: null,
    environment: {},
  };
  const inside = jailed(plan('uml'), input);

  it('runs the plan in new namespaces, without capabilities, and ends with its parent', () => {
    assert.equal(inside.executable, '/usr/bin/setarch');
    assert.deepEqual(inside.args.slice(0, 3), ['--addr-no-randomize', '--', '/usr/bin/bwrap']);
    for (const option of [
      '--unshare-user',
      '--unshare-pid',
      '--unshare-net',
      '--die-with-parent',
      '--new-session',
    ]) {
      assert.ok(inside.args.includes(option), option);
    }
    assert.equal(after(inside, '--cap-drop'), 'ALL');
  });

  it('shows no variable of the host to who lists processes', () => {
    const { args, env } = jailed(plan('uml'), {
      ...input,
      security: SecurityOptions.builder().allowEnv('TOKEN').build(),
      environment: { TOKEN: 'secret', OTHER: 'kept' },
    });
    assert.doesNotMatch(args.join(' '), /secret|TOKEN/);
    assert.deepEqual(env, { TOKEN: 'secret' });
    assert.deepEqual(inside.env, {});
  });

  it('binds what the plan names, read-only, and nothing else', () => {
    const bound = inside.args.flatMap((word, i) =>
      /bind/.test(word) ? [[word, inside.args[i + 1]]] : [],
    );
    assert.deepEqual(bound, [
      ['--ro-bind', '/home/someone/kernel'],
      ['--ro-bind', '/home/someone/initramfs'],
      ['--ro-bind', '/home/someone/image'],
      ['--dev-bind', '/dev/null'],
    ]);
  });

  it('links what is open to its descriptor, and adds no mount of a /dev', () => {
    const linked = inside.args.flatMap((word, i) =>
      word === '--symlink' ? [inside.args.slice(i + 1, i + 3)] : [],
    );
    // The wire, the box's disk and the mailbox come first.
    assert.deepEqual(linked, [
      ['/proc/self/fd/6', '/lib/libc.so'],
      ['/proc/self/fd', '/dev/fd'],
    ]);
    assert.deepEqual(inside.descriptors.slice(2), [77, 99]);
    assert.ok(!inside.args.includes('--dev'));
  });

  it('ends with the command of the plan, as it was', () => {
    const { executable, args } = plan('uml');
    const end = inside.args.lastIndexOf('--');
    assert.deepEqual(inside.args.slice(end + 1), [executable, ...args]);
  });

  it('bounds the memory a taken-over VMM could fill', () => {
    const folders = inside.args.flatMap((word, i) =>
      word === '--size' ? [inside.args.slice(i + 1, i + 4)] : [],
    );
    assert.deepEqual(
      folders.map(([, , path]) => path),
      ['/dev/shm'],
    );
    for (const [bytes] of folders) assert.ok(Number(bytes) < 256 * 1024 * 1024);
    const readOnly = inside.args.flatMap((word, i) =>
      word === '--remount-ro' ? [inside.args[i + 1]] : [],
    );
    assert.deepEqual(readOnly, ['/']);
  });
});

describe('parseLdd()', () => {
  it('finds libraries and the loader', () => {
    const output = [
      '\tlinux-vdso.so.1 (0x00007ffd5d5f2000)',
      '\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2b1c000000)',
      '\tlibmissing.so => not found',
      '\t/lib64/ld-linux-x86-64.so.2 (0x00007f2b1c400000)',
    ].join('\n');
    assert.deepEqual(parseLdd(output), [
      '/lib/x86_64-linux-gnu/libc.so.6',
      '/lib64/ld-linux-x86-64.so.2',
    ]);
  });

  it('finds none in what it says of a static program', () => {
    assert.deepEqual(parseLdd('\tnot a dynamic executable\n'), []);
  });
});
