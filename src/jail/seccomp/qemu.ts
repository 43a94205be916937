// pure
import { type AllowList, bits, inBand, is, type Rule } from './rule.ts';

/** linux/sched.h. */
const CLONE_THREAD = 0x0001_0000;
const CLONE_NAMESPACES = 0x7e02_0000;

/** asm-generic/ioctls.h. */
const TCGETS = 0x5401;
const TCSETS = 0x5402;

/** linux/kvm.h: all its requests are of this type, which is the second byte. */
const IOCTL_TYPE = 0xff00;
const KVM = 0xae00;

/** linux/prctl.h. */
const PR_SET_NAME = 15;
const PR_SET_TIMERSLACK = 29;

/** What QEMU calls, whatever accelerates it. */
export const qemuCalls: AllowList = [
  {
    calls: ['execve'],
    why: 'being started: bubblewrap installs the filter and then executes QEMU, in a root without other programs',
  },

  {
    calls: ['wait4', 'exit_group'],
    why: "the jail's init, which is bubblewrap under the same filter, waits for QEMU, and both end",
    when: 'it is not killed, as a box that is stopped is',
  },

  // A program and its threads.
  {
    calls: ['brk', 'mmap', 'munmap', 'mprotect', 'madvise'],
    why: 'libraries, heap, stacks, the guest memory, and translated code, which is written and then executed',
  },
  {
    calls: ['mremap'],
    why: 'growing large arrays in place',
    when: 'as the heap happens to be',
  },
  {
    calls: ['memfd_create', 'ftruncate'],
    why: 'the guest memory is a memfd',
  },
  {
    calls: ['clone'],
    why: 'threads: one per processor, for I/O, and for RCU; never a process, never a namespace',
    args: [bits(0, CLONE_NAMESPACES | CLONE_THREAD, CLONE_THREAD)],
  },
  {
    calls: ['futex', 'set_robust_list', 'rseq', 'set_tid_address', 'gettid'],
    why: 'threads wait for each other',
  },
  { calls: ['exit'], why: 'an I/O thread ends', when: 'it had nothing to do for ten seconds' },
  {
    calls: ['arch_prctl'],
    why: 'the loader places thread-local storage',
  },
  {
    calls: ['sched_getaffinity', 'sysinfo', 'prlimit64', 'getrandom'],
    why: 'libraries ask for processors, memory, the size of stacks and a seed as they start',
  },
  {
    calls: ['prctl'],
    why: 'timers without slack',
    args: [is(0, PR_SET_TIMERSLACK)],
  },
  {
    calls: ['prctl'],
    why: 'names of threads',
    args: [is(0, PR_SET_NAME)],
    when: 'QEMU was built to name them',
  },
  {
    calls: ['sched_yield', 'getpid', 'uname', 'getuid', 'geteuid', 'getgid', 'getegid'],
    why: 'harmless questions of libraries',
    when: 'with other versions of libraries',
  },

  // Signals, which also tell a processor thread to stop.
  {
    calls: ['rt_sigaction', 'rt_sigprocmask', 'signalfd4'],
    why: 'signals are read from a descriptor',
  },
  {
    calls: ['tgkill', 'rt_sigreturn', 'rt_sigtimedwait', 'rt_sigpending', 'sigaltstack'],
    why: 'a thread that runs a guest processor is interrupted by a signal',
    when: 'under hardware virtualisation',
  },
  { calls: ['restart_syscall'], why: 'a sleep goes on after SIGSTOP', when: 'it was stopped' },

  // Files: its libraries, the kernel, and disks that are there as descriptors.
  {
    calls: ['openat', 'read', 'close', 'newfstatat', 'lseek', 'access'],
    why: 'libraries, firmware, kernel and disks; the root is empty but for those',
  },
  {
    calls: ['readlink', 'statfs', 'fstatfs', 'pread64'],
    why: 'where its data is, and how a disk has to be read',
  },
  {
    calls: [
      'fstat',
      'statx',
      'open',
      'stat',
      'faccessat',
      'faccessat2',
      'readlinkat',
      'getdents64',
    ],
    why: 'the same as the two above',
    when: 'on arm64, and with other versions of libraries',
  },
  {
    calls: ['fcntl'],
    why: 'descriptors that do not block; locks and seals of files it has',
  },
  {
    calls: ['preadv', 'pwritev', 'pwrite64', 'fdatasync'],
    why: "the guest's disks",
  },
  {
    calls: ['fallocate', 'fsync'],
    why: 'the guest discards blocks or flushes a disk',
    when: 'the guest trims its disk',
  },
  {
    calls: ['fadvise64'],
    why: 'what has been read of a disk before is forgotten',
    when: 'the guest starts from a snapshot',
  },

  // The wire and the console.
  {
    calls: ['write', 'getsockopt', 'setsockopt'],
    why: 'the wire and the console',
  },
  { calls: ['writev'], why: 'the console', when: 'the guest prints something there' },
  { calls: ['recvmsg', 'sendmsg'], why: 'the wire', args: inBand },
  { calls: ['getpeername', 'getsockname'], why: 'the wire is asked what kind of socket it is' },
  {
    calls: ['readv', 'shutdown'],
    why: 'the wire',
    when: 'with other versions of QEMU, and as it ends',
  },
  {
    calls: ['ioctl'],
    why: 'whether the console is a terminal, and how fast a serial line is',
    args: [is(1, TCGETS)],
  },
  { calls: ['ioctl'], why: 'the guest sets the speed of its serial line', args: [is(1, TCSETS)] },

  // Waiting.
  {
    calls: ['ppoll', 'eventfd2', 'clock_nanosleep'],
    why: 'the event loop and its timers',
  },
  {
    calls: ['poll', 'epoll_create1', 'epoll_ctl', 'epoll_pwait', 'epoll_wait', 'nanosleep'],
    why: 'the event loop',
    when: 'with other versions of QEMU',
  },
  {
    calls: ['clock_gettime', 'gettimeofday', 'clock_getres', 'pipe2'],
    why: 'the time, where it cannot be read without a call',
    when: "the host's clock source is not the processor's",
  },
];

/** What QEMU also calls under KVM. */
export const kvmCalls: AllowList = [
  ...qemuCalls,
  {
    calls: ['ioctl'],
    why: 'KVM is made of ioctls of one type, on descriptors of /dev/kvm',
    args: [bits(1, IOCTL_TYPE, KVM)],
    when: 'under hardware virtualisation',
  } satisfies Rule,
];
