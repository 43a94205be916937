import type {
  VolumeChanges,
  VolumeEntry,
  VolumeFile,
  VolumeFound,
  VolumeNode,
  VolumeProvider,
  VolumeStat,
} from '../spec/volume-provider.ts';
import { type ErrorName, VolumeError } from './errno.ts';
import {
  FSYNC_DATA_ONLY,
  MODE_TYPE,
  modeTypes,
  OPEN_KEEP_CACHE,
  openFlags,
  renameFlags,
  seekWhence,
  setattrFields,
  TRANSFER_BYTES_MAX,
  xattrFlags,
} from './fuse-protocol.ts';
import {
  type Attributes,
  DirectoryWriter,
  encodeAttributes,
  encodeEntry,
  encodeOpen,
  encodePosition,
  encodeSize,
  encodeSpace,
  type Validity,
} from './fuse-reply.ts';
import type { Forget, FuseRequest, RequestOf } from './fuse-request.ts';
import { HandleTable, type OpenDirectory, type OpenFile } from './handles.ts';
import { contentOf, type KnownNode, NodeTable } from './nodes.ts';
import { type FileOwner, Owners } from './owners.ts';

/**
 * How long the kernel believes what it was told: a change made on the host is seen in the box at the latest then, and
 * what a file holds at the latest when it is opened.
 */
const VALIDITY: Validity = { entryMs: 1000, attributesMs: 1000 };
/** Nodes of a directory that are looked at together. */
const BATCH = 64;

/** A success. The body is made when the reply is sent: what it tells the kernel counts from then on. */
export interface Finish {
  readonly body: () => readonly Uint8Array[];
  /** For a reply that nobody gets. */
  readonly undo?: () => Promise<void>;
}

/** What operations need of their volume. */
export interface OperationsOptions {
  readonly provider: VolumeProvider;
  readonly root: VolumeFound;
  readonly readOnly: boolean;
  readonly owner: FileOwner;
}

const NOTHING: Finish = { body: () => [] };

/** The operations of FUSE over a provider: what is known and open in the guest, and what each request does. */
export class Operations {
  readonly #provider: VolumeProvider;
  readonly #root: VolumeNode;
  readonly #readOnly: boolean;
  readonly #nodes: NodeTable;
  readonly #handles = new HandleTable();
  readonly #owners: Owners;

  constructor({ provider, root, readOnly, owner }: OperationsOptions) {
    this.#provider = provider;
    this.#root = root.node;
    this.#readOnly = readOnly;
    this.#nodes = new NodeTable(root.node);
    this.#owners = new Owners(owner);
  }

  /** @throws BoxliteError `Portal` */
  forget(forgets: readonly Forget[]): void {
    for (const { node, lookups } of forgets) this.#nodes.forget(node, lookups);
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    this.#nodes.clear();
    await Promise.all(this.#handles.clear().map(closeQuietly));
  }

  /** Does what a request asks for. @throws what the guest is to be told, see {@link errnoOf} */
  async perform(request: FuseRequest): Promise<Finish> {
    switch (request.op) {
      case 'lookup':
        return this.#lookup(request);
      case 'getattr':
        return this.#getattr(request);
      case 'setattr':
        return this.#setattr(request);
      case 'readlink':
        return this.#readlink(request);
      case 'symlink':
      case 'mknod':
      case 'mkdir':
      case 'link':
        return this.#make(request);
      case 'unlink':
      case 'rmdir':
        return this.#remove(request);
      case 'rename':
        return this.#rename(request);
      case 'create':
        return this.#create(request);
      case 'open':
        return this.#open(request);
      case 'read':
        return this.#read(request);
      case 'write':
        return this.#write(request);
      case 'flush':
        return this.#flush(request);
      case 'release':
        return this.#release(request);
      case 'fsync':
        return this.#fsync(request);
      case 'fallocate':
        return this.#fallocate(request);
      case 'lseek':
        return this.#lseek(request);
      case 'copyFileRange':
        return this.#copyFileRange(request);
      case 'opendir':
        return this.#opendir(request);
      case 'readdir':
        return this.#readdir(request);
      case 'releasedir':
        this.#handles.remove(request.handle, 'directory');
        return NOTHING;
      case 'statfs':
        return this.#statfs();
      case 'getxattr':
        return this.#getxattr(request);
      case 'listxattr':
        return this.#listxattr(request);
      case 'setxattr':
        return this.#setxattr(request);
      case 'removexattr':
        return this.#removexattr(request);
      // The kernel checks permissions by the modes it is told, and a directory is as durable as the host makes it.
      case 'access':
      case 'fsyncdir':
      case 'destroy':
        return NOTHING;
      case 'refused':
        throw new VolumeError(request.code);
      default:
        throw new VolumeError('ENOSYS');
    }
  }

  // Nodes.

  async #lookup({ node, name }: RequestOf<'lookup'>): Promise<Finish> {
    const parent = this.#nodes.get(node).node;
    const found = await can(parent, 'lookup', 'ENOTDIR')(name);
    if (found === null) throw new VolumeError('ENOENT');
    return this.#entry(found);
  }

