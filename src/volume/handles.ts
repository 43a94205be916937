// pure
import type { VolumeEntry, VolumeFile } from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import type { KnownNode } from './nodes.ts';

/** Open files and directories a guest may have at once: each file takes a descriptor of the host. */
const HANDLES_MAX = 4096;
/** Entries of open directories, all together. */
const ENTRIES_MAX = 2_000_000;

/** An open file. */
export interface OpenFile {
  readonly kind: 'file';
  readonly known: KnownNode;
  readonly file: VolumeFile;
  readonly writable: boolean;
}

/** An open directory, with what was in it when it was read from its start. */
export interface OpenDirectory {
  readonly kind: 'directory';
  readonly known: KnownNode;
  entries: readonly VolumeEntry[];
}

/** What the guest has open, by number. */
export class HandleTable {
  readonly #handles = new Map<number, OpenFile | OpenDirectory>();
  #next = 1;
  #entries = 0;

  /** @throws VolumeError `ENFILE`; to be asked before something is opened. */
  requireRoom(): void {
    if (this.#handles.size >= HANDLES_MAX) throw new VolumeError('ENFILE');
  }

  add(handle: OpenFile | OpenDirectory): number {
    const id = this.#next++;
    this.#handles.set(id, handle);
    if (handle.kind === 'file') handle.known.files.add(handle);
    return id;
  }

  /** @throws VolumeError `EBADF` */
  file(id: number): OpenFile {
    const handle = this.#handles.get(id);
    if (handle?.kind !== 'file') throw new VolumeError('EBADF');
    return handle;
  }

  /** @throws VolumeError `EBADF` */
  directory(id: number): OpenDirectory {
    const handle = this.#handles.get(id);
    if (handle?.kind !== 'directory') throw new VolumeError('EBADF');
    return handle;
  }

  /** Remembers what is in a directory. @throws VolumeError `ENOMEM` */
  setEntries(directory: OpenDirectory, entries: readonly VolumeEntry[]): void {
    const total = this.#entries - directory.entries.length + entries.length;
    if (total > ENTRIES_MAX) throw new VolumeError('ENOMEM');
    this.#entries = total;
    directory.entries = entries;
  }

  /** Takes a handle out. The file is the caller's to close. @throws VolumeError `EBADF` */
  remove(id: number, kind: 'file' | 'directory'): OpenFile | OpenDirectory {
    const handle = this.#handles.get(id);
    if (handle === undefined || handle.kind !== kind) throw new VolumeError('EBADF');
    this.#handles.delete(id);
    if (handle.kind === 'file') handle.known.files.delete(handle);
    else this.#entries -= handle.entries.length;
    return handle;
  }

  /** Takes all out and gives the files, to be closed. */
  clear(): VolumeFile[] {
    const files = [...this.#handles.values()].flatMap((handle) =>
      handle.kind === 'file' ? [handle.file] : [],
    );
    this.#handles.clear();
    this.#entries = 0;
    return files;
  }
}
