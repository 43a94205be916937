// pure
import type { VolumeChanges, VolumeFound, VolumeNode } from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import { MODE_TYPE, modeTypes, renameFlags, setattrFields } from './fuse-protocol.ts';
import { encodeAttributes } from './fuse-reply.ts';
import type { RequestOf } from './fuse-request.ts';
import type { OpenFile } from './handles.ts';
import type { KnownNode } from './nodes.ts';
import { requireExact } from './positions.ts';
import {
  can,
  closeQuietly,
  type Finish,
  NOTHING,
  VALIDITY,
  type VolumeState,
} from './volume-state.ts';

/** What makes set-id bits go: a new owner, or being cut by somebody else. */
const KILLING = setattrFields.UID | setattrFields.GID | setattrFields.KILL_SUIDGID;

/** Made once: many a program looks for names that are not there, and nobody sees where this comes from. */
const NOT_THERE = new VolumeError('ENOENT');

/** Requests about names, and about files as they are seen from outside. */
export class NodeOperations {
  readonly #state: VolumeState;

  constructor(state: VolumeState) {
    this.#state = state;
  }

  async lookup({ node, name }: RequestOf<'lookup'>): Promise<Finish> {
    const parent = this.#state.nodes.get(node).node;
    const found = await can(parent, 'lookup', 'ENOTDIR')(name);
    if (found === null) throw NOT_THERE;
    return this.#state.entry(found);
  }

  async getattr({ node, handle }: RequestOf<'getattr'>): Promise<Finish> {
    const known = this.#state.nodes.get(node);
    const open = handle === null ? null : this.#state.handles.file(handle);
    const stat = (await open?.file.stat?.()) ?? (await this.#state.statOf(known));
    return { body: () => [encodeAttributes(this.#state.attributes(known, stat), VALIDITY)] };
  }

  async setattr(request: RequestOf<'setattr'>): Promise<Finish> {
    const known = this.#state.changing(request.node);
    const { valid } = request;
    const changes = changesOf(request, this.#state.nowNs);
    if (Object.keys(changes).length > 0) {
      const open = valid & setattrFields.FH ? this.#state.handles.file(request.handle) : null;
      await this.#change(known, open, changes);
    }
    if (valid & (setattrFields.UID | setattrFields.GID)) {
      const { uid, gid } = this.#state.owners.of(known.node);
      this.#state.owners.set(known.node, {
        uid: valid & setattrFields.UID ? request.uid : uid,
        gid: valid & setattrFields.GID ? request.gid : gid,
      });
    }
    const now = await this.#state.statOf(known);
    const kills = (valid & KILLING) !== 0;
    const stat = kills ? await this.#state.killPrivileges(known, now) : now;
    return { body: () => [encodeAttributes(this.#state.attributes(known, stat), VALIDITY)] };
  }

  #change(known: KnownNode, open: OpenFile | null, changes: VolumeChanges): Promise<void> {
    return open?.file.change?.(changes) ?? this.#state.change(known, changes);
  }

  async readlink({ node }: RequestOf<'readlink'>): Promise<Finish> {
    const target = await can(this.#state.nodes.get(node).node, 'readlink', 'EINVAL')();
    return { body: () => [target] };
  }

  async make(
    request: RequestOf<'symlink'> | RequestOf<'mknod'> | RequestOf<'mkdir'> | RequestOf<'link'>,
  ): Promise<Finish> {
    const parent = this.#state.changing(request.node).node;
    if (request.op === 'link') {
      const source = this.#state.changing(request.source).node;
      return this.#state.entry(await can(parent, 'link', 'EPERM')(request.name, source));
    }
    const found = await this.#makeNew(parent, request);
    this.#state.owners.set(found.node, request);
    return this.#state.entry(found);
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

  async remove({ op, node, name }: RequestOf<'unlink'> | RequestOf<'rmdir'>): Promise<Finish> {
    const parent = this.#state.changing(node).node;
    await can(parent, op === 'unlink' ? 'unlink' : 'removeDirectory', 'EROFS')(name);
    return NOTHING;
  }

  async rename(request: RequestOf<'rename'>): Promise<Finish> {
    const parent = this.#state.changing(request.node).node;
    const target = this.#state.changing(request.target).node;
    const known = renameFlags.NOREPLACE | renameFlags.EXCHANGE;
    if ((request.flags & ~known) !== 0 || request.flags === known) throw new VolumeError('EINVAL');
    await can(parent, 'rename', 'EROFS')(request.name, target, request.targetName, {
      noReplace: (request.flags & renameFlags.NOREPLACE) !== 0,
      exchange: (request.flags & renameFlags.EXCHANGE) !== 0,
    });
    return NOTHING;
  }
}

function changesOf(request: RequestOf<'setattr'>, nowNs: bigint): VolumeChanges {
  const { valid } = request;
  const now = valid & (setattrFields.ATIME_NOW | setattrFields.MTIME_NOW) ? nowNs : 0n;
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