  async #getattr({ node, handle }: RequestOf<'getattr'>): Promise<Finish> {
    const known = this.#nodes.get(node);
    const open = handle === null ? null : this.#handles.file(handle);
    const stat = (await open?.file.stat?.()) ?? (await this.#statOf(known));
    return { body: () => [encodeAttributes(this.#attributes(known, stat), VALIDITY)] };
  }

  async #setattr(request: RequestOf<'setattr'>): Promise<Finish> {
    this.#requireWritable();
    const known = this.#nodes.get(request.node);
    const { valid } = request;
    const changes = changesOf(request);
    if (Object.keys(changes).length > 0) {
      const open = valid & setattrFields.FH ? this.#handles.file(request.handle) : null;
      await this.#change(known, open, changes);
    }
    if (valid & (setattrFields.UID | setattrFields.GID)) {
      const { uid, gid } = this.#owners.of(known.node);
      this.#owners.set(known.node, {
        uid: valid & setattrFields.UID ? request.uid : uid,
        gid: valid & setattrFields.GID ? request.gid : gid,
      });
    }
    const stat = await this.#statOf(known);
    return { body: () => [encodeAttributes(this.#attributes(known, stat), VALIDITY)] };
  }

  async #change(known: KnownNode, open: OpenFile | null, changes: VolumeChanges): Promise<void> {
    if (open?.file.change !== undefined) return open.file.change(changes);
    await viaOpenFile(
      known,
      () => can(known.node, 'change', 'EROFS')(changes),
      (file) => file.change?.(changes),
    );
  }

  /** Also of a file without a name, as long as it is open. */
  async #statOf(known: KnownNode): Promise<VolumeStat> {
    return viaOpenFile(
      known,
      () => known.node.stat(),
      (file) => file.stat?.(),
    );
  }

  async #readlink({ node }: RequestOf<'readlink'>): Promise<Finish> {
    const target = await can(this.#nodes.get(node).node, 'readlink', 'EINVAL')();
    return { body: () => [target] };
  }

  async #make(
    request: RequestOf<'symlink'> | RequestOf<'mknod'> | RequestOf<'mkdir'> | RequestOf<'link'>,
  ): Promise<Finish> {
    this.#requireWritable();
    const parent = this.#nodes.get(request.node).node;
    if (request.op === 'link') {
      const source = this.#nodes.get(request.source).node;
      return this.#entry(await can(parent, 'link', 'EPERM')(request.name, source));
    }
    const found = await this.#makeNew(parent, request);
    this.#owners.set(found.node, request);
    return this.#entry(found);
  }

