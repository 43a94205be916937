import type { VolumeChanges } from '../spec/volume-provider.ts';

/** Since libuv 1.51 a time that is no number stays as it is (UTIME_OMIT). */
const OMITS = libuvOmits(process.versions['uv'] ?? '');

/** Times as Node's utimes() take them, which is exact to a quarter of a microsecond. */
export interface HostTimes {
  readonly atime: number | Date;
  readonly mtime: number | Date;
}

/**
 * The times to set, or null if none is. `now` tells the one that stays on a Node that cannot leave it out.
 */
export async function hostTimes(
  { atimeNs, mtimeNs }: VolumeChanges,
  now: () => Promise<{ readonly atimeNs: bigint; readonly mtimeNs: bigint }>,
): Promise<HostTimes | null> {
  if (atimeNs === undefined && mtimeNs === undefined) return null;
  const other = OMITS || (atimeNs !== undefined && mtimeNs !== undefined) ? null : await now();
  return {
    atime: nodeTime(atimeNs ?? other?.atimeNs),
    mtime: nodeTime(mtimeNs ?? other?.mtimeNs),
  };
}

function nodeTime(ns: bigint | undefined): number | Date {
  if (ns === undefined) return new Date(Number.NaN);
  // Node takes a negative number for the present.
  return ns < 0n ? new Date(Number(ns / 1_000_000n)) : Number(ns) / 1e9;
}

function libuvOmits(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 51);
}
