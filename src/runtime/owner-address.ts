import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../spec/process-identity.ts';

/** The longest path a Unix socket may have (sun_path of macOS, less its NUL; Linux has four more). */
const SOCKET_PATH_BYTES_MAX = 103;

/** A name for a socket of this process, which has one for each runtime it makes. */
export function ownerSocketName({ pid, start, namespace }: ProcessIdentity): string {
  const words = [pid, start, namespace].map((word) => String(word).replace(/[^0-9A-Za-z]/g, '_'));
  return `${words.join('-')}-${randomBytes(6).toString('hex')}.sock`;
}

/** Whether a socket has that name because the process made it. */
export function isSocketOf(name: string, owner: ProcessIdentity): boolean {
  const prefix = ownerSocketName(owner).replace(/-[0-9a-f]{12}\.sock$/, '-');
  return name.startsWith(prefix);
}

/** The pid in a socket's name, and whether it is one of this pid namespace; null if it is no such name. */
export function pidOfSocket(name: string, namespace: string): number | null {
  const [, pid, where] = /^(\d+)-\w+-(\w+)-[0-9a-f]{12}\.sock$/.exec(name) ?? [];
  return where === namespace.replace(/[^0-9A-Za-z]/g, '_') ? Number(pid) : null;
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
