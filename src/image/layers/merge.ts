// pure
/**
 * Applies the layers of an image to one tree, lowest first. The rules are those of OCI's
 * image-spec (layer.md) and, where it is silent, of umoci: an entry replaces what is there unless
 * both are directories; missing directories are made; a hard link shares the node it names; a
 * whiteout deletes what layers below have put there.
 */
import { BoxliteError } from '../../base/errors.ts';
import { checkNode, NAME_BYTES_MAX } from '../erofs/limits.ts';
import type { TarEntry } from '../tar/entry.ts';
import type { ByteString, Content, Directory, Node, RegularFile } from '../tree.ts';
import { byteStringOf, bytesOf, display } from '../tree.ts';
import { EntryAttributes, PLAIN } from './attributes.ts';
import type { UnpackBudget } from './budget.ts';
import { cleanPath, directoryAt, pathOf, resolve, type Step } from './paths.ts';
import { UpperPaths } from './upper.ts';

/** Names that mark what a layer deletes: `.wh.NAME`, and `.wh..wh..opq` for all that is around. */
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** AUFS kept its own files under such names at the top; other tools leave them out, too. */
const WHITEOUT_META = '.wh..wh.';

/** Gives room for a file's content. */
export type Reserve = (size: number) => Content;

export class LayerMerge {
  readonly root: Directory = { kind: 'directory', attributes: PLAIN, entries: new Map() };
  readonly #reserve: Reserve;
  readonly #budget: UnpackBudget;
  /** Null in the lowest layer, which has nothing to delete. */
  #upper: UpperPaths | null = null;
  #layers = 0;
  readonly #attributes = new EntryAttributes();

  constructor(budget: UnpackBudget, reserve: Reserve) {
    this.#budget = budget;
    this.#reserve = reserve;
  }

  /** Starts the next layer: all that is there now is below it. */
  beginLayer(): void {
    this.#upper = this.#layers++ === 0 ? null : new UpperPaths();
  }

  /**
   * Applies one entry. Returns the file whose content is to be stored, if it is one.
   * @throws BoxliteError `Image`
   */
  apply(entry: TarEntry): RegularFile | null {
    this.#budget.spendEntry(entry);
    const names = cleanPath(entry.name);
    const name = names.pop();
    if (name === undefined) {
      this.#applyRoot(entry);
      return null;
    }
    if (isAufsFile(names, name)) return null;
    const way = resolve(this.root, names, this.#budget);
    if (name.startsWith(WHITEOUT)) {
      this.#applyWhiteout(way, name);
      return null;
    }
    checkName(entry, name);
    return this.#place(entry, way, name);
  }

  #applyRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw cannotUnpack(entry, 'the root must be a directory');
    this.root.attributes = this.#attributes.of(entry);
    checkNode('/', this.root);
  }

  #place(entry: TarEntry, way: readonly Step[], name: ByteString): RegularFile | null {
    const parent = this.#makeDirectories(entry, way);
    const before = parent.entries.get(name);
    // First, as a hard link cannot name what it replaces.
    parent.entries.delete(name);
    const isLink = entry.type === 'link';
    const node = isLink ? this.#linkTarget(entry) : this.#nodeOf(entry, before);
    if (!isLink) checkNode(entry.name, node);
    parent.entries.set(ownString(name), node);
    this.#upper?.add(this.root, way, name);
    return !isLink && node.kind === 'file' ? node : null;
  }

  #nodeOf(entry: TarEntry, before: Node | undefined): Node {
    const attributes = this.#attributes.of(entry);
    switch (entry.type) {
      case 'directory':
        if (before?.kind !== 'directory') {
          return { kind: 'directory', attributes, entries: new Map() };
        }
        before.attributes = attributes;
        return before;
      case 'symlink':
        if (entry.linkName === '') throw cannotUnpack(entry, 'the symbolic link leads nowhere');
        return { kind: 'symlink', attributes, target: entry.linkName };
      case 'character':
      case 'block':
        return { kind: entry.type, attributes, major: entry.major, minor: entry.minor };
      case 'fifo':
        return { kind: 'fifo', attributes };
      case 'file':
        return { kind: 'file', attributes, content: this.#reserve(entry.size) };
      case 'link':
        throw new Error('a hard link is no node of its own');
    }
  }

  /** The node a hard link names, which any layer may have made. */
  #linkTarget(entry: TarEntry): Node {
    const names = cleanPath(entry.linkName);
    const name = names.pop() ?? '';
    const way = resolve(this.root, names, this.#budget);
    const node = directoryAt(this.root, way)?.entries.get(name);
    if (node === undefined || node.kind === 'directory') {
      const what = node === undefined ? 'does not exist' : 'is a directory';
      throw cannotUnpack(entry, `it is a hard link to ${display(entry.linkName)}, which ${what}`);
    }
    return node;
  }

  /** Makes the directories of a way that are not there yet. Returns the last. */
  #makeDirectories(entry: TarEntry, way: readonly Step[]): Directory {
    let parent = this.root;
    for (const { name, node } of way) {
      if (node !== null && node.kind !== 'directory') {
        throw cannotUnpack(entry, `${display(name)} on its way is a ${node.kind}`);
      }
      parent = node ?? this.#makeDirectory(entry, parent, name);
    }
    return parent;
  }

  #makeDirectory(entry: TarEntry, parent: Directory, name: ByteString): Directory {
    this.#budget.spendDirectory();
    checkName(entry, name);
    const made: Directory = { kind: 'directory', attributes: PLAIN, entries: new Map() };
    parent.entries.set(name, made);
    return made;
  }

  #applyWhiteout(way: readonly Step[], name: ByteString): void {
    const deleted = name.slice(WHITEOUT.length);
    if (deleted === '' || deleted === '.' || deleted === '..') {
      throw new BoxliteError(
        'Image',
        `Cannot unpack ${display(`${pathOf(way)}/${name}`)}: a whiteout must name an entry`,
      );
    }
    const parent = directoryAt(this.root, way);
    // What a whiteout is to delete may be gone already.
    if (parent === null) return;
    if (name === OPAQUE) this.#upper?.purgeInside(parent);
    else this.#upper?.purge(parent, deleted);
  }
}

function checkName(entry: TarEntry, name: ByteString): void {
  if (name.length <= NAME_BYTES_MAX) return;
  throw cannotUnpack(entry, `a name has ${name.length} bytes, at most ${NAME_BYTES_MAX} can be`);
}

function isAufsFile(parents: readonly ByteString[], name: ByteString): boolean {
  const first = parents[0] ?? name;
  return first.startsWith(WHITEOUT_META) && (parents.length > 0 || name !== OPAQUE);
}

/** The same text without the path it was cut from, which V8 would keep with it. */
function ownString(name: ByteString): ByteString {
  return byteStringOf(bytesOf(name));
}

function cannotUnpack(entry: TarEntry, problem: string): BoxliteError {
  return new BoxliteError('Image', `Cannot unpack ${display(entry.name)}: ${problem}`);
}
