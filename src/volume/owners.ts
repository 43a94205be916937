// pure
import type { VolumeNode } from '../spec/volume-provider.ts';

/** Whom a file belongs to, in the box. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Files with an owner of their own that are remembered. */
const OWNERS_MAX = 100_000;

/**
 * Who owns what, in the box. Everything belongs to the box's user but what somebody else has made or been given since
 * the box started: that is remembered here, and nowhere on the host.
 */
export class Owners {
  readonly #usual: FileOwner;
  readonly #others = new Map<unknown, FileOwner>();

  constructor(usual: FileOwner) {
    this.#usual = usual;
  }

  of(node: VolumeNode): FileOwner {
    return this.#others.get(keyOf(node)) ?? this.#usual;
  }

  set(node: VolumeNode, { uid, gid }: FileOwner): void {
    const key = keyOf(node);
    this.#others.delete(key);
    if (uid === this.#usual.uid && gid === this.#usual.gid) return;
    this.#others.set(key, { uid, gid });
    if (this.#others.size <= OWNERS_MAX) return;
    // The one that was set the longest ago.
    for (const oldest of this.#others.keys()) {
      this.#others.delete(oldest);
      return;
    }
  }
}

function keyOf(node: VolumeNode): unknown {
  return node.identity ?? node;
}
