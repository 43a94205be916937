// pure
import { VolumeError } from './errno.ts';
import {
  FSYNC_DATA_ONLY,
  OPEN_KEEP_CACHE,
  OUT_HEADER_BYTES,
  openFlags,
  seekWhence,
  TRANSFER_BYTES_MAX,
} from './fuse-protocol.ts';
import { encodeEntry, encodeOpen, encodePosition, encodeSize } from './fuse-reply.ts';
import type { RequestOf } from './fuse-request.ts';
import type { OpenFile } from './handles.ts';
import { contentOf, type KnownNode } from './nodes.ts';
import { requireExact } from './positions.ts';
import {
  can,
  closeQuietly,
  type Finish,
  NOTHING,
  VALIDITY,
  type VolumeState,
} from './volume-state.ts';

/** Bytes that one COPY_FILE_RANGE copies at most, so that it does not take for ever; the kernel asks on. */
const COPY_BYTES_MAX = 64 * 1024 * 1024;

/** Requests about open files. */
export class FileOperations {
  readonly #state: VolumeState;

  constructor(state: VolumeState) {
    this.#state = state;
  }

  async create(request: RequestOf<'create'>): Promise<Finish> {
    const parent = this.#state.changing(request.node).node;
    this.#state.handles.requireRoom();
    const made = await can(
      parent,
      'create',
      'EROFS',
    )(request.name, {
      ...accessOf(request.flags),
      mode: request.mode & 0o7777,
      exclusive: (request.flags & openFlags.EXCL) !== 0,
    });
    this.#state.owners.set(made.node, request);
    const { write } = accessOf(request.flags);
    return {
      body: () => {
        const known = this.#state.nodes.lookedUp(made.node);
        this.#state.touched(known);
        const handle = this.#state.handles.add({
          kind: 'file',
          known,
          file: made.file,
          writable: write,
        });
        return [
          encodeEntry(known.id, this.#state.attributes(known, made.stat), VALIDITY),
          encodeOpen(handle, 0),
        ];
      },
      undo: () => closeQuietly(made.file),
    };
  }

  async open(request: RequestOf<'open'>): Promise<Finish> {
    const access = accessOf(request.flags);
    if (access.write || access.truncate) this.#state.requireWritable();
    this.#state.handles.requireRoom();
    const known = this.#state.nodes.get(request.node);
    const file = await can(known.node, 'open', 'EACCES')(access);
    let content: string | null = null;
    try {
      const stat = await file.stat?.();
      if (stat !== undefined) content = contentOf(stat, this.#state.nowNs);
      if (access.truncate) await this.#cut(known, request.kills);
    } catch (error) {
      await closeQuietly(file);
      throw error;
    }
    return {
      body: () => {
        const same = content !== null && content === known.content;
        known.content = content;
        const handle = this.#state.handles.add({
          kind: 'file',
          known,
          file,
          writable: access.write,
        });
        return [encodeOpen(handle, same ? OPEN_KEEP_CACHE : 0)];
      },
      undo: () => closeQuietly(file),
    };
  }

  /** A file that is opened to be written anew. */
  async #cut(known: KnownNode, kills: boolean): Promise<void> {
    this.#state.touched(known);
    if (kills) await this.#state.killPrivileges(known, await this.#state.statOf(known));
  }

  async read({ handle, position, size }: RequestOf<'read'>): Promise<Finish> {
    const { file } = this.#state.handles.file(handle);
    if (size > TRANSFER_BYTES_MAX) throw new VolumeError('EINVAL');
    requireExact(position, size);
    if (file.read === undefined) throw new VolumeError('EBADF');
    const room = this.#state.buffers.take(OUT_HEADER_BYTES + size);
    const bytes = await file.read(size, position, room.subarray(OUT_HEADER_BYTES));
    return { body: () => [bytes.length > size ? bytes.subarray(0, size) : bytes], room };
  }

  async write({ handle, position, data, kills }: RequestOf<'write'>): Promise<Finish> {
    this.#state.requireWritable();
    const { file, known } = this.#writable(handle);
    requireExact(position, data.length);
    if (file.write === undefined) throw new VolumeError('EBADF');
    this.#state.touched(known);
    if (kills) await this.#state.killPrivileges(known, await this.#state.statOf(known));
    await file.write(data, position);
    return { body: () => [encodeSize(data.length)] };
  }

  async flush({ handle }: RequestOf<'flush'>): Promise<Finish> {
    // Upon ENOSYS the kernel never asks again.
    if (this.#state.provider.flushes !== true) throw new VolumeError('ENOSYS');
    await this.#state.handles.file(handle).file.flush?.();
    return NOTHING;
  }

  async release({ handle }: RequestOf<'release'>): Promise<Finish> {
    const removed = this.#state.handles.remove(handle, 'file');
    if (removed.kind === 'file') await closeQuietly(removed.file);
    return NOTHING;
  }

  async fsync({ handle, flags }: RequestOf<'fsync'>): Promise<Finish> {
    await this.#state.handles.file(handle).file.sync?.((flags & FSYNC_DATA_ONLY) !== 0);
    return NOTHING;
  }

  async fallocate(request: RequestOf<'fallocate'>): Promise<Finish> {
    this.#state.requireWritable();
    const { file } = this.#writable(request.handle);
    requireExact(request.position, request.length);
    if (file.allocate === undefined) throw new VolumeError('EOPNOTSUPP');
    await file.allocate(request.mode, request.position, request.length);
    return NOTHING;
  }

  async lseek({ handle, position, whence }: RequestOf<'lseek'>): Promise<Finish> {
    const { file } = this.#state.handles.file(handle);
    // Upon ENOSYS the kernel takes everything for data, which is allowed.
    if (file.seek === undefined) throw new VolumeError('ENOSYS');
    requireExact(position, 0);
    if (whence !== seekWhence.DATA && whence !== seekWhence.HOLE) throw new VolumeError('EINVAL');
    const found = await file.seek(whence === seekWhence.DATA ? 'data' : 'hole', position);
    return { body: () => [encodePosition(found)] };
  }

  async copyFileRange(request: RequestOf<'copyFileRange'>): Promise<Finish> {
    this.#state.requireWritable();
    const source = this.#state.handles.file(request.handle).file;
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
    const open = this.#state.handles.file(handle);
    if (!open.writable) throw new VolumeError('EBADF');
    return open;
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
