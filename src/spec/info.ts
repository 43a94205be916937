import type { BoxID } from '../base/ids.ts';
import type { PortProtocol } from './box-options.ts';
import type { BoxStatus } from './box-status.ts';
import type { EngineName, Kernel } from './parts.ts';

/** What is known about a box without asking its VM. */
export interface BoxInfo {
  readonly id: BoxID;
  readonly name: string | null;
  readonly status: BoxStatus;
  readonly createdAt: Date;
  /** When the status last changed. */
  readonly lastUpdated: Date;
  /** The VMM's process; null if the box does not run. */
  readonly pid: number | null;
  /** The image's reference, the root file system's host path, or `builtin:base`. */
  readonly image: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What it runs on, or last ran on; null if it never ran. */
  readonly engine: EngineName | null;
  /** The ports the host listens on; empty if the box does not run. */
  readonly ports: readonly PublishedPort[];
  /** Why it last stopped; null if it never did. */
  readonly exitReason: string | null;
}

/** A port of the box that the host listens on now. */
export interface PublishedPort {
  readonly guestPort: number;
  /** As chosen, if the host was left to choose. */
  readonly hostPort: number;
  readonly protocol: PortProtocol;
  readonly hostIp: string;
}

/** A line of a box's log. */
export interface LogEntry {
  readonly time: Date;
  /** The main command's output, the guest kernel's console, or what the network refused and why. */
  readonly source: 'stdout' | 'stderr' | 'console' | 'network';
  /** Without its newline. */
  readonly line: string;
}

/** What was found out about one engine on this host. */
export interface EngineReport {
  readonly engine: EngineName;
  /** Whether a guest booted with it. */
  readonly usable: boolean;
  /** Why it is not usable. */
  readonly reason: string | null;
  /** What would make it usable. */
  readonly remedy: string | null;
  /** The kernel its guests get; null if there is none. */
  readonly kernel: Pick<Kernel, 'origin' | 'version' | 'path'> | null;
  /** The VMM's version, for people; null if there is none. */
  readonly vmm: string | null;
  /** What was tried, and how each ended, in order. */
  readonly tried: readonly string[];
  /** From the VMM's start to the guest's first word; null if it never came. */
  readonly bootMs: number | null;
}
