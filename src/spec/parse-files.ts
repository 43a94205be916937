// pure
/** The options about the box's files: where they come from, and what it sees of the host's. */

import { posix } from 'node:path';
import type { VolumeSpec } from './box-options.ts';
import { type BoxSpec, BUILTIN_BASE, type RootfsSource, type VolumeMount } from './box-spec.ts';
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
import type { VolumeProvider } from './volume-provider.ts';

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
  const mounts = list(volume(cwd));
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

/** One volume. A provider is no data: the spec has null in the place of the host path. */
function volume(cwd: string | undefined): Read<VolumeMount> {
  const common = { guestPath: mountPoint, readOnly: optional(flag, false) };
  const shared = shape({ hostPath: hostPath(cwd), ...common, provider: nothing });
  const provided = shape({ hostPath: nothing, ...common, provider });
  return (value, path) => {
    const read = isRecord(value) && value['provider'] !== undefined ? provided : shared;
    const { hostPath, guestPath, readOnly } = read(value, path);
    return Object.freeze({ hostPath, guestPath, readOnly });
  };
}

function nothing(value: unknown, path: string): null {
  if (value === undefined) return null;
  throw invalid(path, 'only one of hostPath and provider', 'both');
}

function provider(value: unknown, path: string): VolumeProvider {
  const { root } = (value ?? {}) as Partial<VolumeProvider>;
  if (typeof root !== 'function') throw mistyped(path, 'an object with a method root()', value);
  return value as VolumeProvider;
}

/** The providers among the volumes of options that have been parsed, by their path in the box. */
export function providersOf(
  options: { readonly volumes?: readonly VolumeSpec[] | undefined },
  spec: BoxSpec,
): ReadonlyMap<string, VolumeProvider> {
  const providers = new Map<string, VolumeProvider>();
  for (const [i, { guestPath: where, hostPath: shared }] of spec.volumes.entries()) {
    const given = options.volumes?.[i];
    if (shared === null && given?.provider !== undefined) providers.set(where, given.provider);
  }
  return providers;
}

/** Where a volume goes: below the root, and with one spelling for one place. */
function mountPoint(value: unknown, path: string): string {
  const written = guestPath(value, path);
  if (written.split('/').includes('..')) throw invalid(path, 'a path without ".."', quote(written));
  const normal = posix.normalize(written).replace(/\/$/, '');
  if (normal === '') throw invalid(path, 'a path below "/"', quote(written));
  return normal;
}
