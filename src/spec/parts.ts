/** The plain data and the interfaces that rooms exchange, so that no room has to import another. */

import type { BoxliteError } from '../base/errors.ts';
import type { PortProtocol } from './box-options.ts';
import type { ResourceLimits } from './security-settings.ts';

/** What a box can run on. */
export type EngineName = 'kvm' | 'hvf' | 'uml' | 'tcg';

/** Guest architectures, by Node's names. */
export type Architecture = 'x64' | 'arm64';

/** What a kernel was built for: user-mode Linux, or QEMU's machines. */
export type KernelFlavor = 'uml' | 'vm';

/** A guest kernel on this host's disk. */
export interface Kernel {
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  /** `own`: built by `boxlite kernel build`, here or for npm's package. `distribution`: as the distribution packages it. */
  readonly origin: 'own' | 'distribution';
  /** As `uname -r` would print it, for people. */
  readonly version: string;
  /** Absolute path of the executable (uml) or of the bzImage (vm). */
  readonly path: string;
  /** Absolute paths of modules the agent must insert, in this order. Empty for own kernels. */
  readonly modules: readonly string[];
  /** UML's seccomp mode, which is three to ten times faster than ptrace. False for `vm`. */
  readonly seccomp: boolean;
  /** Whether it brings up more than one processor. */
  readonly smp: boolean;
  /** Changes whenever the kernel's file or modules do: a cache key. */
  readonly id: string;
}

/** A host file the VMM opens, under the name it has inside the jail. */
export interface PlanFile {
  readonly hostPath: string;
  /** Absolute, neutral (it shows in the guest's command line) and unique in the plan. */
  readonly inside: string;
  /** We have made it, in a folder that nobody else can enter, so that it may be readable by others. Default: not so. */
  readonly ours?: true;
}

/** Programs that are locked in, by what they ask of the host's kernel: each has a list of system calls of its own. */
export type ProgramKind = 'qemu' | 'qemu-kvm' | 'uml-seccomp' | 'uml-ptrace' | 'disk-tool';

/** A host descriptor, or one end of a new socket, of which the process that started the VMM has the other. */
export type Inherited = number | 'socket';

/** One invocation of a VMM, or of a program that reads its disk, as plain data, before and after the jail wraps it. */
export interface LaunchPlan {
  readonly kind: ProgramKind;
  /** What is executed, by its path inside. */
  readonly executable: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Kernel, initramfs and image, which are only read. The box's disk comes by descriptor: nothing leads to its folder. */
  readonly files: readonly PlanFile[];
  /** The VMM's own libraries and data, read-only and at the same path inside. */
  readonly libraries: readonly string[];
  /** Host devices it needs, such as /dev/kvm. */
  readonly devices: readonly string[];
  /** Largest size of its private /dev/shm, where UML keeps the guest's memory. */
  readonly sharedMemoryBytes: number;
  /** Whether its memory has to be where it was linked to, without the host's address randomisation. */
  readonly fixedAddresses: boolean;
  /** The length of the longest file it has to write, be that its disk or the guest's memory. */
  readonly fileBytes: number;
  /** What is inherited after the wire, which is descriptor 3: the first one here is 4. */
  readonly descriptors: readonly Inherited[];
  /** The host user and group it runs as; null: ours. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

/** The VMM program of an engine on this host. For `uml` that is the kernel. */
export interface Vmm {
  readonly executable: string;
  /** As it tells it, for people. */
  readonly version: string;
  /** Every file it opens that is not the box's: shared libraries, modules, firmware. */
  readonly libraries: readonly string[];
  /** Whether it can keep a guest's memory in a memfd, as QEMU on Linux does. */
  readonly memfd: boolean;
}

/** All that decides how a VM is started: the input of an engine's plan. */
export interface Machine {
  readonly engine: EngineName;
  readonly kernel: Kernel;
  readonly vmm: Vmm;
  readonly initramfs: string;
  /** A host file: a library the VMM has to load before its others; null where none has. */
  readonly preload: string | null;
  readonly cpus: number;
  readonly memoryMib: number;
  /** The image's path on the host, and descriptor and size of the box's own disk; null for a probe, which has neither. */
  readonly disks: {
    readonly image: string;
    readonly box: number;
    readonly boxBytes: number;
  } | null;
  /** Loops per jiffy for the delay loop, measured once; null to let the kernel calibrate, aloud. */
  readonly loopsPerJiffy: number | null;
  /** Descriptor of the mailbox's memory; null where the engine has no mailbox. */
  readonly mailbox: number | null;
  /** What the VMM will be held to; absent if to nothing. */
  readonly limits?: ResourceLimits;
  /** Absent: the guest boots, and nothing is made of it but a box. */
  readonly snapshot?: SnapshotUse;
}

/**
 * A guest's state, from when it has booted and waits for the first word of its host. `save`: it is to be taken of this
 * one, by a monitor on a socket. `restore`: this one starts from it, and reads it from a socket.
 */
export type SnapshotUse = 'save' | 'restore';

/** What of a wire's frames goes through its mailbox. */
export interface MailboxUse {
  /** Payloads of so many bytes or more: below, the line is faster. */
  readonly payloadBytesMin: number;
  /** What the line may hold that the agent has not read; null for any amount. */
  readonly lineBytesMax: number | null;
}

/** Where large frames go on their way into a guest whose wire is slow in that direction. */
export interface Mailbox extends Disposable {
  readonly use: MailboxUse;
  /** The host descriptor of its memory, to be inherited by the VMM. */
  readonly descriptor: number;
  /** Whether a frame of the largest size has room. */
  readonly roomy: boolean;
  /** Stores a payload and tells where it lies, or null if there is no room now. */
  put(payload: Uint8Array): { offset: number; length: number } | null;
  /** The guest has taken the `pieces` oldest. */
  taken(pieces: number): void;
}

/** A service in a box, wherever it listens there. */
export interface DialTarget {
  readonly protocol: PortProtocol;
  /** 1 to 65535. */
  readonly port: number;
}

/** A connection into a box: bytes both ways under credit. For UDP they are datagrams, each behind its length. */
export interface BoxConnection {
  /** Sends bytes, which may not be changed any more. Resolves when they have left; rejects once it is closed. */
  write(data: Uint8Array): Promise<void>;
  /** Ends this side, behind what was written. */
  end(): void;
  /** `bytes` of what arrived have been used: the box may send as many more. */
  consumed(bytes: number): void;
  /** Gives the connection up in both directions, which the service sees. */
  reset(why: { readonly code: string; readonly message: string }): void;
}

/** What comes from a service in a box. */
export interface BoxConnectionEvents {
  data(piece: Uint8Array): void;
  /** The service sends no more. */
  end(): void;
  /** The last call: null after an end in both directions, otherwise why not, as if nobody listens. */
  closed(reason: BoxliteError | null): void;
}

/** Connects to a service in a box; bytes may be written at once. @throws BoxliteError if the box does not run. */
export type Dial = (target: DialTarget, events: BoxConnectionEvents) => BoxConnection;

/** How a program ended. One of the two is null. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A finished host command. */
export interface CommandResult extends ProcessExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of a host command. */
export interface CommandOptions {
  readonly cwd?: string;
  /** Replaces the environment entirely. Default: only `PATH`, `HOME` and `LANG=C.UTF-8`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of stdout and stderr as it arrives. */
  readonly onLine?: (line: string) => void;
  /** Written to the program's standard input, which is then closed. Default: no input at all. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/** Runs host programs; only the process room implements it. The result of a failed command is a result. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>;
