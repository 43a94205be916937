/** What the nodes of one shared directory have in common: which files are known, and which directories are open. */
import type { BigIntStats } from 'node:fs';
import type { VolumeFound } from '../spec/volume-provider.ts';
import type { Descriptor } from './descriptor.ts';
import { VolumeError } from './errno.ts';
import type { HostCalls } from './host-calls.ts';
import { HostNode, type Place } from './host-node.ts';
import { identityOf, typeOf, volumeStat } from './host-stat.ts';
import { HostWatches } from './host-watches.ts';

/** Directories that are kept open. What is not is opened again from the directory above it. */
const OPEN_DIRECTORIES_MAX = 128;
/** Files that are known at once: those that the guest knows, and those of lookups that were given up meanwhile. */
const NODES_MAX = 600_000;

/** The files of one share that are known, and its open directories. */
export class Share {
  /** The device of the share's own directory. */
  readonly device: bigint;
  readonly host: HostCalls;
  readonly #nodes = new Map<string, HostNode>();
  /** The one used last is the last. */
  readonly #open = new Map<HostNode, Descriptor>();
  #watches: HostWatches<HostNode> | null = null;

  constructor(device: bigint, host: HostCalls) {
    this.device = device;
    this.host = host;
  }

  /** The node of a file that has just been seen at a place. @throws VolumeError `ENOMEM` */
  found(stat: BigIntStats, place: Place): VolumeFound & { node: HostNode } {
    const identity = identityOf(stat);
    let node = this.#nodes.get(identity);
    if (node === undefined) {
      if (this.#nodes.size >= NODES_MAX) throw new VolumeError('ENOMEM');
      node = new HostNode(this, identity, typeOf(stat) === 'directory');
      this.#nodes.set(identity, node);
    }
    node.isAt(place);
    return { node, stat: volumeStat(stat, this.device) };
  }

  /** From now on tells of each node in whose directory something has happened to its name. */
  watch(changed: (node: HostNode) => void): void {
    this.#watches = new HostWatches((directory, name) => {
      const child = name === null ? undefined : directory.childNamed(name);
      void child?.mayHaveMoved();
      for (const node of child === undefined ? [directory] : [child, directory]) changed(node);
    });
  }

  /** Something is going to be known of what is in a directory. */
  entered(node: HostNode, fd: number): void {
    this.#watches?.add(node, fd);
  }

  known(identity: string): HostNode | undefined {
    return this.#nodes.get(identity);
  }

  forget(node: HostNode): void {
    if (this.#nodes.get(node.identity) === node) this.#nodes.delete(node.identity);
    this.#watches?.remove(node);
    this.shut(node);
  }

  /** Closes a directory's descriptor. */
  shut(node: HostNode): void {
    void this.#open.get(node)?.close();
    this.#open.delete(node);
  }

  /** The directory's descriptor if it is open. */
  opened(node: HostNode): Descriptor | undefined {
    const descriptor = this.#open.get(node);
    if (descriptor === undefined) return undefined;
    this.#open.delete(node);
    this.#open.set(node, descriptor);
    return descriptor;
  }

  keepOpen(node: HostNode, descriptor: Descriptor): void {
    const other = this.#open.get(node);
    this.#open.set(node, descriptor);
    void other?.close();
    if (this.#open.size <= OPEN_DIRECTORIES_MAX) return;
    for (const [oldest, longUnused] of this.#open) {
      this.#open.delete(oldest);
      void longUnused.close();
      return;
    }
  }

  async close(): Promise<void> {
    this.#watches?.[Symbol.dispose]();
    this.#nodes.clear();
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(open.map((descriptor) => descriptor.close()));
  }
}