  async #makeNew(
    parent: VolumeNode,
    request: RequestOf<'symlink'> | RequestOf<'mknod'> | RequestOf<'mkdir'>,
  ): Promise<VolumeFound> {
    switch (request.op) {
      case 'symlink':
        return can(parent, 'makeSymlink', 'EPERM')(request.name, request.target);
      case 'mkdir':
        return can(parent, 'makeDirectory', 'EROFS')(request.name, request.mode & 0o7777);
      case 'mknod': {
        // Devices, FIFOs and sockets would be the host's, or would have to be simulated there.
        if ((request.mode & MODE_TYPE) !== modeTypes.file) throw new VolumeError('EPERM');
        const flags = { read: true, write: false, truncate: false, exclusive: true };
        const mode = request.mode & 0o7777;
        const made = await can(parent, 'create', 'EROFS')(request.name, { ...flags, mode });
        await closeQuietly(made.file);
        return made;
      }
    }
  }

  async #remove({ op, node, name }: RequestOf<'unlink'> | RequestOf<'rmdir'>): Promise<Finish> {
    this.#requireWritable();
    const parent = this.#nodes.get(node).node;
    await can(parent, op === 'unlink' ? 'unlink' : 'removeDirectory', 'EROFS')(name);
    return NOTHING;
  }

  async #rename(request: RequestOf<'rename'>): Promise<Finish> {
    this.#requireWritable();
    const parent = this.#nodes.get(request.node).node;
    const target = this.#nodes.get(request.target).node;
    const known = renameFlags.NOREPLACE | renameFlags.EXCHANGE;
    if ((request.flags & ~known) !== 0 || request.flags === known) throw new VolumeError('EINVAL');
    await can(parent, 'rename', 'EROFS')(request.name, target, request.targetName, {
      noReplace: (request.flags & renameFlags.NOREPLACE) !== 0,
      exchange: (request.flags & renameFlags.EXCHANGE) !== 0,
    });
    return NOTHING;
  }

  // Files.

  async #create(request: RequestOf<'create'>): Promise<Finish> {
    this.#requireWritable();
    this.#handles.requireRoom();
    const parent = this.#nodes.get(request.node).node;
    const made = await can(
      parent,
      'create',
      'EROFS',
    )(request.name, {
      ...accessOf(request.flags),
      mode: request.mode & 0o7777,
      exclusive: (request.flags & openFlags.EXCL) !== 0,
    });
    this.#owners.set(made.node, request);
    const { write } = accessOf(request.flags);
    return {
      body: () => {
        const known = this.#nodes.lookedUp(made.node);
        const handle = this.#handles.add({ kind: 'file', known, file: made.file, writable: write });
        return [
          encodeEntry(known.id, this.#attributes(known, made.stat), VALIDITY),
          encodeOpen(handle, 0),
        ];
      },
      undo: () => closeQuietly(made.file),
    };
  }

  async #open(request: RequestOf<'open'>): Promise<Finish> {
    const access = accessOf(request.flags);
    if (access.write || access.truncate) this.#requireWritable();
    this.#handles.requireRoom();
    const known = this.#nodes.get(request.node);
    const file = await can(known.node, 'open', 'EACCES')(access);
    let content: string | null = null;
    try {
      const stat = await file.stat?.();
      if (stat !== undefined) content = contentOf(stat, hostTimeNs());
    } catch (error) {
      await closeQuietly(file);
      throw error;
    }
    return {
      body: () => {
        const same = content !== null && content === known.content;
        known.content = content;
        const handle = this.#handles.add({ kind: 'file', known, file, writable: access.write });
        return [encodeOpen(handle, same ? OPEN_KEEP_CACHE : 0)];
      },
      undo: () => closeQuietly(file),
    };
  }

  async #read({ handle, position, size }: RequestOf<'read'>): Promise<Finish> {
    const { file } = this.#handles.file(handle);
    if (size > TRANSFER_BYTES_MAX) throw new VolumeError('EINVAL');
    requireExact(position, size);
    if (file.read === undefined) throw new VolumeError('EBADF');
    const bytes = await file.read(size, position);
    return { body: () => [bytes.length > size ? bytes.subarray(0, size) : bytes] };
  }

  async #write({ handle, position, data }: RequestOf<'write'>): Promise<Finish> {
    this.#requireWritable();
    const { file } = this.#writable(handle);
    requireExact(position, data.length);
    if (file.write === undefined) throw new VolumeError('EBADF');
    await file.write(data, position);
    return { body: () => [encodeSize(data.length)] };
  }

  async #flush({ handle }: RequestOf<'flush'>): Promise<Finish> {
    // Upon ENOSYS the kernel never asks again.
    if (this.#provider.flushes !== true) throw new VolumeError('ENOSYS');
    await this.#handles.file(handle).file.flush?.();
    return NOTHING;
  }

  async #release({ handle }: RequestOf<'release'>): Promise<Finish> {
    const removed = this.#handles.remove(handle, 'file');
    if (removed.kind === 'file') await closeQuietly(removed.file);
    return NOTHING;
  }

  async #fsync({ handle, flags }: RequestOf<'fsync'>): Promise<Finish> {
    await this.#handles.file(handle).file.sync?.((flags & FSYNC_DATA_ONLY) !== 0);
    return NOTHING;
  }

  async #fallocate(request: RequestOf<'fallocate'>): Promise<Finish> {
    this.#requireWritable();
    const { file } = this.#writable(request.handle);
    requireExact(request.position, request.length);
    if (file.allocate === undefined) throw new VolumeError('EOPNOTSUPP');
    await file.allocate(request.mode, request.position, request.length);
    return NOTHING;
  }

  async #lseek({ handle, position, whence }: RequestOf<'lseek'>): Promise<Finish> {
    const { file } = this.#handles.file(handle);
    // Upon ENOSYS the kernel takes everything for data, which is allowed.
    if (file.seek === undefined) throw new VolumeError('ENOSYS');
    requireExact(position, 0);
    if (whence !== seekWhence.DATA && whence !== seekWhence.HOLE) throw new VolumeError('EINVAL');
    const found = await file.seek(whence === seekWhence.DATA ? 'data' : 'hole', position);
    return { body: () => [encodePosition(found)] };
  }

  async #copyFileRange(request: RequestOf<'copyFileRange'>): Promise<Finish> {
    this.#requireWritable();
    const source = this.#handles.file(request.handle).file;
    const target = this.#writable(request.targetHandle).file;
    // Upon this the kernel copies through the guest.
    if (source.copy === undefined) throw new VolumeError('EOPNOTSUPP');
    requireExact(request.position, 0);
    requireExact(request.targetPosition, 0);
    const length = Math.min(request.length, COPY_BYTES_MAX);
    const copied = await source.copy(request.position, target, request.targetPosition, length);
    return { body: () => [encodeSize(copied)] };
  }

  #writable(handle: number): OpenFile {
    const open = this.#handles.file(handle);
    if (!open.writable) throw new VolumeError('EBADF');
    return open;
  }

  // Directories.

  async #opendir({ node }: RequestOf<'opendir'>): Promise<Finish> {
    this.#handles.requireRoom();
    const known = this.#nodes.get(node);
    can(known.node, 'list', 'ENOTDIR');
    return {
      body: () => [encodeOpen(this.#handles.add({ kind: 'directory', known, entries: [] }), 0)],
    };
  }

  async #readdir(request: RequestOf<'readdir'>): Promise<Finish> {
    const directory = this.#handles.directory(request.handle);
    const size = Math.min(request.size, TRANSFER_BYTES_MAX);
    if (request.position === 0) await this.#readEntries(directory);
    const writer = new DirectoryWriter(size, request.plus);
    const steps: (() => void)[] = [];
    let at = Math.min(request.position, directory.entries.length);
    while (at < directory.entries.length) {
      const batch = fitting(directory.entries, at, size, request.plus);
      const found = await Promise.all(
        batch.map((entry) => (request.plus ? this.#foundIn(directory.known, entry) : null)),
      );
      const start = at;
      steps.push(() => this.#addEntries(writer, batch, start, found, request.plus));
      at += batch.length;
      // What has gone meanwhile must not look like the end.
      if (!request.plus || found.some((entry) => entry !== null)) break;
    }
    return {
      body: () => {
        for (const step of steps) step();
        return [writer.bytes];
      },
    };
  }

  async #readEntries(directory: OpenDirectory): Promise<void> {
    const entries = await can(directory.known.node, 'list', 'ENOTDIR')();
    const dots = ['.', '..'].map(
      (name) => ({ name: Buffer.from(name), type: 'directory' }) as const,
    );
    this.#handles.setEntries(directory, [...dots, ...entries]);
  }

  async #foundIn(
    directory: KnownNode,
    { name }: VolumeEntry,
  ): Promise<VolumeFound | 'dots' | null> {
    if (isDots(name)) return 'dots';
    // One that cannot be looked at is still listed; whoever looks at it learns why.
    return can(directory.node, 'lookup', 'ENOTDIR')(name).catch(() => 'dots' as const);
  }

  #addEntries(
    writer: DirectoryWriter,
    batch: readonly VolumeEntry[],
    start: number,
    found: readonly (VolumeFound | 'dots' | null)[],
    plus: boolean,
  ): void {
    for (const [i, entry] of batch.entries()) {
      const seen = found[i] ?? null;
      if (plus && seen === null) continue;
      if (!writer.fits(entry.name)) return;
      if (seen === null || seen === 'dots') {
        writer.add(entry, start + i + 1, null);
        continue;
      }
      const known = this.#nodes.lookedUp(seen.node);
      const attributes = this.#attributes(known, seen.stat);
      const told = { name: entry.name, type: seen.stat.type, inode: attributes.inode };
      writer.add(told, start + i + 1, { id: known.id, attributes, validity: VALIDITY });
    }
  }

  async #statfs(): Promise<Finish> {
    const none = { blocks: 0, freeBlocks: 0, availableBlocks: 0, files: 0, freeFiles: 0 };
    const space = (await this.#provider.space?.()) ?? { blockSize: 4096, ...none };
    return { body: () => [encodeSpace(space)] };
  }

  // Extended attributes.

  async #getxattr({ node, attribute, size }: RequestOf<'getxattr'>): Promise<Finish> {
    const value = await this.#attributesOf(node, 'getAttribute')(attribute);
    if (value === null) throw new VolumeError('ENODATA');
    return sized(value, size);
  }

  async #listxattr({ node, size }: RequestOf<'listxattr'>): Promise<Finish> {
    const names = await this.#attributesOf(node, 'listAttributes')();
    return sized(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), size);
  }

  async #setxattr({ node, attribute, value, flags }: RequestOf<'setxattr'>): Promise<Finish> {
    this.#requireWritable();
    await this.#attributesOf(node, 'setAttribute')(attribute, value, {
      create: (flags & xattrFlags.CREATE) !== 0,
      replace: (flags & xattrFlags.REPLACE) !== 0,
    });
    return NOTHING;
  }

  async #removexattr({ node, attribute }: RequestOf<'removexattr'>): Promise<Finish> {
    this.#requireWritable();
    await this.#attributesOf(node, 'removeAttribute')(attribute);
    return NOTHING;
  }

  /** A volume whose root has none has none at all: upon ENOSYS the kernel never asks again. */
  #attributesOf<Name extends keyof VolumeNode>(node: number, name: Name) {
    return can(this.#nodes.get(node).node, name, name in this.#root ? 'EOPNOTSUPP' : 'ENOSYS');
  }

  // What is common.

  #entry({ node, stat }: VolumeFound): Finish {
    return {
      body: () => {
        const known = this.#nodes.lookedUp(node);
        return [encodeEntry(known.id, this.#attributes(known, stat), VALIDITY)];
      },
    };
  }

  /** What the kernel is told of a node. Pages of a file that has changed it drops by itself then. */
  #attributes(known: KnownNode, stat: VolumeStat): Attributes {
    if (stat.type === 'file') known.content = contentOf(stat, hostTimeNs());
    return { stat, inode: stat.inode ?? BigInt(known.id), ...this.#owners.of(known.node) };
  }

  #requireWritable(): void {
    if (this.#readOnly) throw new VolumeError('EROFS');
  }
}

