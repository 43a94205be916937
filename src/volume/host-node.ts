/**
 * A directory of the host as a volume, without a way out of it.
 *
 * Nothing here resolves a path that a guest has made. A file is reached as `/proc/self/fd/<n>/<name>`: a descriptor of
 * the directory that holds it, and one name in there, which no call here follows if it is a symbolic link. The
 * descriptor stays with its directory however that is renamed, and was itself opened in this way, from the share down.
 * So whatever the guest or the host renames, replaces or links meanwhile, an operation hits a file of the share or
 * none. Links are texts: it is the guest that follows them, in its own tree.
 *
 * What a file is, is its device, inode and time of birth. A name under which another one is found has gone.
 */
import { type BigIntStats, constants } from 'node:fs';
import type {
  VolumeChanges,
  VolumeCreateFlags,
  VolumeEntry,
  VolumeFile,
  VolumeFound,
  VolumeNode,
  VolumeOpenFlags,
  VolumeRenameFlags,
  VolumeStat,
} from '../spec/volume-provider.ts';
import { Descriptor, O_PATH, O_SAFE } from './descriptor.ts';
import { VolumeError } from './errno.ts';
import { isName } from './fuse-request.ts';
import type { HostCalls } from './host-calls.ts';
import { HostFile } from './host-file.ts';
import type { Share } from './host-share.ts';
import { hostMode, identityOf, typeOf, volumeStat } from './host-stat.ts';
import { hostTimes } from './host-times.ts';

/** Names of one file that are remembered: any one that is still right will do. */
const PLACES_MAX = 16;

/** Where a file is: in a directory of the share, under a name. */
export interface Place {
  readonly parent: HostNode;
  readonly name: Buffer;
}

/** See the top of this file. */
export class HostNode implements VolumeNode {
  readonly identity: string;
  readonly #host: HostCalls;
  readonly #share: Share;
  readonly #isDirectory: boolean;
  /** The newest one is the last. None: it is the top of the share, or it has no name any more. */
  #places: Place[] = [];
  /** Who has been seen in this directory, by name in Latin-1. */
  readonly #children = new Map<string, HostNode>();
  /** The top's own descriptor. */
  #top: Descriptor | null = null;
  /** Whatever file is at its place is taken for it: the program that shares a file names it so. */
  #named = false;

  constructor(share: Share, identity: string, isDirectory: boolean) {
    this.#share = share;
    this.#host = share.host;
    this.identity = identity;
    this.#isDirectory = isDirectory;
  }

  /** The directory that a descriptor stands for, as the top of a share. */
  static top(share: Share, stat: BigIntStats, descriptor: Descriptor): HostNode {
    const node = new HostNode(share, identityOf(stat), true);
    node.#top = descriptor;
    return node;
  }

  /** The file of that name in a directory, whichever it is at any time. */
  static named(share: Share, parent: HostNode, name: Buffer): HostNode {
    const node = new HostNode(share, 'the shared file', false);
    node.#named = true;
    node.isAt({ parent, name });
    return node;
  }

