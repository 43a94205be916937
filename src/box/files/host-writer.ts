/**
 * Makes files of the host from an archive that a box sends, and trusts nothing in it. Every name is of one component
 * and is used inside of an open directory; what is entered must be a directory, not a link to one, also if the
 * archive made that link itself. Nothing is changed in place: a file gets its name when it is whole.
 */
import { link, lstat, lutimes, mkdir, rename, symlink, unlink } from 'node:fs/promises';
import { BoxliteError, systemCode } from '../../base/errors.ts';
import type { ArchiveEntry, ArchiveRecord } from './archive.ts';
import type { HostDirectory } from './host-directory.ts';
import { HostFile, PERMISSIONS, temporaryName, timeOf } from './host-file.ts';

/** Memory for the paths of files with further names. */
const LINK_BYTES_MAX = 64 * 1024 * 1024;
/** Files in the making at once: enough to keep the threads busy that Node has for files. */
const FILES_MAX = 16;
/** Content that waits to be written. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** How an archive is unpacked. */
export interface HostWriterOptions {
  /** Existing files are replaced. Directories are merged in any case. */
  readonly overwrite: boolean;
  /** What the archive's one entry is called; null if it is the contents of a directory. */
  readonly name: Buffer | null;
}

/** A directory that is being filled. */
interface Level {
  readonly directory: HostDirectory;
  readonly name: Buffer;
  /** What it gets when it is left; null if it was there before. */
  readonly entry: ArchiveEntry | null;
}

export class HostWriter implements AsyncDisposable {
  readonly #options: HostWriterOptions;
  readonly #levels: Level[];
  /** The one whose content comes. */
  #file: HostFile | null = null;
  /** Those whose content has come, the oldest first. */
  readonly #finishing: HostFile[] = [];
  /** Entries at the top that have come. */
  #tops = 0;
  readonly #linked: Buffer[][] = [];
  #linkBytes = 0;
  readonly #progress: { current: string };

  /** Takes the directory over. Tells in `progress` what it works on, for errors. */
  constructor(target: HostDirectory, options: HostWriterOptions, progress: { current: string }) {
    this.#options = options;
    this.#progress = progress;
    this.#levels = [{ directory: target, name: Buffer.alloc(0), entry: null }];
  }

  async apply(record: ArchiveRecord): Promise<void> {
    switch (record.kind) {
      case 'bytes':
        this.#file?.write(record.bytes);
        return this.#drain(FILES_MAX);
      case 'hole':
        this.#file?.skip(record.length);
        return this.#drain(FILES_MAX);
      case 'up':
        await this.#finishAll();
        return this.#leave();
      case 'end':
        return this.#finishAll();
      default:
        this.#finishFile();
        return this.#make(record);
    }
  }

  /** Removes what is half-made, and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = this.#finishing.splice(0);
    if (this.#file !== null) files.push(this.#file);
    this.#file = null;
    for (const file of files) await file.discard();
    for (const { directory } of this.#levels.splice(0)) await directory[Symbol.asyncDispose]();
  }

  get #here(): HostDirectory {
    return (this.#levels.at(-1) as Level).directory;
  }

  #at(name: Buffer): Buffer {
    return this.#here.at(name);
  }

  async #make(entry: ArchiveEntry): Promise<void> {
    const name = this.#nameOf(entry);
    // What has the same name comes after, whatever it is.
    if (this.#finishing.some((file) => file.name.equals(name))) await this.#finishAll();
    this.#progress.current = name.toString('utf8');
    switch (entry.kind) {
      case 'directory':
        return this.#enter(entry, name);
      case 'file':
        return this.#open(entry, name);
      case 'symlink':
        return this.#symlink(entry, name);
      case 'link':
        return this.#link(entry, name);
    }
  }

  /** The one entry at the top has the name the caller wants. */
  #nameOf(entry: ArchiveEntry): Buffer {
    if (this.#levels.length > 1 || this.#options.name === null) return entry.name;
    if (++this.#tops > 1) {
      throw new BoxliteError(
        'Portal',
        'The box sent more than was asked of it: the copy is stopped',
      );
    }
    return this.#options.name;
  }