/** Bytes that one COPY_FILE_RANGE copies at most, so that it does not take for ever; the kernel asks on. */
const COPY_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes before the name in a directory's entry, and what comes before that in READDIRPLUS. */
const ENTRY_HEAD_BYTES = 24;
const PLUS_BYTES = 128;

/** A method of a node that may be missing. @throws VolumeError */
function can<Name extends keyof VolumeNode>(node: VolumeNode, name: Name, otherwise: ErrorName) {
  const method = node[name];
  if (typeof method !== 'function') throw new VolumeError(otherwise);
  return method.bind(node) as Extract<NonNullable<VolumeNode[Name]>, (...args: never) => unknown>;
}

/** Through the node, or if it has no name any more through one of its open files. */
async function viaOpenFile<T>(
  known: KnownNode,
  first: () => Promise<T>,
  then: (file: VolumeFile) => Promise<T> | undefined,
): Promise<T> {
  try {
    return await first();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'ENOENT' && code !== 'ESTALE') throw error;
    for (const { file } of known.files) {
      const result = then(file);
      if (result !== undefined) return result;
    }
    throw error;
  }
}

function accessOf(flags: number) {
  const access = flags & openFlags.ACCESS;
  return {
    read: access !== openFlags.WRONLY,
    write: access !== 0,
    truncate: (flags & openFlags.TRUNC) !== 0,
  };
}

