import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';

/** The longest path a Unix socket may have (sun_path of macOS, less its NUL; Linux has four more). */
const SOCKET_PATH_BYTES_MAX = 103;

/** A name for a socket of this process; a process has one for each runtime it makes. */
export function ownerSocketName(owner: { readonly pid: number; readonly start: string }): string {
  const start = owner.start.replace(/[^0-9A-Za-z]/g, '_');
  return `${owner.pid}-${start}-${randomBytes(6).toString('hex')}.sock`;
}

/** The process that a socket's name tells, null if it is no such name. */
export function ownerOfSocket(name: string): { pid: number; start: string } | null {
  const [, pid, start] = /^(\d+)-(\w+)-[0-9a-f]{12}\.sock$/.exec(name) ?? [];
  return pid === undefined || start === undefined ? null : { pid: Number(pid), start };
}

/**
 * A path for a socket in a folder whose own path may be too long for one: on Linux by way of a descriptor
 * of the folder. Dispose of it once the socket is bound or connected.
 */
export function socketPath(folder: string, name: string): Disposable & { readonly path: string } {
  const path = join(folder, name);
  if (process.platform !== 'linux' || Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) {
    return { path, [Symbol.dispose]: () => undefined };
  }
  const descriptor = openSync(folder, constants.O_DIRECTORY | constants.O_RDONLY);
  return {
    path: `/proc/self/fd/${descriptor}/${name}`,
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}
