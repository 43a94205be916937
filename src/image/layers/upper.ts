// pure
/**
 * What the layer being applied has put where. Whiteouts delete only what layers below have put
 * there, wherever in the layer they stand.
 */
import type { ByteString, Directory } from '../tree.ts';
import type { Step } from './paths.ts';

export class UpperPaths {
  readonly #names = new Map<Directory, Set<ByteString>>();
  /** Directories in which there is nothing left of the layers below: looking again would take time for nothing. */
  readonly #cleared = new Set<Directory>();

  /** Marks an entry and the directories that lead to it. */
  add(root: Directory, way: readonly Step[], name: ByteString): void {
    let parent = root;
    for (const step of way) {
      this.#mark(parent, step.name);
      const next = parent.entries.get(step.name);
      if (next?.kind !== 'directory') return;
      parent = next;
    }
    this.#mark(parent, name);
  }

  #mark(parent: Directory, name: ByteString): void {
    const names = this.#names.get(parent);
    if (names === undefined) this.#names.set(parent, new Set([name]));
    else names.add(name);
  }

  /** Deletes an entry, except for what this layer has put there. */
  purge(parent: Directory, name: ByteString): void {
    const pending: [Directory, ByteString][] = [[parent, name]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [directory, entry] = next;
      if (this.#names.get(directory)?.has(entry) !== true) {
        directory.entries.delete(entry);
        continue;
      }
      const node = directory.entries.get(entry);
      if (node?.kind !== 'directory') continue;
      for (const inner of this.#clear(node)) pending.push(inner);
    }
  }

  /** Deletes everything in a directory, except for what this layer has put there. */
  purgeInside(directory: Directory): void {
    for (const [, name] of this.#clear(directory)) this.purge(directory, name);
  }

  /** What is to be purged for nothing of the layers below to be left in a directory. */
  #clear(directory: Directory): [Directory, ByteString][] {
    if (this.#cleared.has(directory)) return [];
    this.#cleared.add(directory);
    return Array.from(directory.entries.keys(), (name) => [directory, name]);
  }
}
