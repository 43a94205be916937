import { BoxliteError } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import { DISK, type DiskTool, type RunDiskTool } from '../disk/box-disk.ts';
import { existing, sharedLibraries } from '../engine/libraries.ts';
import { findProgram } from '../engine/vmm.ts';
import { printable } from '../portal/control.ts';
import { VmmProcess } from '../process/vmm.ts';
import type { CommandResult, LaunchPlan } from '../spec/parts.ts';
import type { ResourceLimits, SecuritySettings } from '../spec/security-settings.ts';
import type { Host } from './host.ts';
import { findJailPrograms } from './jail-programs.ts';
import { prepareJail } from './jailed-vm.ts';

/** The disk is the first descriptor behind the one that is a VMM's wire. */
const DISK_INSIDE = '/dev/fd/4';

/** What a file system may take to be repaired: a large one holds many bitmaps, and a damaged one might never end. */
const limits: ResourceLimits = {
  maxOpenFiles: 64,
  maxProcesses: 64,
  maxMemory: 4 * 1024 ** 3,
  maxCpuTime: 900,
  // The plan's.
  maxFileSize: null,
};

/** What they read besides: settings, and whether this kernel fills tables of inodes in when they are needed. */
const SETTINGS = ['/etc/mke2fs.conf', '/etc/e2fsck.conf', '/sys/fs/ext4/features/lazy_itable_init'];

/** For which box they run. */
export interface DiskToolOptions {
  readonly security: SecuritySettings;
  readonly boxId: string;
  /** Ends them: e2fsck begins anew the next time, and repairs what resize2fs has not finished. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs e2fsck and resize2fs in the same jail as the VMM, of which they read what its guest has left. */
export function jailedDiskTools(
  host: Host,
  { security, boxId, signal }: DiskToolOptions,
): RunDiskTool {
  const { path, run } = host.options;
  return async (tool, args, { fd, bytesMax }) => {
    const programs = await findJailPrograms(path, host.platform);
    const executable = await findProgram(tool, path);
    if (executable === null) throw missing(tool);
    const needed = [executable, ...(programs === null ? [] : [programs.prlimit])];
    const loaded = await Promise.all(needed.map((program) => sharedLibraries(program, run)));
    const libraries = [...new Set([...needed, ...loaded.flat(), ...(await existing(SETTINGS))])];
    const plan = planTool({ executable, libraries, args, fd, bytesMax });
    // None of the variables that a VMM gets are for these.
    const settings = { ...security, sanitizeEnv: true, envAllowlist: [], resourceLimits: limits };
    using jail = prepareJail(plan, { programs, security: settings, boxId });
    return await resultOf(await VmmProcess.start(jail.plan), signal);
  };
}

interface ToolInput {
  readonly executable: string;
  readonly libraries: readonly string[];
  readonly args: readonly string[];
  readonly fd: number;
  readonly bytesMax: number;
}

function planTool({ executable, libraries, args, fd, bytesMax }: ToolInput): LaunchPlan {
  return {
    kind: 'disk-tool',
    executable,
    args: args.map((word) => (word === DISK ? DISK_INSIDE : word)),
    env: {},
    files: [],
    libraries,
    devices: [],
    sharedMemoryBytes: 0,
    fixedAddresses: false,
    fileBytes: bytesMax,
    descriptors: [fd],
    user: null,
  };
}

function missing(tool: DiskTool): BoxliteError {
  return new BoxliteError(
    'Config',
    `Cannot find "${tool}", which checks disks: install e2fsprogs (Debian: apt-get install e2fsprogs)`,
  );
}

/** What it said is mixed, in the order in which it came. */
async function resultOf(tool: VmmProcess, signal?: AbortSignal): Promise<CommandResult> {
  // It has nothing to say there, and does not count as gone before that has been heard.
  tool.wire.resume();
  try {
    const exit = await orAborted(tool.exited, signal);
    return { ...exit, stdout: printable(tool.consoleTail), stderr: '' };
  } catch (aborted) {
    await tool.kill();
    throw aborted;
  }
}
