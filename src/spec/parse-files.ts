// pure
/** The options about the box's files: where they come from, and what it sees of the host's. */

import { posix } from 'node:path';
import { BUILTIN_BASE, type RootfsSource, type VolumeMount } from './box-spec.ts';
import { guestPath } from './guest-values.ts';
import { hostPath } from './host-path.ts';
import {
  flag,
  invalid,
  isRecord,
  list,
  mistyped,
  nonEmptyText,
  optional,
  quote,
  type Read,
  shape,
} from './reader.ts';

/** The option `rootfs`. Host paths start at `cwd`. */
export function rootfs(cwd: string | undefined): Read<RootfsSource> {
  const fields = shape({
    image: optional(imageSource, null),
    rootfsPath: optional(hostPath(cwd), null),
  });
  return (value, path) => {
    if (typeof value === 'string') return imageSource(value, path);
    if (!isRecord(value)) {
      throw mistyped(path, 'an image reference, { image } or { rootfsPath }', value);
    }
    const { image, rootfsPath } = fields(value, path);
    if ((image === null) === (rootfsPath === null)) {
      const got = image === null ? 'neither' : 'both';
      throw invalid(path, 'one of { image } and { rootfsPath }', got);
    }
    return image ?? Object.freeze({ kind: 'path', path: rootfsPath ?? '' });
  };
}

/** An image's name. Its grammar is the image room's; what is surely something else is refused here. */
function imageSource(value: unknown, path: string): RootfsSource {
  const name = nonEmptyText(value, path);
  if (name === BUILTIN_BASE) return Object.freeze({ kind: 'base' });
  if (/^(?:[./~]|builtin:)/.test(name)) {
    const remedy = name.startsWith('builtin:')
      ? `the only built-in one is "${BUILTIN_BASE}"`
      : `for a path write { rootfsPath: ${quote(name)} }`;
    throw invalid(path, 'an image reference such as "alpine:latest"', `${quote(name)}; ${remedy}`);
  }
  if (/\s/.test(name)) throw invalid(path, 'an image reference without spaces', quote(name));
  return Object.freeze({ kind: 'image', reference: name });
}

/** The option `volumes`. Host paths start at `cwd`. */
export function volumes(cwd: string | undefined): Read<readonly VolumeMount[]> {
  const mounts = list(
    shape({ hostPath: hostPath(cwd), guestPath: mountPoint, readOnly: optional(flag, false) }),
  );
  return (value, path) => {
    const read = mounts(value, path);
    for (const [i, mount] of read.entries()) {
      const first = read.findIndex((other) => other.guestPath === mount.guestPath);
      if (first < i) {
        const expected = `another path than ${path}[${first}]`;
        throw invalid(`${path}[${i}].guestPath`, expected, quote(mount.guestPath));
      }
    }
    return read;
  };
}

/** Where a volume goes: below the root, and with one spelling for one place. */
function mountPoint(value: unknown, path: string): string {
  const written = guestPath(value, path);
  if (written.split('/').includes('..')) throw invalid(path, 'a path without ".."', quote(written));
  const normal = posix.normalize(written).replace(/\/$/, '');
  if (normal === '') throw invalid(path, 'a path below "/"', quote(written));
  return normal;
}
