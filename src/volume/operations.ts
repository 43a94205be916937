// pure
import type { VolumeNode } from '../spec/volume-provider.ts';
import { AttributeOperations } from './attribute-operations.ts';
import { DirectoryOperations } from './directory-operations.ts';
import { VolumeError } from './errno.ts';
import { FileOperations } from './file-operations.ts';
import { encodeSpace } from './fuse-reply.ts';
import type { Forget, FuseRequest } from './fuse-request.ts';
import { NodeOperations } from './node-operations.ts';
import {
  closeQuietly,
  type Finish,
  NOTHING,
  type OperationsOptions,
  VolumeState,
} from './volume-state.ts';

/** The operations of FUSE over a provider: what each request does. */
export class Operations {
  readonly #state: VolumeState;
  readonly #names: NodeOperations;
  readonly #files: FileOperations;
  readonly #directories: DirectoryOperations;
  readonly #attributes: AttributeOperations;

  constructor(options: OperationsOptions) {
    this.#state = new VolumeState(options);
    this.#names = new NodeOperations(this.#state);
    this.#files = new FileOperations(this.#state);
    this.#directories = new DirectoryOperations(this.#state);
    this.#attributes = new AttributeOperations(this.#state);
  }

  /** @throws BoxliteError `Portal` */
  forget(forgets: readonly Forget[]): void {
    for (const { node, lookups } of forgets) this.#state.nodes.forget(node, lookups);
  }

  /** See {@link VolumeState.doubted}. */
  doubted(node: VolumeNode): number | null {
    return this.#state.doubted(node);
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    this.#state.nodes.clear();
    await Promise.all(this.#state.handles.clear().map(closeQuietly));
  }

  /** Does what a request asks for. @throws what the guest is to be told, see {@link errnoOf} */
  async perform(request: FuseRequest): Promise<Finish> {
    switch (request.op) {
      case 'lookup':
        return this.#names.lookup(request);
      case 'getattr':
        return this.#names.getattr(request);
      case 'setattr':
        return this.#names.setattr(request);
      case 'readlink':
        return this.#names.readlink(request);
      case 'symlink':
      case 'mknod':
      case 'mkdir':
      case 'link':
        return this.#names.make(request);
      case 'unlink':
      case 'rmdir':
        return this.#names.remove(request);
      case 'rename':
        return this.#names.rename(request);
      case 'create':
        return this.#files.create(request);
      case 'open':
        return this.#files.open(request);
      case 'read':
        return this.#files.read(request);
      case 'write':
        return this.#files.write(request);
      case 'flush':
        return this.#files.flush(request);
      case 'release':
        return this.#files.release(request);
      case 'fsync':
        return this.#files.fsync(request);
      case 'fallocate':
        return this.#files.fallocate(request);
      case 'lseek':
        return this.#files.lseek(request);
      case 'copyFileRange':
        return this.#files.copyFileRange(request);
      case 'opendir':
        return this.#directories.opendir(request);
      case 'readdir':
        return this.#directories.readdir(request);
      case 'releasedir':
        return this.#directories.releasedir(request);
      case 'statfs':
        return this.#statfs();
      case 'getxattr':
        return this.#attributes.getxattr(request);
      case 'listxattr':
        return this.#attributes.listxattr(request);
      case 'setxattr':
        return this.#attributes.setxattr(request);
      case 'removexattr':
        return this.#attributes.removexattr(request);
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

  async #statfs(): Promise<Finish> {
    const none = { blocks: 0, freeBlocks: 0, availableBlocks: 0, files: 0, freeFiles: 0 };
    const space = (await this.#state.provider.space?.()) ?? { blockSize: 4096, ...none };
    return { body: () => [encodeSpace(space)] };
  }
}
