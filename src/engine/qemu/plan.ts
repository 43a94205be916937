// pure
import type { LaunchPlan, Machine } from '../../spec/parts.ts';
import { type DescriptorPaths, inheritedDescriptors } from '../descriptors.ts';
import { guestParameters } from '../guest-parameters.ts';
import { diskNames, IMAGE_INSIDE, imageFile } from '../image-file.ts';

/** Translated code of an emulated guest, in MiB: QEMU's default of 1 GiB would be the box's largest part. */
const TRANSLATION_MIB = 128;

/**
 * What TCG emulates of a processor: x86-64-v2, which today's distributions are compiled for. `max` and
 * most named models hang in clock calibration on the microvm machine.
 */
const EMULATED_X64 = 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+lahf_lm';

/**
 * Ports 0 and 1, of which the first is reserved for a console. The default of 31 makes the guest set up 64
 * queues of 1024 entries each: a sixth of an emulated boot, and 5 MiB.
 */
const WIRE_PORTS = 'max_ports=2';

/** Libraries of QEMU's read it as they start. */
const RANDOM_DEVICE = '/dev/urandom';

/** What the kernel keeps for each processor lies in huge pages otherwise, which is 1 MiB more of a small guest. */
const SMALL_PROCESSOR_AREAS = 'percpu_alloc=page';

/** The delay loop's length does not matter where nothing waits in it; calibrating it takes 0.1 s. */
const EMULATED_LOOPS_PER_JIFFY = 4_000_000;

/**
 * A PC without what a box does not use. The distribution's kernels need one: on `microvm` they find their
 * devices by ACPI only, which then hides the PIT from them, so that on a busy host, where they cannot measure
 * the TSC against the PIT, emulated ones wait for ever for a tick. A PC has an HPET to measure against.
 */
const PC = 'q35,sata=off,smbus=off,usb=off,vmport=off';

/**
 * A QEMU invocation for `kvm`, `hvf` and `tcg`, which differ in one flag. The machine is `microvm` for our own
 * kernels, a PC for the distribution's, and `virt` on arm64; the wire is a virtio serial port on descriptor 3, the console goes to standard output.
 */
export function planQemu(machine: Machine): LaunchPlan {
  const inherited = inheritedDescriptors(machine);
  return {
    kind: machine.engine === 'kvm' ? 'qemu-kvm' : 'qemu',
    executable: machine.vmm.executable,
    args: [
      ...machineArguments(machine),
      ...memoryArguments(machine),
      '-smp',
      String(machine.cpus),
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      // The guest ends itself by a reset, which this makes an exit.
      '-no-reboot',
      '-serial',
      'stdio',
      '-kernel',
      '/box/kernel',
      '-initrd',
      '/box/initramfs',
      '-append',
      kernelCommandLine(machine).join(' '),
      '-chardev',
      'socket,id=wire,fd=3',
      '-device',
      `virtio-serial-${bus(machine)},${WIRE_PORTS}`,
      '-device',
      'virtserialport,chardev=wire,name=portal',
      ...diskArguments(inherited.paths, bus(machine)),
      ...snapshotArguments(machine, inherited.paths),
    ],
    env: {},
    files: [
      { hostPath: machine.kernel.path, inside: '/box/kernel' },
      { hostPath: machine.initramfs, inside: '/box/initramfs' },
      ...imageFile(machine),
    ],
    libraries: machine.vmm.libraries,
    devices: [RANDOM_DEVICE, ...(machine.engine === 'kvm' ? ['/dev/kvm'] : [])],
    sharedMemoryBytes: 0,
    fixedAddresses: false,
    fileBytes: Math.max(machine.disks?.boxBytes ?? 0, machine.memoryMib * 1024 * 1024),
    descriptors: inherited.descriptors,
    user: null,
  };
}

