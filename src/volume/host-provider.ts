import { constants } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { VolumeFound, VolumeProvider, VolumeSpace } from '../spec/volume-provider.ts';
import { Descriptor, O_PATH } from './descriptor.ts';
import { VolumeError } from './errno.ts';
import { atOnce, hostCallsFor } from './host-calls.ts';
import { HostNode } from './host-node.ts';
import { Share } from './host-share.ts';
import { volumeStat } from './host-stat.ts';

/** A directory or a single file of the host. `path` is the program's own word: links in it are followed, once. */
export class HostVolume implements VolumeProvider {
  readonly #path: string;
  #share: Share | null = null;
  #top: Descriptor | null = null;
  #topNode: HostNode | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws the host's error if it cannot be opened; VolumeError `EINVAL` if it is neither file nor directory */
  async root(): Promise<VolumeFound> {
    const path = await realpath(this.#path);
    const stat = await lstat(path);
    if (stat.isDirectory()) return this.#open(path);
    if (!stat.isFile()) throw new VolumeError('EINVAL');
    const { node: parent } = await this.#open(dirname(path));
    const node = HostNode.named(this.#requireShare(), parent, Buffer.from(basename(path)));
    return { node, stat: await node.stat() };
  }

  /** Where calls may take for ever nothing is watched: what happens there on other hosts nobody tells of. */
  watch(changed: (node: HostNode) => void): void {
    const [share, top] = [this.#share, this.#top];
    if (share?.host !== atOnce || top === null) return;
    share.watch(changed);
    const node = this.#topNode;
    if (node === null) return;
    // A share that is being closed has nothing to be watched any more.
    top.use(async (fd) => share.entered(node, fd)).catch(() => undefined);
  }

  async space(): Promise<VolumeSpace> {
    const top = this.#top;
    if (top === null) throw new VolumeError('EBADF');
    const { host } = this.#requireShare();
    const found = await top.use((fd) => host.statfs(`/proc/self/fd/${fd}/.`));
    return {
      blockSize: found.bsize,
      blocks: found.blocks,
      freeBlocks: found.bfree,
      availableBlocks: found.bavail,
      files: found.files,
      freeFiles: found.ffree,
    };
  }

  async close(): Promise<void> {
    await this.#share?.close();
    await this.#top?.close();
    this.#share = null;
    this.#top = null;
    this.#topNode = null;
  }

  async #open(path: string): Promise<VolumeFound & { node: HostNode }> {
    await this.close();
    const host = await hostCallsFor(path);
    const top = await Descriptor.open(
      host,
      path,
      O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW,
    );
    const stat = await top.use((fd) => host.fstat(fd));
    this.#top = top;
    this.#share = new Share(stat.dev, host);
    const node = HostNode.top(this.#share, stat, top);
    this.#topNode = node;
    return { node, stat: volumeStat(stat, stat.dev) };
  }

  #requireShare(): Share {
    if (this.#share === null) throw new VolumeError('EBADF');
    return this.#share;
  }
}