  async #enter(entry: ArchiveEntry, name: Buffer): Promise<void> {
    // Open to its owner until it is filled.
    const made = await mkdir(this.#at(name), 0o700).then(
      () => true,
      (error: unknown) => {
        if (systemCode(error) === 'EEXIST') return false;
        throw error;
      },
    );
    const directory = await this.#here.enter(name).catch((error: unknown) => {
      // What is there is a link or a file.
      throw systemCode(error) === 'ELOOP' ? coded('ENOTDIR', error) : error;
    });
    this.#levels.push({ directory, name, entry: made ? entry : null });
  }

  async #leave(): Promise<void> {
    const { directory, entry } = this.#levels.pop() as Level;
    await using left = directory;
    if (entry === null) return;
    await left.chmod(entry.mode & PERMISSIONS);
    const time = timeOf(entry);
    if (time !== null) await left.utimes(time, time);
  }

  async #open(entry: ArchiveEntry, name: Buffer): Promise<void> {
    if (entry.link > 0) this.#rememberLink(name);
    const free = () => this.#requireFree(name);
    this.#file = new HostFile(this.#here, name, entry, free);
    await this.#drain(FILES_MAX - 1);
  }

  #finishFile(): void {
    if (this.#file === null) return;
    this.#file.finish();
    this.#finishing.push(this.#file);
    this.#file = null;
  }

  /** Waits until every file has its name. */
  async #finishAll(): Promise<void> {
    this.#finishFile();
    await this.#drain(0);
  }

  /** Waits until at most so many files are being finished, and little enough content waits to be written. */
  async #drain(files: number): Promise<void> {
    while (this.#finishing.length > files || this.#waiting > WAITING_BYTES_MAX) {
      const oldest = this.#finishing[0] ?? this.#file;
      if (oldest === null) return;
      try {
        await oldest.done;
      } catch (error) {
        this.#progress.current = oldest.name.toString('utf8');
        throw error;
      }
      this.#finishing.shift();
    }
  }

  get #waiting(): number {
    return this.#finishing.reduce((sum, file) => sum + file.waiting, this.#file?.waiting ?? 0);
  }

  async #symlink(entry: ArchiveEntry, name: Buffer): Promise<void> {
    await this.#requireFree(name);
    await this.#makeAside(name, async (temporary) => {
      await symlink(entry.target, temporary);
      const time = timeOf(entry);
      if (time !== null) await lutimes(temporary, time, time);
    });
  }

  async #link(entry: ArchiveEntry, name: Buffer): Promise<void> {
    const path = this.#linked[entry.link - 1] as Buffer[];
    // The file may be among those that have no name yet.
    await this.#finishAll();
    await this.#requireFree(name);
    await using source = await this.#walkTo(path.slice(0, -1));
    const existing = source.at(path.at(-1) as Buffer);
    await this.#makeAside(name, (temporary) => link(existing, temporary));
  }

  /** Makes something under another name, and gives it its own when it is complete. */
  async #makeAside(name: Buffer, make: (path: Buffer) => Promise<void>): Promise<void> {
    const temporary = temporaryName();
    try {
      await make(this.#at(temporary));
      await this.#place(temporary, name);
    } finally {
      // Gone by now, unless something failed, or both are names of one file: then a rename does nothing.
      await unlink(this.#at(temporary)).catch(() => undefined);
    }
  }

  async #place(temporary: Buffer, name: Buffer): Promise<void> {
    await rename(this.#at(temporary), this.#at(name));
  }

  /** Whether there may be something under this name: a directory never gives way. */
  async #requireFree(name: Buffer): Promise<void> {
    const found = await lstat(this.#at(name)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (found === null) return;
    if (!this.#options.overwrite) throw coded('EEXIST');
    if (found.isDirectory()) throw coded('EISDIR');
  }

  #rememberLink(name: Buffer): void {
    const path = [...this.#levels.slice(1).map((level) => level.name), name];
    this.#linkBytes += path.reduce((sum, part) => sum + part.length, 64 * path.length);
    if (this.#linkBytes > LINK_BYTES_MAX) {
      throw new BoxliteError(
        'Storage',
        'The tree has too many files with several names to be copied',
      );
    }
    this.#linked.push(path);
  }

  /** A directory below the target, by the names that led there; links are refused on the way. */
  async #walkTo(names: readonly Buffer[]): Promise<HostDirectory> {
    const target = (this.#levels[0] as Level).directory;
    let at = await target.enter(Buffer.from('.'));
    for (const name of names) {
      await using upper = at;
      at = await upper.enter(name);
    }
    return at;
  }
}

function coded(code: string, cause?: unknown): Error {
  return Object.assign(new Error(code, { cause }), { code });
}
