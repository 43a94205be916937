// pure
import type { VolumeNode, VolumeStat } from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import { ROOT_NODE } from './fuse-protocol.ts';
import type { OpenFile } from './handles.ts';
import { breach } from './message-splitter.ts';

/** Nodes a guest may know at once: more than its own memory has room for. */
const NODES_MAX = 500_000;

/** A node as the guest's kernel knows it. */
export interface KnownNode {
  /** Its number, which is never another one's. */
  readonly id: number;
  readonly node: VolumeNode;
  /** How often it has been looked up and not forgotten. */
  lookups: number;
  /** Its open files: what has no name any more is still reached through them. */
  readonly files: Set<OpenFile>;
  /** What the pages of it that the kernel has are of; null if that is not certain. */
  content: string | null;
  /** When the kernel was last told of it, and when the box last changed it, in ms since 1970. */
  toldMs: number;
  touchedMs: number;
}

/** The numbers that the guest has been given for nodes. */
export class NodeTable {
  readonly #byId = new Map<number, KnownNode>();
  readonly #byNode = new Map<VolumeNode, KnownNode>();
  #nextId = ROOT_NODE;

  constructor(root: VolumeNode) {
    this.lookedUp(root);
  }

  /** @throws VolumeError `ESTALE` */
  get(id: number): KnownNode {
    const known = this.#byId.get(id);
    if (known === undefined) throw new VolumeError('ESTALE');
    return known;
  }

  of(node: VolumeNode): KnownNode | undefined {
    return this.#byNode.get(node);
  }

  /** Counts one lookup that the guest is told of. @throws VolumeError `ENOMEM` */
  lookedUp(node: VolumeNode): KnownNode {
    const before = this.#byNode.get(node);
    if (before !== undefined) {
      before.lookups++;
      return before;
    }
    if (this.#byId.size >= NODES_MAX) {
      node.forgotten?.();
      throw new VolumeError('ENOMEM');
    }
    const known = {
      id: this.#nextId++,
      node,
      lookups: 1,
      files: new Set<OpenFile>(),
      content: null,
      toldMs: 0,
      touchedMs: 0,
    };
    this.#byId.set(known.id, known);
    this.#byNode.set(node, known);
    return known;
  }

  /** @throws BoxliteError `Portal` at more than were told. */
  forget(id: number, lookups: number): void {
    const known = this.#byId.get(id);
    if (known === undefined || lookups > known.lookups) throw breach('a node forgotten too often');
    // The root is there without having been looked up.
    if (id === ROOT_NODE) return;
    known.lookups -= lookups;
    if (known.lookups > 0) return;
    this.#byId.delete(id);
    this.#byNode.delete(known.node);
    known.node.forgotten?.();
  }

  /** Everything is forgotten. */
  clear(): void {
    for (const { node } of this.#byId.values()) node.forgotten?.();
    this.#byId.clear();
    this.#byNode.clear();
  }
}

/** A change within a tick of the host's clock leaves the time as it is: what is younger proves nothing. */
const YOUNG_NS = 2_000_000_000n;

/** What a file's pages are of, as far as its time and size can tell; null if they cannot. */
export function contentOf({ mtimeNs, size }: VolumeStat, nowNs: bigint): string | null {
  if (mtimeNs === undefined || nowNs - mtimeNs < YOUNG_NS) return null;
  return `${mtimeNs} ${size ?? 0}`;
}
