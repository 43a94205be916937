// pure
import type {
  VolumeChanges,
  VolumeFile,
  VolumeFound,
  VolumeNode,
  VolumeProvider,
  VolumeStat,
} from '../spec/volume-provider.ts';
import { type ErrorName, VolumeError } from './errno.ts';
import { type Attributes, encodeEntry, type Validity } from './fuse-reply.ts';
import { HandleTable } from './handles.ts';
import type { MessageBuffers } from './message-buffers.ts';
import { contentOf, type KnownNode, NodeTable } from './nodes.ts';
import { type FileOwner, Owners } from './owners.ts';

/**
 * How long the kernel believes what it was told: where nothing tells of a change made on the host it is seen in the box at
 * the latest then.
 */
export const VALIDITY: Validity = { entryMs: 1000, attributesMs: 1000 };

/** A success. The body is made when the reply is sent: what it tells the kernel counts from then on. */
export interface Finish {
  readonly body: () => readonly Uint8Array[];
  /** Of the state's buffers, where the reply is to be made: the body lies in it, behind the header. */
  readonly room?: Uint8Array;
  /** For a reply that nobody gets. */
  readonly undo?: () => Promise<void>;
}

/** A success with nothing to say. */
export const NOTHING: Finish = { body: () => [] };

/** What operations need of their volume. */
export interface OperationsOptions {
  readonly provider: VolumeProvider;
  readonly root: VolumeFound;
  readonly readOnly: boolean;
  readonly owner: FileOwner;
  readonly buffers: MessageBuffers;
  /** The time in ms since 1970. */
  readonly now: () => number;
}

/** What is known and open in the guest, which all operations share. */
export class VolumeState {
  readonly provider: VolumeProvider;
  readonly root: VolumeNode;
  readonly nodes: NodeTable;
  readonly handles = new HandleTable();
  readonly owners: Owners;
  readonly buffers: MessageBuffers;
  readonly #readOnly: boolean;
  readonly #now: () => number;

  constructor({ provider, root, readOnly, owner, buffers, now }: OperationsOptions) {
    this.provider = provider;
    this.root = root.node;
    this.#readOnly = readOnly;
    this.nodes = new NodeTable(root.node);
    this.owners = new Owners(owner);
    this.buffers = buffers;
    this.#now = now;
  }

  get nowNs(): bigint {
    return BigInt(this.#now()) * 1_000_000n;
  }

  /** @throws VolumeError `EROFS` */
  requireWritable(): void {
    if (this.#readOnly) throw new VolumeError('EROFS');
  }

  /** A name that the kernel is told of. */
  entry({ node, stat }: VolumeFound): Finish {
    return {
      body: () => {
        const known = this.nodes.lookedUp(node);
        return [encodeEntry(known.id, this.attributes(known, stat), VALIDITY)];
      },
    };
  }

  /** What the kernel is told of a node. Pages of a file that has changed it drops by itself then. */
  attributes(known: KnownNode, stat: VolumeStat): Attributes {
    known.toldMs = this.#now();
    if (stat.type === 'file') known.content = contentOf(stat, this.nowNs);
    return { stat, inode: stat.inode ?? BigInt(known.id), ...this.owners.of(known.node) };
  }

  /** What a node is, also one without a name, as long as it is open. */
  statOf(known: KnownNode): Promise<VolumeStat> {
    return viaOpenFile(
      known,
      () => known.node.stat(),
      (file) => file.stat?.(),
    );
  }

  /** Takes the set-id bits of a file away if it has any: what writes it, or gives it away, need not be its owner. */
  async killPrivileges(known: KnownNode, stat: VolumeStat): Promise<VolumeStat> {
    const mode = withoutSetId(stat.mode);
    if (stat.type !== 'file' || mode === stat.mode) return stat;
    await this.change(known, { mode });
    return this.statOf(known);
  }

  /** Changes a node, also one without a name, as long as it is open. */
  change(known: KnownNode, changes: VolumeChanges): Promise<void> {
    return viaOpenFile(
      known,
      () => can(known.node, 'change', 'EROFS')(changes),
      (file) => file.change?.(changes),
    );
  }

  /** A node that the box changes, and so its kernel knows of that. @throws VolumeError `EROFS`, `ESTALE` */
  changing(id: number): KnownNode {
    this.requireWritable();
    const known = this.nodes.get(id);
    this.touched(known);
    return known;
  }

  touched(known: KnownNode): void {
    known.touchedMs = this.#now();
  }

  /**
   * The number of a node that has changed, if the kernel still believes what it was told of it. A change that may be the
   * box's own is left to {@link VALIDITY}.
   */
  doubted(node: VolumeNode): number | null {
    const known = this.nodes.of(node);
    if (known === undefined) return null;
    const since = this.#now() - VALIDITY.attributesMs;
    if (known.toldMs < since || known.touchedMs >= since) return null;
    known.toldMs = 0;
    return known.id;
  }
}

/** Set-group-id without the right to execute is a mark of mandatory locking, and stays. */
function withoutSetId(mode: number): number {
  return mode & ~((mode & 0o2010) === 0o2010 ? 0o6000 : 0o4000);
}

/** A method of a node that may be missing. @throws VolumeError */
export function can<Name extends keyof VolumeNode>(
  node: VolumeNode,
  name: Name,
  otherwise: ErrorName,
) {
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

/** What was written has been answered for; nobody can be told of a failure any more. */
export async function closeQuietly(file: VolumeFile): Promise<void> {
  await file.close().catch(() => undefined);
}
