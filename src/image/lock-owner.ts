/**
 * Who holds a lock, in a form that other processes can check.
 *
 * A pid alone proves nothing: it is given out again. With the process's start time it does, within one
 * boot and one pid namespace, which the scope stands for. Other scopes (another container that shares
 * the folder), and systems without /proc, cannot be checked that way.
 */

import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from '../base/errors.ts';

export interface LockOwner {
  /** Eight hexadecimal digits. */
  readonly scope: string;
  readonly pid: number;
  /** Clock ticks since boot; 0 where that is not known. */
  readonly start: string;
}

/** `unknown`: it cannot be checked from here. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** This process. */
export function thisProcess(): LockOwner {
  return { scope: scopeHere(), pid: process.pid, start: startOf(process.pid) ?? '0' };
}

/** Whether the process still runs, as far as `self` can tell. */
export function livenessOf(owner: LockOwner, self: LockOwner): Liveness {
  if (owner.scope !== self.scope) return 'unknown';
  if (self.start !== '0') return startOf(owner.pid) === owner.start ? 'alive' : 'dead';
  // Its pid may be somebody else's by now.
  return hasProcess(owner.pid) ? 'unknown' : 'dead';
}

function scopeHere(): string {
  const parts = [
    read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    read(() => readlinkSync('/proc/self/ns/pid')),
  ];
  const scope = parts.includes(null) ? hostname() : parts.join(' ');
  return createHash('sha256').update(scope).digest('hex').slice(0, 8);
}

/** proc(5): field 22 of /proc/pid/stat. The name in field 2 may hold spaces and parentheses. */
function startOf(pid: number): string | null {
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields?.[0], fields?.[19]];
  // A zombie has ended; only its parent has not noticed.
  return state === 'Z' || state === 'X' ? null : (start ?? null);
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

function read(get: () => string): string | null {
  try {
    return get();
  } catch {
    return null;
  }
}
