// pure
import { type AllowList, bits, inBand, is, type Rule } from './rule.ts';

/** linux/sched.h. */
const CLONE_NAMESPACES = 0x7e02_0000;

/** asm-generic/ioctls.h. */
const terminalRequests = {
  TCGETS: 0x5401,
  TCSETSW: 0x5403,
  TIOCGPTPEER: 0x5441,
  TIOCGPTN: 0x8004_5430,
  TIOCSPTLCK: 0x4004_5431,
};

/** linux/prctl.h. */
const processOptions = { PR_SET_PDEATHSIG: 1, PR_SET_NAME: 15, PR_SET_NO_NEW_PRIVS: 38 };

/** linux/ptrace.h and asm/ptrace-abi.h. */
const traceRequests = {
  PTRACE_TRACEME: 0,
  PTRACE_PEEKUSER: 3,
  PTRACE_POKEUSER: 6,
  PTRACE_CONT: 7,
  PTRACE_KILL: 8,
  PTRACE_SINGLESTEP: 9,
  PTRACE_GETREGS: 12,
  PTRACE_SETREGS: 13,
  PTRACE_GETFPREGS: 14,
  PTRACE_SETFPREGS: 15,
  PTRACE_OLDSETOPTIONS: 21,
  PTRACE_SYSCALL: 24,
  PTRACE_ARCH_PRCTL: 30,
  PTRACE_SYSEMU: 31,
  PTRACE_SYSEMU_SINGLESTEP: 32,
  PTRACE_SETOPTIONS: 0x4200,
  PTRACE_GETSIGINFO: 0x4202,
  PTRACE_GETREGSET: 0x4204,
  PTRACE_SETREGSET: 0x4205,
};

/** linux/personality.h: all but ADDR_NO_RANDOMIZE. */
const OTHER_PERSONALITIES = 0xfffb_ffff;
/** linux/seccomp.h. */
const SECCOMP_SET_MODE_FILTER = 1;
/** linux/socket.h. */
const AF_UNIX = 1;

/** One rule for each number that argument `index` may be. */
function oneOf(
  call: 'ioctl' | 'prctl' | 'ptrace',
  index: number,
  values: Readonly<Record<string, number>>,
  about: Pick<Rule, 'why' | 'when'>,
): AllowList {
  return Object.values(values).map(
    (value): Rule => ({
      calls: [call],
      args: [is(index, value)],
      ...about,
    }),
  );
}

/**
 * What user-mode Linux calls for itself. The guest's programs run in its stub processes, which inherit this
 * filter. What those programs call does not get here: in seccomp mode a filter of UML's says "trap", which counts
 * more than our "refuse"; in ptrace mode the tracer takes it. For the same reason nothing here may be "kill".
 */
