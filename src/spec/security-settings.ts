/**
 * How tightly a box's VMM is locked in, as plain data. The jailer is the master switch: without it
 * there are no namespaces, no seccomp filter, no chroot and no drop of privileges.
 */
export interface SecuritySettings {
  /** Jail the VMM at all: namespaces and seccomp on Linux, sandbox-exec on macOS. */
  readonly jailerEnabled: boolean;
  /** Filter the VMM's system calls. Linux only. */
  readonly seccompEnabled: boolean;
  /** The user to drop to; null: one is chosen for the box. Linux only. */
  readonly uid: number | null;
  /** The group to drop to; null: one is chosen for the box. Linux only. */
  readonly gid: number | null;
  /** A process namespace of its own. Linux only. */
  readonly newPidNs: boolean;
  /** A network namespace of its own, without interfaces: a box's network does not need the VMM's. */
  readonly newNetNs: boolean;
  /** The directory in which the root of the jail is made; null: it is in memory. Linux only. */
  readonly chrootBase: string | null;
  /** A root with nothing in it but what the VMM needs. Linux only. */
  readonly chrootEnabled: boolean;
  /** Close the file descriptors that the VMM would inherit. */
  readonly closeFds: boolean;
  /** Clear the VMM's environment, but for `envAllowlist`. */
  readonly sanitizeEnv: boolean;
  /** Names of variables that `sanitizeEnv` leaves. */
  readonly envAllowlist: readonly string[];
  /** What the VMM may use of the host. */
  readonly resourceLimits: ResourceLimits;
  /** Let the engine `uml`, for which the jail is the only boundary, go without the jailer. */
  readonly allowUnjailed: boolean;
  /**
   * Run `uml` in its ptrace mode, in which the guest's kernel is out of reach of the guest's programs: a second boundary
   * inside the jail. System calls of the guest take three to ten times longer, and it has one processor.
   */
  readonly umlPtrace: boolean;
  /** Absolute path of a sandbox profile instead of ours. macOS only. */
  readonly sandboxProfile: string | null;
  /** Whether the sandbox lets a box's network work. macOS only. */
  readonly networkEnabled: boolean;
}

/** Limits of the VMM's process; null: none. */
export interface ResourceLimits {
  /** Open file descriptors (RLIMIT_NOFILE). */
  readonly maxOpenFiles: number | null;
  /** Bytes of one file (RLIMIT_FSIZE). The box's disk and memory always fit; in the jail nothing larger does. */
  readonly maxFileSize: number | null;
  /** Processes (RLIMIT_NPROC). */
  readonly maxProcesses: number | null;
  /** Bytes of virtual memory (RLIMIT_AS). */
  readonly maxMemory: number | null;
  /** Seconds of processor time (RLIMIT_CPU). On the engine `uml` each program in the box has them for itself. */
  readonly maxCpuTime: number | null;
}
