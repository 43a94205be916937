// pure
import { VolumeError } from './errno.ts';

/** No file of a host is larger than what a number can say exactly. */
export function requireExact(position: number, length: number): void {
  if (position + length > Number.MAX_SAFE_INTEGER) throw new VolumeError('EFBIG');
}