const commonCalls: AllowList = [
  {
    calls: ['execve'],
    why: 'being started: bubblewrap installs the filter and executes UML',
  },
  {
    calls: ['personality'],
    why: 'asks for what it was started with: no address randomisation, and nothing else',
    args: [bits(0, OTHER_PERSONALITIES, 0)],
  },

  // Memory, its own and the guest's, which is a file in /dev/shm.
  {
    calls: ['brk', 'mmap', 'munmap', 'mprotect'],
    why: "its memory, and the stubs' pages of guest programs",
  },
  { calls: ['madvise'], why: 'gives memory of the guest back', when: 'the guest unplugs memory' },

  // Stubs: a process for each address space of the guest.
  {
    calls: ['clone'],
    why: 'stubs, and threads for disks and processors; never a namespace',
    args: [bits(0, CLONE_NAMESPACES, 0)],
  },
  { calls: ['wait4', 'kill'], why: 'stubs end, are ended and waited for' },
  { calls: ['exit_group'], why: 'it ends', when: 'it is not killed, as a box that is stopped is' },
  {
    calls: ['sigaltstack', 'rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn'],
    why: "signals are UML's interrupts, and how a stub tells that the guest wants something",
  },
  {
    calls: ['arch_prctl'],
    why: 'thread-local storage of its own and of guest programs',
  },

  // Time.
  {
    calls: ['timer_create', 'timer_settime'],
    why: "the guest's clock interrupt",
  },
  {
    calls: ['clock_nanosleep', 'nanosleep', 'timer_gettime', 'timer_delete', 'restart_syscall'],
    why: 'being idle',
    when: 'in versions that sleep without a descriptor, and after SIGSTOP',
  },
  { calls: ['pause'], why: 'its other processors are stopped', when: 'it is slow to power off' },
  {
    calls: ['clock_gettime', 'gettimeofday', 'sched_yield'],
    why: 'the time, where it cannot be read without a call',
    when: "the host's clock source is not the processor's",
  },

  // Files: itself, the initramfs, and disks and memory that are there as descriptors.
  {
    calls: ['openat', 'read', 'write', 'close', 'lseek', 'newfstatat', 'access', 'statfs'],
    why: 'libraries, the initramfs, /dev/shm and disks; the root is empty but for those',
  },
  { calls: ['pread64', 'pwrite64'], why: "the guest's disks" },
  {
    calls: ['fsync', 'fdatasync', 'fallocate'],
    why: 'the guest flushes its disk or discards blocks of it',
    when: 'a disk is flushed or trimmed',
  },
  {
    calls: ['fstat', 'open', 'stat', 'statx', 'ftruncate', 'getdents64'],
    why: 'the same with other libraries',
    when: 'linked with other libraries',
  },
  {
    calls: ['unlink'],
    why: "takes the name from the file of the guest's memory",
    when: 'it could not be made without one',
  },
  {
    calls: ['mkdir'],
    why: 'a folder for its pid, where none can be made: it crashes if it is refused otherwise',
  },
  {
    calls: ['fcntl'],
    why: 'lines that do not block and interrupt when something comes',
  },

  // Lines: the wire and the console.
  {
    calls: ['epoll_create', 'epoll_ctl'],
    why: 'waiting for the lines that interrupt',
  },
  {
    calls: ['epoll_wait', 'poll'],
    why: 'the same',
  },
  {
    calls: ['socketpair'],
    why: 'talking to stubs',
    args: [is(0, AF_UNIX)],
  },
  ...oneOf('ioctl', 1, terminalRequests, {
    why: 'whether a line is a terminal; a pseudo-terminal by which it finds out whether they interrupt',
  }),
  { calls: ['setsid'], why: 'keeps that terminal from becoming its own' },

  // What it asks about itself and the host.
  {
    calls: ['getpid', 'uname', 'getrandom', 'prlimit64', 'set_tid_address', 'set_robust_list'],
    why: 'who it is, where, and how large its stack may be',
  },
  { calls: ['rseq'], why: "its C library's start" },
  {
    calls: ['sysinfo', 'getppid', 'gettid', 'tgkill', 'futex', 'exit'],
    why: 'the same, and threads that end',
    when: 'linked with other libraries',
  },
];

/** What user-mode Linux calls in seccomp mode. */
export const umlSeccompCalls: AllowList = [
  ...commonCalls,
  {
    calls: ['futex', 'gettid', 'getuid', 'rt_tgsigqueueinfo', 'exit'],
    why: 'processors are threads, wait for stubs and interrupt each other',
  },
  {
    calls: ['tgkill'],
    why: 'a processor interrupts another one',
    when: 'the guest happens to need it',
  },
  {
    calls: ['sched_getaffinity', 'sched_setaffinity'],
    why: 'a stub runs where its processor runs',
  },
  {
    calls: ['memfd_create', 'execveat', 'readlink'],
    why: 'a stub is a small program in memory, which is executed from there',
  },
  { calls: ['close_range', 'dup2'], why: 'a stub closes what it does not need' },
  {
    calls: ['sendmsg', 'recvmsg'],
    why: 'a stub is given the descriptors it may map',
    args: inBand,
  },
  { calls: ['signalfd4'], why: 'signals of processors are read from a descriptor' },
  ...oneOf('prctl', 0, processOptions, {
    why: 'a stub dies with UML, gets no privileges, and has a name',
  }),
  {
    calls: ['seccomp'],
    why: 'a stub locks itself in further: only what UML put there may call anything',
    args: [is(0, SECCOMP_SET_MODE_FILTER)],
  },
];

/** What user-mode Linux calls in ptrace mode. */
export const umlTraceCalls: AllowList = [
  ...commonCalls,
  ...oneOf('ptrace', 0, traceRequests, {
    why: 'stubs are traced: their calls are taken, their registers read and written',
    when: 'in ptrace mode',
  }),
  {
    calls: ['modify_ldt', 'set_thread_area'],
    why: "segments of guest programs' threads",
    when: 'in ptrace mode',
  },
  ...oneOf('prctl', 0, processOptions, {
    why: 'a stub dies with UML, gets no privileges, and has a name',
    when: 'in ptrace mode',
  }),
  {
    calls: ['sched_getaffinity', 'sched_setaffinity', 'getuid', 'readlink'],
    why: 'processors and paths',
    when: 'in ptrace mode of newer kernels',
  },
  {
    calls: ['rt_tgsigqueueinfo', 'signalfd4', 'memfd_create', 'execveat', 'close_range', 'dup2'],
    why: 'processors are threads, and a stub is a small program in memory',
    when: 'in ptrace mode of newer kernels',
  },
  {
    calls: ['sendmsg', 'recvmsg'],
    why: 'a stub is given the descriptors it may map',
    when: 'in ptrace mode of newer kernels',
    args: inBand,
  },
];
