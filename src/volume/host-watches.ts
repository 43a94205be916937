import { type FSWatcher, watch } from 'node:fs';

/** Directories of one share that are watched, of the 8192 to 65536 that Linux lets a user watch. */
const WATCHES_MAX = 1024;

/**
 * Tells what happens in directories of the host: those that were opened last. A directory that cannot be watched is not, and
 * nothing is missed but the moment.
 */
export class HostWatches<Directory> implements Disposable {
  readonly #watches = new Map<Directory, FSWatcher>();
  readonly #happened: (directory: Directory, name: Buffer | null) => void;

  /** `happened` is told the name in the directory, if it is known. */
  constructor(happened: (directory: Directory, name: Buffer | null) => void) {
    this.#happened = happened;
  }

  /** Watches the directory that a descriptor stands for, also when the descriptor has been closed. */
  add(directory: Directory, fd: number): void {
    if (this.#watches.has(directory)) return;
    try {
      const options = { persistent: false, encoding: 'buffer' } as const;
      const watcher = watch(`/proc/self/fd/${fd}/.`, options, (_, name) =>
        this.#happened(directory, name),
      );
      watcher.on('error', () => this.remove(directory));
      this.#watches.set(directory, watcher);
    } catch {
      return;
    }
    if (this.#watches.size <= WATCHES_MAX) return;
    for (const oldest of this.#watches.keys()) return this.remove(oldest);
  }

  remove(directory: Directory): void {
    this.#watches.get(directory)?.close();
    this.#watches.delete(directory);
  }

  [Symbol.dispose](): void {
    for (const directory of [...this.#watches.keys()]) this.remove(directory);
  }
}
