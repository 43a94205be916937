import { createHash } from 'node:crypto';

/** As sha256sum(1) prints it. */
export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
