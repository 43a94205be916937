// pure
/** What an entry's attributes are in the image. */
import { isStorable } from '../erofs/xattrs.ts';
import type { TarEntry } from '../tar/entry.ts';
import type { Attributes, Xattr } from '../tree.ts';

const NONE: readonly Xattr[] = [];

/** What a directory gets that no layer describes. */
export const PLAIN: Attributes = {
  permissions: 0o755,
  uid: 0,
  gid: 0,
  seconds: 0,
  nanoseconds: 0,
  xattrs: NONE,
};

/** Takes over attributes. Files that follow each other often have all in common, and then one object. */
export class EntryAttributes {
  #recent: Attributes = PLAIN;

  of(entry: TarEntry): Attributes {
    const attributes = adapt(entry);
    if (!isSame(attributes, this.#recent)) this.#recent = attributes;
    return this.#recent;
  }
}

function adapt({ type, attributes }: TarEntry): Attributes {
  // A symbolic link has no mode of its own on Linux.
  const permissions = type === 'symlink' ? 0o777 : attributes.permissions;
  const xattrs = attributes.xattrs.length === 0 ? NONE : attributes.xattrs.filter(isKept);
  if (permissions === attributes.permissions && xattrs === NONE) return attributes;
  return { ...attributes, permissions, xattrs };
}

/**
 * Left out: what no file system of ours can hold (macOS's attributes, say), what belongs to the
 * host where the layer was made, and what would command the overlay that a box lays over its image.
 */
function isKept({ name }: Xattr): boolean {
  if (name === 'security.selinux' || name.startsWith('trusted.overlay.')) return false;
  return isStorable(name);
}

function isSame(a: Attributes, b: Attributes): boolean {
  return (
    a.permissions === b.permissions &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.seconds === b.seconds &&
    a.nanoseconds === b.nanoseconds &&
    a.xattrs === b.xattrs
  );
}