function changesOf(request: RequestOf<'setattr'>): VolumeChanges {
  const { valid } = request;
  const now = valid & (setattrFields.ATIME_NOW | setattrFields.MTIME_NOW) ? hostTimeNs() : 0n;
  if (valid & setattrFields.SIZE) requireExact(request.size, 0);
  const atimeNs = valid & setattrFields.ATIME_NOW ? now : request.atimeNs;
  const mtimeNs = valid & setattrFields.MTIME_NOW ? now : request.mtimeNs;
  return {
    ...(valid & setattrFields.MODE ? { mode: request.mode & 0o7777 } : {}),
    ...(valid & setattrFields.SIZE ? { size: request.size } : {}),
    ...(valid & (setattrFields.ATIME | setattrFields.ATIME_NOW) ? { atimeNs } : {}),
    ...(valid & (setattrFields.MTIME | setattrFields.MTIME_NOW) ? { mtimeNs } : {}),
  };
}

/** No file of a host is larger than what a number can say exactly. */
function requireExact(position: number, length: number): void {
  if (position + length > Number.MAX_SAFE_INTEGER) throw new VolumeError('EFBIG');
}

/** The entries from `at` on that fit a reply, no more than are looked at together. */
function fitting(
  entries: readonly VolumeEntry[],
  at: number,
  size: number,
  plus: boolean,
): readonly VolumeEntry[] {
  let room = size;
  let end = at;
  const limit = plus ? at + BATCH : entries.length;
  while (end < Math.min(entries.length, limit)) {
    const head = ENTRY_HEAD_BYTES + (plus ? PLUS_BYTES : 0);
    room -= Math.ceil((head + (entries[end]?.name.length ?? 0)) / 8) * 8;
    if (room < 0) break;
    end++;
  }
  // A reply too small for a single entry is EINVAL, as getdents(2) has it.
  if (end === at && at < entries.length) throw new VolumeError('EINVAL');
  return entries.slice(at, end);
}

function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === 0x2e);
}

/** An attribute's value, or how large it is for those who ask with no room. */
function sized(value: Buffer, size: number): Finish {
  if (size === 0) return { body: () => [encodeSize(value.length)] };
  if (value.length > size) throw new VolumeError('ERANGE');
  return { body: () => [value] };
}

function hostTimeNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

async function closeQuietly(file: VolumeFile): Promise<void> {
  // What was written has been answered for; nobody can be told of this any more.
  await file.close().catch(() => undefined);
}
