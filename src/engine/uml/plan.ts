// pure
import type { LaunchPlan, Machine } from '../../spec/parts.ts';
import { type DescriptorPaths, inheritedDescriptors } from '../descriptors.ts';
import { guestParameters } from '../guest-parameters.ts';
import { diskNames, IMAGE_INSIDE, imageFile } from '../image-file.ts';

/** Parts of Debian's UML kernel that benchmark or register for a second and that no box uses. */
const SLOW_INITCALLS =
  'initcall_blacklist=raid6_select_algo,calibrate_xor_blocks,register_xor_blocks,init_btrfs_fs';

/** What old kernels load first is called this in the jail. */
const PRELOAD_INSIDE = '/box/preload.so';

/**
 * Where the guest's memory is made. UML would find it by itself, but without any variable (`PATH` does not
 * count) its stub processes die at the guest's first program.
 */
const ENVIRONMENT = { TMPDIR: '/dev/shm' };

/** What its console reads. */
const NULL_DEVICE = '/dev/null';

/** What UML needs in /dev/shm besides the guest's memory: its own page tables and stubs. */
const SHARED_MEMORY_EXTRA_BYTES = 32 * 1024 * 1024;

/** What there may be outside of the container: the kernel's own threads and files, the agent, 256 file workers. */
const OUTSIDE_PROCESSES = 320;

/** What UML's memory file, which has holes, is longer than the guest's memory. */
const MEMORY_MAP_EXTRA_BYTES = 2 * 1024 ** 3;

/**
 * A user-mode Linux invocation: the kernel is the program. The wire is serial line 0 on descriptor 3, the
 * console goes to standard output, the mailbox is a disk that is opened by descriptor.
 */
export function planUml(machine: Machine): LaunchPlan {
  const inherited = inheritedDescriptors(machine);
  const { preload } = machine;
  return {
    kind: machine.kernel.seccomp ? 'uml-seccomp' : 'uml-ptrace',
    executable: '/box/linux',
    args: [
      ...machineArguments(machine),
      ...consoleArguments(machine),
      ...diskArguments(inherited.paths),
      ...agentArguments(machine),
    ],
    env: preload === null ? ENVIRONMENT : { ...ENVIRONMENT, LD_PRELOAD: PRELOAD_INSIDE },
    files: [
      { hostPath: machine.kernel.path, inside: '/box/linux' },
      { hostPath: machine.initramfs, inside: '/box/initramfs' },
      ...(preload === null ? [] : [{ hostPath: preload, inside: PRELOAD_INSIDE }]),
      ...imageFile(machine),
    ],
    libraries: machine.vmm.libraries,
    devices: [NULL_DEVICE],
    sharedMemoryBytes: machine.memoryMib * 1024 * 1024 + SHARED_MEMORY_EXTRA_BYTES,
    // What lies between its end and a heap that is moved counts as memory: up to 1 GiB, and 16 MiB to describe it.
    fixedAddresses: true,
    fileBytes: Math.max(machine.disks?.boxBytes ?? 0, memoryFileBytes(machine)),
    descriptors: inherited.descriptors,
    user: null,
  };
}

/** The memory map begins with the kernel's text. On kernels that move their heap, a hole of up to 1 GiB is part of it. */
function memoryFileBytes({ memoryMib }: Machine): number {
  return memoryMib * 1024 * 1024 + MEMORY_MAP_EXTRA_BYTES;
}

function machineArguments({ kernel, memoryMib, cpus, loopsPerJiffy }: Machine): string[] {
  return [
    `mem=${memoryMib}M`,
    'initrd=/box/initramfs',
    // Where nothing can be made: UML would keep its pid in a folder, which one that is killed leaves behind.
    'uml_dir=/proc',
    ...guestParameters,
    ...(kernel.seccomp ? ['seccomp=on'] : []),
    ...(kernel.smp ? [`ncpus=${cpus}`] : []),
    ...(kernel.origin === 'distribution' ? [SLOW_INITCALLS] : []),
    ...(loopsPerJiffy === null ? [] : [`lpj=${loopsPerJiffy}`]),
  ];
}

/**
 * Only the lines in use: with `none` the other 78 are not even registered, which saves 5 ms. A boot that
 * calibrates has to be read, so it is not quiet.
 */
function consoleArguments({ loopsPerJiffy }: Machine): string[] {
  const lines = ['con=none', 'con0=null,fd:1', 'ssl=none', 'ssl0=fd:3'];
  return loopsPerJiffy === null ? lines : [...lines, 'quiet'];
}

/**
 * `d` keeps UML from looking for a copy-on-write header, by which a guest that writes one to its disk
 * would name a host file as backing file of its next boot. `r` is read-only.
 */
function diskArguments({ box, mailbox }: DescriptorPaths): string[] {
  return [
    ...(box === null ? [] : [`ubd0rd=${IMAGE_INSIDE}`, `ubd1d=${box}`]),
    ...(mailbox === null ? [] : [`ubd2rd=${mailbox}`]),
  ];
}

/**
 * How many processes a container may have: each is one of the host's, to which the kernel keeps a descriptor. If the
 * host refuses one, Linux 7.3 leaves its half-made address space in a list (`init_new_context()`) and soon hangs there,
 * so the guest's own limit has to come first. Null for no limit.
 */
function containerProcesses(limits: Machine['limits']): number | null {
  const host = Math.min(limits?.maxOpenFiles ?? Infinity, limits?.maxProcesses ?? Infinity);
  if (host === Infinity) return null;
  return Math.max(host - OUTSIDE_PROCESSES, Math.floor(host / 2));
}

/** The kernel hands what it does not know to the agent as environment. */
function agentArguments(machine: Machine): string[] {
  const processes = containerProcesses(machine.limits);
  return [
    'BOXLITE_WIRE=/dev/ttyS0',
    'BOXLITE_END=poweroff',
    ...diskNames(machine, '/dev/ubda', '/dev/ubdb'),
    ...(processes === null ? [] : [`BOXLITE_PROCESSES=${processes}`]),
    ...(machine.mailbox === null ? [] : ['BOXLITE_MAILBOX=/dev/ubdc']),
  ];
}
