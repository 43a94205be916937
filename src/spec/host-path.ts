// pure
import { posix } from 'node:path';
import { BoxliteError } from '../base/errors.ts';
import type { BoxSpec } from './box-spec.ts';
import { invalid, nonEmptyText, quote, type Read } from './reader.ts';

/** An absolute path on the host, as written. */
export const absoluteHostPath: Read<string> = (value, path) => {
  const read = nonEmptyText(value, path);
  if (!posix.isAbsolute(read)) throw invalid(path, 'an absolute path', quote(read));
  return read;
};

/** A path on the host; a relative one is seen from `cwd`, and refused where there is none. */
export function hostPath(cwd: string | undefined): Read<string> {
  if (cwd === undefined) return absoluteHostPath;
  return (value, path) => posix.resolve(cwd, nonEmptyText(value, path));
}

/** A host path that an option names. */
export interface NamedHostPath {
  /** Which option, as messages have it: `volumes[0].hostPath`. */
  readonly option: string;
  readonly path: string;
}

/** Every host path a box needs. Parsing does no I/O: the runtime looks whether they are there. */
export function hostPathsOf(spec: BoxSpec): readonly NamedHostPath[] {
  const volumes = spec.volumes.flatMap(({ hostPath: path }, i) =>
    path === null ? [] : [{ option: `volumes[${i}].hostPath`, path }],
  );
  if (spec.rootfs.kind !== 'path') return volumes;
  return [{ option: 'rootfs.rootfsPath', path: spec.rootfs.path }, ...volumes];
}

/** The error for one that is not there; `cause` is what looking for it said. */
export function missingHostPath(named: NamedHostPath, cause?: unknown): BoxliteError {
  return new BoxliteError(
    'InvalidArgument',
    `${named.option}: expected an existing path that can be read, got ${quote(named.path)}`,
    { cause },
  );
}
