import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { LiteBox } from '../../src/index.ts';
import { descendants, readProcess } from '../vm/processes.ts';

/** What the host sees of the VMM of a box. */
export class Vmm {
  readonly pid: number;
  readonly names: readonly string[];

  constructor(box: LiteBox) {
    const root = readProcess(box.info().pid ?? 0);
    assert.ok(root !== null, 'the box has no VMM');
    const tree = [root, ...descendants(root.pid)];
    // User-mode Linux has processes of its own for those of its guest.
    const vmm = tree.findLast(({ name }) => name !== 'bwrap' && name !== 'uml-userspace');
    this.pid = vmm?.pid ?? 0;
    this.names = tree.map(({ name }) => name);
  }

  namespace(kind: string): string {
    return readlinkSync(`/proc/${this.pid}/ns/${kind}`);
  }

  /** Whether it is in the namespace of this program. */
  shares(kind: string): boolean {
    return this.namespace(kind) === readlinkSync(`/proc/self/ns/${kind}`);
  }

  status(name: string): string {
    const text = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text)?.[1] ?? '';
  }

  /** Who it is in its own eyes. */
  id(kind: 'uid' | 'gid'): number {
    return Number(readFileSync(`/proc/${this.pid}/${kind}_map`, 'utf8').trim().split(/\s+/)[0]);
  }

  /** Who it is for the host. */
  hostId(kind: 'uid' | 'gid'): number {
    return Number(this.status(kind === 'uid' ? 'Uid' : 'Gid'));
  }

  limit(name: string): string {
    const text = readFileSync(`/proc/${this.pid}/limits`, 'utf8');
    return new RegExp(`^${name} +(\\S+)`, 'm').exec(text)?.[1] ?? '';
  }

  get environment(): string[] {
    return readFileSync(`/proc/${this.pid}/environ`, 'utf8').split('\0');
  }

  get descriptors(): string[] {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).map((fd) => readlinkSync(join(folder, fd)));
  }

  get root(): string[] {
    return readdirSync(`/proc/${this.pid}/root`);
  }
}
