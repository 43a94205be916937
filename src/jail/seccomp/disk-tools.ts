// pure
import { type AllowList, bits, is } from './rule.ts';

/** linux/sched.h. */
const CLONE_THREAD = 0x0001_0000;
const CLONE_NAMESPACES = 0x7e02_0000;
/** linux/prctl.h. */
const PR_GET_DUMPABLE = 3;

/** What e2fsck and resize2fs call, which read file systems that a guest has written. */
export const diskToolCalls: AllowList = [
  {
    calls: ['execve'],
    why: 'being started: bubblewrap installs the filter and then executes it, in a root without other programs',
  },
  { calls: ['exit_group'], why: 'it ends' },
  {
    calls: ['wait4'],
    why: "the jail's init, which is bubblewrap under the same filter, waits for it",
    when: 'it did not wait before the filter was there',
  },
  { calls: ['brk', 'mmap', 'munmap', 'mprotect'], why: 'libraries, heap and stack' },
  {
    calls: ['mremap', 'madvise'],
    why: 'large arrays that grow, and stacks of threads that ended',
    when: 'the file system is large',
  },
  {
    calls: ['arch_prctl', 'set_tid_address', 'set_robust_list', 'rseq'],
    why: "its C library's start",
  },
  {
    calls: ['clone'],
    why: 'threads that read bitmaps; never a process, never a namespace',
    args: [bits(0, CLONE_NAMESPACES | CLONE_THREAD, CLONE_THREAD)],
    when: 'the host has several processors',
  },
  {
    calls: ['futex', 'exit', 'gettid', 'sched_getaffinity', 'sched_yield'],
    why: 'the same',
    when: 'it has threads',
  },
  { calls: ['rt_sigaction'], why: 'tells of its own faults' },
  {
    calls: ['rt_sigprocmask', 'rt_sigreturn', 'getpid', 'tgkill'],
    why: 'the same, and signals of threads',
    when: 'there is a fault, or it has threads',
  },
  {
    calls: ['prlimit64', 'getrandom', 'uname'],
    why: 'libraries ask for the size of stacks, a seed and the system',
  },
  {
    calls: ['sysinfo', 'getuid', 'geteuid', 'getgid', 'getegid', 'getrusage'],
    why: 'how much memory there is, who it is, and how long it took',
  },
  {
    calls: ['openat', 'read', 'write', 'close', 'newfstatat', 'access'],
    why: 'libraries, the disk, and what it says of it; the root is empty but for those',
  },
  {
    calls: [
      'fstat',
      'statx',
      'faccessat',
      'faccessat2',
      'readlink',
      'readlinkat',
      'open',
      'stat',
      'getdents64',
      'statfs',
    ],
    why: 'the same',
    when: 'on arm64, and with other versions of libraries',
  },
  { calls: ['pread64', 'pwrite64', 'lseek', 'fsync'], why: 'the disk' },
  {
    calls: ['prctl'],
    why: 'whether it has more rights than who started it, which would make its variables suspect',
    args: [is(0, PR_GET_DUMPABLE)],
  },
  { calls: ['fadvise64'], why: 'blocks that will be read' },
  {
    calls: ['fallocate', 'ftruncate', 'fdatasync'],
    why: 'blocks that are zero',
    when: 'the disk grows or has holes',
  },
  {
    calls: ['fcntl', 'dup'],
    why: 'how descriptors were opened',
    when: 'it asks whether a file system is mounted',
  },
  {
    calls: ['clock_gettime', 'gettimeofday'],
    why: 'the time, where it cannot be read without a call',
    when: "the host's clock source is not the processor's",
  },
];