function machineArguments(machine: Machine): string[] {
  const { engine, kernel } = machine;
  const emulated = engine === 'tcg';
  const memory = inMemfd(machine) ? ',memory-backend=memory' : '';
  const accelerator = emulated ? `tcg,thread=multi,tb-size=${TRANSLATION_MIB}` : engine;
  if (kernel.arch === 'arm64') {
    return ['-M', `virt${memory}`, '-accel', accelerator, '-cpu', emulated ? 'max' : 'host'];
  }
  // Without these three timers an emulated guest hangs when it calibrates its clock.
  const timers = emulated ? 'pit=on,pic=on,rtc=on' : 'pit=off,pic=off,rtc=on';
  const board = onPc(machine) ? PC : `microvm,${timers},acpi=off,x-option-roms=off`;
  return [
    '-M',
    `${board}${memory}`,
    '-accel',
    accelerator,
    '-cpu',
    emulated ? EMULATED_X64 : 'host',
  ];
}

function onPc({ kernel }: Machine): boolean {
  return kernel.arch === 'x64' && kernel.origin === 'distribution';
}

/** How QEMU calls the devices of a bus: those without one are mapped into memory. */
function bus(machine: Machine): 'pci' | 'device' {
  return onPc(machine) ? 'pci' : 'device';
}

/**
 * Whether the guest's memory is a memfd, which has small pages: QEMU asks for huge ones otherwise, and then
 * a guest that has touched 25 MiB holds 40. Only hardware that translates addresses gains by those.
 */
function inMemfd({ engine, vmm }: Machine): boolean {
  return engine === 'tcg' && vmm.memfd;
}

function memoryArguments(machine: Machine): string[] {
  const size = ['-m', String(machine.memoryMib)];
  if (!inMemfd(machine)) return size;
  // All of it is read to be saved, which a memfd would be filled by.
  const kind = machine.snapshot === 'save' ? 'ram' : 'memfd,share=on';
  return [...size, '-object', `memory-backend-${kind},id=memory,size=${machine.memoryMib}M`];
}

function kernelCommandLine(machine: Machine): string[] {
  const { kernel, engine, loopsPerJiffy } = machine;
  const x64 = kernel.arch === 'x64';
  return [
    `console=${x64 ? 'ttyS0' : 'ttyAMA0'}`,
    'quiet',
    'panic=-1',
    ...guestParameters,
    ...(x64 ? ['reboot=t', SMALL_PROCESSOR_AREAS] : []),
    ...(x64 && engine === 'tcg'
      ? ['no_timer_check', 'tsc=reliable', `lpj=${loopsPerJiffy ?? EMULATED_LOOPS_PER_JIFFY}`]
      : []),
    'BOXLITE_WIRE=/dev/vport0p1',
    ...(machine.mailbox === null ? [] : [`BOXLITE_MAILBOX=${mailboxDisk(machine)}`]),
    'BOXLITE_END=reset',
    ...(machine.snapshot === undefined ? [] : ['BOXLITE_SNAPSHOT=1']),
    ...diskNames(machine, '/dev/vda', '/dev/vdb'),
  ];
}

function diskArguments({ box, mailbox }: DescriptorPaths, on: 'pci' | 'device'): string[] {
  const readOnly = 'format=raw,if=none,readonly=on,file.locking=off';
  const drives = [
    ...(box === null ? [] : [`id=image,file=${IMAGE_INSIDE},${readOnly}`]),
    ...(box === null ? [] : [`id=box,file=${box},format=raw,if=none,discard=unmap`]),
    ...(mailbox === null ? [] : [`id=mailbox,file=${mailbox},${readOnly}`]),
  ];
  const names = drives.map((drive) => drive.slice('id='.length, drive.indexOf(',')));
  return [
    ...drives.flatMap((drive) => ['-drive', drive]),
    ...names.flatMap((name) => ['-device', `virtio-blk-${on},drive=${name}`]),
  ];
}

/** The devices of whoever starts from a snapshot are those of the guest it was made of. */
function snapshotArguments(
  { snapshot: use }: Machine,
  { snapshot: socket }: DescriptorPaths,
): string[] {
  if (use === undefined) return [];
  if (use === 'restore') return ['-incoming', `fd:${socket}`];
  return ['-chardev', `socket,id=monitor,fd=${socket}`, '-mon', 'chardev=monitor,mode=control'];
}

/** It comes behind the box's disks, where there are any. */
function mailboxDisk({ disks }: Machine): string {
  return disks === null ? '/dev/vda' : '/dev/vdc';
}
