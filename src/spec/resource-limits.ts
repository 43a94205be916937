// pure
import { Seconds } from '../base/durations.ts';
import { Bytes } from '../base/sizes.ts';
import { optional, type Read, shape, wholeNumber } from './reader.ts';
import type { ResourceLimits } from './security-settings.ts';

/** Limits of the VMM's process to choose; what is left out or null has none. */
export interface ResourceLimitsOptions {
  /** Open file descriptors (RLIMIT_NOFILE). */
  maxOpenFiles?: number | null | undefined;
  /** Bytes of one file (RLIMIT_FSIZE). The box's disk and memory always fit; in the jail nothing larger does. */
  maxFileSize?: number | Bytes | null | undefined;
  /** Processes (RLIMIT_NPROC). */
  maxProcesses?: number | null | undefined;
  /** Bytes of virtual memory (RLIMIT_AS). */
  maxMemory?: number | Bytes | null | undefined;
  /** Processor time (RLIMIT_CPU); a number is seconds. On the engine `uml` each program in the box has it for itself. */
  maxCpuTime?: number | Seconds | null | undefined;
}

/** A number of things. */
export const limitCount = wholeNumber(1, Number.MAX_SAFE_INTEGER);

/** A number of bytes. */
export const limitBytes: Read<number> = (value, path) =>
  limitCount(value instanceof Bytes ? value.asBytes() : value, path);

/** A number of seconds. RLIMIT_CPU knows whole ones only, so that a fraction counts as one. */
export const limitSeconds: Read<number> = (value, path) =>
  limitCount(value instanceof Seconds ? Math.ceil(value.asSeconds()) : value, path);

/** {@link ResourceLimitsOptions}. */
export const resourceLimits: Read<ResourceLimits> = shape({
  maxOpenFiles: limit(limitCount),
  maxFileSize: limit(limitBytes),
  maxProcesses: limit(limitCount),
  maxMemory: limit(limitBytes),
  maxCpuTime: limit(limitSeconds),
});

function limit(read: Read<number>): Read<number | null> {
  return optional((value, path) => (value === null ? null : read(value, path)), null);
}
