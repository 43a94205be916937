/** Sets extended attributes, which Node cannot. */
import { execFileSync } from 'node:child_process';

/** Sets one attribute of a file; of a link itself if it is one. */
export function setXattr(path: string, name: string, value: string | Uint8Array): void {
  const hex = `0x${Buffer.from(value).toString('hex')}`;
  execFileSync('setfattr', ['-h', '-n', name, '-v', hex, path], { stdio: 'pipe' });
}

export function removeXattr(path: string, name: string): void {
  execFileSync('setfattr', ['-h', '-x', name, path], { stdio: 'pipe' });
}
