// pure
import type { VolumeNode } from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import { xattrFlags } from './fuse-protocol.ts';
import { encodeSize } from './fuse-reply.ts';
import type { RequestOf } from './fuse-request.ts';
import { can, type Finish, NOTHING, type VolumeState } from './volume-state.ts';

/** Requests about extended attributes. */
export class AttributeOperations {
  readonly #state: VolumeState;

  constructor(state: VolumeState) {
    this.#state = state;
  }

  async getxattr({ node, attribute, size }: RequestOf<'getxattr'>): Promise<Finish> {
    const value = await this.#attributesOf(node, 'getAttribute')(attribute);
    if (value === null) throw new VolumeError('ENODATA');
    return sized(value, size);
  }

  async listxattr({ node, size }: RequestOf<'listxattr'>): Promise<Finish> {
    const names = await this.#attributesOf(node, 'listAttributes')();
    return sized(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), size);
  }

  async setxattr({ node, attribute, value, flags }: RequestOf<'setxattr'>): Promise<Finish> {
    this.#state.requireWritable();
    await this.#attributesOf(node, 'setAttribute')(attribute, value, {
      create: (flags & xattrFlags.CREATE) !== 0,
      replace: (flags & xattrFlags.REPLACE) !== 0,
    });
    return NOTHING;
  }

  async removexattr({ node, attribute }: RequestOf<'removexattr'>): Promise<Finish> {
    this.#state.requireWritable();
    await this.#attributesOf(node, 'removeAttribute')(attribute);
    return NOTHING;
  }

  /** A volume whose root has none has none at all: upon ENOSYS the kernel never asks again. */
  #attributesOf<Name extends keyof VolumeNode>(node: number, name: Name) {
    return can(
      this.#state.nodes.get(node).node,
      name,
      name in this.#state.root ? 'EOPNOTSUPP' : 'ENOSYS',
    );
  }
}

/** An attribute's value, or how large it is for those who ask with no room. */
function sized(value: Buffer, size: number): Finish {
  if (size === 0) return { body: () => [encodeSize(value.length)] };
  if (value.length > size) throw new VolumeError('ERANGE');
  return { body: () => [value] };
}