  /** It has been seen there. */
  isAt(place: Place): void {
    const others = this.#places.filter(
      ({ parent, name }) => parent !== place.parent || !name.equals(place.name),
    );
    this.#places = [...others, place].slice(-PLACES_MAX);
    place.parent.#children.set(place.name.toString('latin1'), this);
  }

  childNamed(name: Buffer): HostNode | undefined {
    return this.#children.get(name.toString('latin1'));
  }

  /** Something has happened to a name of this node: a directory is reached by its descriptor only as long as it has one. */
  async mayHaveMoved(): Promise<void> {
    if (!this.#isDirectory || this.#top !== null) return;
    const there = () => this.#atPlace(async (path) => this.#verified(await this.#host.lstat(path)));
    const stat = await there().catch(() => this.#hostStat().catch(() => null));
    // One that is somebody's working directory has no name once it is removed, and goes on.
    if (this.#places.length === 0 && (stat === null || stat.nlink > 0n)) this.#share.shut(this);
  }

  #isNotAt(place: Place): void {
    this.#places = this.#places.filter((other) => other !== place);
    const name = place.name.toString('latin1');
    if (place.parent.#children.get(name) === this) place.parent.#children.delete(name);
  }

  forgotten(): void {
    for (const place of this.#places) this.#isNotAt(place);
    this.#share.forget(this);
  }

  async stat(): Promise<VolumeStat> {
    return volumeStat(await this.#hostStat(), this.#share.device);
  }

  async change(changes: VolumeChanges): Promise<void> {
    const { size, mode } = changes;
    if (size !== undefined) {
      const file = await this.#openFile(constants.O_WRONLY);
      await file.change({ size }).finally(() => file.close());
    }
    if (mode !== undefined) await this.#chmod(mode);
    const times = await hostTimes(changes, () => this.#hostStat());
    if (times === null) return;
    await this.#atPlace((path) => this.#host.lutimes(path, times.atime, times.mtime));
  }

  // Directories.

  async lookup(name: Buffer): Promise<VolumeFound | null> {
    try {
      return await this.#within(name, async (path) => {
        const stat = await this.#host.find(path);
        return stat === null ? null : this.#share.found(stat, { parent: this, name });
      });
    } catch (error) {
      // The directory itself has gone.
      if ((error as { code?: unknown }).code === 'ENOENT') return null;
      throw error;
    }
  }

  async list(): Promise<readonly VolumeEntry[]> {
    const entries = await this.#inDirectory((path) => this.#host.readdir(path));
    return entries.map((entry) => ({ name: entry.name, type: typeOf(entry) }));
  }

  create(name: Buffer, flags: VolumeCreateFlags): Promise<VolumeFound & { file: VolumeFile }> {
    return this.#within(name, async (path) => {
      const [descriptor, isNew] = await openOrMake(this.#host, path, flags);
      try {
        const stat = await descriptor.use(async (fd) => {
          const seen = await this.#host.fstat(fd);
          if (!seen.isFile()) throw new VolumeError('EEXIST');
          const mode = hostMode('file', flags.mode);
          // The umask of this program is none of the box's.
          const toChange = isNew && (Number(seen.mode) & 0o7777) !== mode;
          if (toChange) await this.#host.fchmod(fd, mode);
          if (!isNew && flags.truncate) await this.#host.ftruncate(fd, 0);
          const changed = toChange || (!isNew && flags.truncate);
          return changed ? this.#host.fstat(fd) : seen;
        });
        const file = new HostFile(descriptor, this.#share);
        return { ...this.#share.found(stat, { parent: this, name }), file };
      } catch (error) {
        await descriptor.close();
        throw error;
      }
    });
  }

  makeDirectory(name: Buffer, mode: number): Promise<VolumeFound> {
    return this.#within(name, async (path) => {
      const wanted = hostMode('directory', mode);
      await this.#host.mkdir(path, wanted);
      const made = await this.#find(path, name);
      if (made.stat.mode === wanted) return made;
      await made.node.change({ mode: wanted });
      return { ...made, stat: await made.node.stat() };
    });
  }

  makeSymlink(name: Buffer, target: Buffer): Promise<VolumeFound> {
    return this.#within(name, async (path) => {
      await this.#host.symlink(target, path);
      return this.#find(path, name);
    });
  }

  link(name: Buffer, node: VolumeNode): Promise<VolumeFound> {
    if (!(node instanceof HostNode) || node.#share !== this.#share) throw new VolumeError('EXDEV');
    return this.#within(name, async (path) => {
      await node.#atPlace((source) => this.#host.link(source, path));
      return this.#find(path, name);
    });
  }

  unlink(name: Buffer): Promise<void> {
    return this.#withoutName(name, (path) => this.#host.unlink(path));
  }

  removeDirectory(name: Buffer): Promise<void> {
    return this.#withoutName(name, (path) => this.#host.rmdir(path));
  }

  rename(
    name: Buffer,
    target: VolumeNode,
    targetName: Buffer,
    { noReplace, exchange }: VolumeRenameFlags,
  ): Promise<void> {
    // Node has no renameat2(): two names cannot change places at once.
    if (exchange) throw new VolumeError('EINVAL');
    if (!(target instanceof HostNode) || target.#share !== this.#share) {
      throw new VolumeError('EXDEV');
    }
    return this.#withoutName(name, (from) =>
      target.#within(targetName, async (to) => {
        // The guest's kernel lets nobody in the box come between; on the host somebody may.
        if (noReplace && (await this.#host.find(to)) !== null) throw new VolumeError('EEXIST');
        const moved = this.#share.known(identityOf(await this.#host.lstat(from)));
        await this.#host.rename(from, to);
        moved?.isAt({ parent: target, name: targetName });
      }),
    );
  }

  // Files and links.

  async open(flags: VolumeOpenFlags): Promise<VolumeFile> {
    const file = await this.#openFile(accessFlags(flags));
    try {
      if (flags.truncate) await file.change({ size: 0 });
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  readlink(): Promise<Buffer> {
    return this.#atPlace((path) => this.#host.readlink(path));
  }

  // How files are reached.

  async #find(path: Buffer, name: Buffer): Promise<VolumeFound & { node: HostNode }> {
    return this.#share.found(await this.#host.lstat(path), { parent: this, name });
  }

  async #hostStat(): Promise<BigIntStats> {
    // A directory that is open tells of itself even when it has no name any more.
    const descriptor = this.#top ?? this.#share.opened(this);
    if (descriptor !== undefined) return descriptor.use((fd) => this.#host.fstat(fd));
    return this.#atPlace(async (path) => this.#verified(await this.#host.lstat(path)));
  }

  /** @throws VolumeError `ESTALE` if it is another file by now */
  #verified(stat: BigIntStats): BigIntStats {
    const same = this.#named ? stat.isFile() : identityOf(stat) === this.identity;
    if (!same) throw new VolumeError('ESTALE');
    return stat;
  }

  async #openFile(access: number): Promise<HostFile> {
    // A device or a FIFO is not even touched.
    if (this.#isDirectory) throw new VolumeError('EISDIR');
    if (!this.#named && !this.identity.endsWith(':file')) throw new VolumeError('EACCES');
    return this.#atPlace(async (path) => {
      const descriptor = await Descriptor.open(this.#host, path, access | O_SAFE);
      try {
        const stat = await descriptor.use((fd) => this.#host.fstat(fd));
        return new HostFile(descriptor, this.#share, this.#verified(stat));
      } catch (error) {
        await descriptor.close();
        throw error;
      }
    });
  }

  /** chmod() follows links: it gets the file itself, by a descriptor that only stands for it. */
  async #chmod(mode: number): Promise<void> {
    const change = (descriptor: Descriptor) =>
      descriptor.use(async (fd) => {
        const type = typeOf(this.#verified(await this.#host.fstat(fd)));
        if (type === 'symlink') throw new VolumeError('EOPNOTSUPP');
        await this.#host.chmod(`/proc/self/fd/${fd}`, hostMode(type, mode));
      });
    if (this.#top !== null) return change(this.#top);
    await this.#atPlace(async (path) => {
      const descriptor = await Descriptor.open(this.#host, path, O_PATH | constants.O_NOFOLLOW);
      await change(descriptor).finally(() => descriptor.close());
    });
  }

  /** Does something with the path of a name in this directory. @throws VolumeError `EINVAL` at what is no name */
  #within<T>(name: Buffer, work: (path: Buffer) => Promise<T>): Promise<T> {
    if (!isName(name)) throw new VolumeError('EINVAL');
    return this.#withDescriptor((fd) => work(pathIn(fd, name)));
  }

  /** The same, behind which the box has taken the name away: that it has gone is nothing to tell it. */
  async #withoutName(name: Buffer, work: (path: Buffer) => Promise<void>): Promise<void> {
    await this.#within(name, work);
    this.#children.delete(name.toString('latin1'));
  }

  /** Does something with the path of this directory itself. */
  #inDirectory<T>(work: (path: Buffer) => Promise<T>): Promise<T> {
    return this.#withDescriptor((fd) => work(pathIn(fd, DOT)));
  }

  async #withDescriptor<T>(work: (fd: number) => Promise<T>): Promise<T> {
    if (!this.#isDirectory) throw new VolumeError('ENOTDIR');
    return (this.#top ?? this.#share.opened(this) ?? (await this.#reopen())).use(work);
  }

  async #reopen(): Promise<Descriptor> {
    return this.#atPlace(async (path) => {
      const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      const descriptor = await Descriptor.open(this.#host, path, flags);
      try {
        this.#verified(await descriptor.use((fd) => this.#host.fstat(fd)));
      } catch (error) {
        await descriptor.close();
        throw error;
      }
      await descriptor.use(async (fd) => this.#share.entered(this, fd));
      this.#share.keepOpen(this, descriptor);
      return descriptor;
    });
  }

  /** Does something with a path of this file, by whichever of its names is still right. */
  async #atPlace<T>(work: (path: Buffer) => Promise<T>): Promise<T> {
    if (this.#top !== null) return this.#inDirectory(work);
    for (const place of this.#places.toReversed()) {
      try {
        return await place.parent.#within(place.name, work);
      } catch (error) {
        if (!hasGone(error)) throw error;
        if (!this.#named) this.#isNotAt(place);
      }
    }
    throw new VolumeError('ESTALE');
  }
}

const DOT = Buffer.from('.');

function pathIn(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}

/** Errors that say that a name does not lead to the file. */
function hasGone(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESTALE' || code === 'ELOOP';
}

function accessFlags({ read, write }: VolumeOpenFlags): number {
  if (read && write) return constants.O_RDWR;
  return write ? constants.O_WRONLY : constants.O_RDONLY;
}

/** Opens a file, made if it is not there; and whether it was made. */
async function openOrMake(
  host: HostCalls,
  path: Buffer,
  flags: VolumeCreateFlags,
): Promise<[Descriptor, isNew: boolean]> {
  const access = accessFlags(flags) | O_SAFE;
  const make = access | constants.O_CREAT | constants.O_EXCL;
  try {
    return [await Descriptor.open(host, path, make, hostMode('file', flags.mode)), true];
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST' || flags.exclusive) throw error;
    const there = await host.lstat(path);
    if (!there.isFile()) throw error;
    return [await Descriptor.open(host, path, access), false];
  }
}
