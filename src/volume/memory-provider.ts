/** A file system in this program's memory, which boxes can share and the program can read and write. */
import type {
  VolumeAttributeFlags,
  VolumeChanges,
  VolumeCreateFlags,
  VolumeEntry,
  VolumeFile,
  VolumeFileType,
  VolumeFound,
  VolumeNode,
  VolumeOpenFlags,
  VolumeProvider,
  VolumeRenameFlags,
  VolumeSpace,
  VolumeStat,
} from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import { isName } from './fuse-request.ts';
import { MemoryBudget, MemoryContent } from './memory-content.ts';

const DEFAULT_BYTES_MAX = 64 * 1024 * 1024;
/** What a node counts for besides its content, and each further name of it. */
const NODE_BYTES = 512;
/** What an attribute counts for besides its name and value. */
const ATTRIBUTE_BYTES = 128;
const BLOCK_BYTES = 4096;

/** Options of {@link MemoryVolume}. */
export interface MemoryVolumeOptions {
  /** What its files may take, in bytes; then boxes are told `ENOSPC`. Default: 64 MiB. */
  readonly maxBytes?: number;
}

/**
 * A volume in memory: gone with the program, and shared by all boxes it is given to.
 *
 * @example
 * const results = new MemoryVolume();
 * results.writeFile('/input.txt', 'hello');
 * await using box = await runtime.create({ volumes: [{ guestPath: '/work', provider: results }] });
 * await box.run(['sh', '-c', 'tr a-z A-Z < /work/input.txt > /work/output.txt']).then((run) => run.wait());
 * results.readFile('/output.txt').toString(); // 'HELLO'
 */
export class MemoryVolume implements VolumeProvider {
  readonly #budget: MemoryBudget;
  readonly #top: MemoryNode;

  constructor({ maxBytes = DEFAULT_BYTES_MAX }: MemoryVolumeOptions = {}) {
    this.#budget = new MemoryBudget(maxBytes);
    this.#top = new MemoryNode(this.#budget, 'directory', 0o755);
  }

  async root(): Promise<VolumeFound> {
    return this.#top.found();
  }

  async space(): Promise<VolumeSpace> {
    const { limit, used } = this.#budget;
    const free = Math.floor((limit - used) / BLOCK_BYTES);
    return {
      blockSize: BLOCK_BYTES,
      blocks: Math.floor(limit / BLOCK_BYTES),
      freeBlocks: free,
      availableBlocks: free,
      files: Math.floor(limit / NODE_BYTES),
      freeFiles: Math.floor((limit - used) / NODE_BYTES),
    };
  }

  /**
   * Writes a file, over one that is there; directories on the way are made. Links are not followed.
   * @throws VolumeError with a `code` such as `ENOTDIR` or `ENOSPC`
   */
  writeFile(path: string, content: string | Uint8Array): void {
    const names = namesIn(path);
    const last = names.pop();
    if (last === undefined) throw new VolumeError('EISDIR');
    let directory = this.#top;
    for (const name of names) directory = directory.directoryAt(name);
    directory.fileAt(last).setContent(Buffer.from(content));
  }

  /** Reads a file. @throws VolumeError with a `code` such as `ENOENT` or `EISDIR` */
  readFile(path: string): Buffer {
    let node = this.#top;
    for (const name of namesIn(path)) node = node.child(name);
    return node.content();
  }
}

/** A file, directory or link in memory. */
class MemoryNode implements VolumeNode {
  readonly #budget: MemoryBudget;
  readonly #type: VolumeFileType;
  #mode: number;
  #content: MemoryContent;
  /** Of a link. */
  readonly #target: Buffer;
  /** By name, its bytes as characters. */
  readonly #children = new Map<string, MemoryNode>();
  /** How many of them are directories. */
  #directories = 0;
  readonly #attributes = new Map<string, Buffer>();
  /** The names it has; a directory's own `.` and its children's `..` are added when asked. */
  #names = 0;
  #opened = 0;
  #parent: MemoryNode | null = null;
  #atimeNs = nowNs();
  #mtimeNs = this.#atimeNs;
  #ctimeNs = this.#atimeNs;

  constructor(budget: MemoryBudget, type: VolumeFileType, mode: number, target = NO_TARGET) {
    budget.take(NODE_BYTES + target.length);
    this.#target = target;
    this.#budget = budget;
    this.#type = type;
    this.#mode = mode;
    this.#content = new MemoryContent(budget);
  }

  found(): VolumeFound {
    return { node: this, stat: this.#stat() };
  }

  async stat(): Promise<VolumeStat> {
    return this.#stat();
  }

  async change(changes: VolumeChanges): Promise<void> {
    const { mode, size, atimeNs, mtimeNs } = changes;
    if (size !== undefined) {
      this.#requireType('file');
      this.#content.resize(size);
      this.#mtimeNs = nowNs();
    }
    if (mode !== undefined) this.#mode = mode;
    if (atimeNs !== undefined) this.#atimeNs = atimeNs;
    if (mtimeNs !== undefined) this.#mtimeNs = mtimeNs;
    this.#ctimeNs = nowNs();
  }

  // Directories.

  async lookup(name: Buffer): Promise<VolumeFound | null> {
    this.#requireType('directory');
    return this.#children.get(key(name))?.found() ?? null;
  }

  async list(): Promise<readonly VolumeEntry[]> {
    this.#requireType('directory');
    return Array.from(this.#children, ([name, child]) => ({
      name: Buffer.from(name, 'latin1'),
      type: child.#type,
    }));
  }

  async create(
    name: Buffer,
    flags: VolumeCreateFlags,
  ): Promise<VolumeFound & { file: VolumeFile }> {
    const there = this.#requireDirectory().get(key(name));
    if (there !== undefined && flags.exclusive) throw new VolumeError('EEXIST');
    const node = there ?? this.#add(name, new MemoryNode(this.#budget, 'file', flags.mode));
    const file = await node.open(flags);
    return { ...node.found(), file };
  }

  async makeDirectory(name: Buffer, mode: number): Promise<VolumeFound> {
    this.#requireFree(name);
    return this.#add(name, new MemoryNode(this.#budget, 'directory', mode)).found();
  }

  async makeSymlink(name: Buffer, target: Buffer): Promise<VolumeFound> {
    this.#requireFree(name);
    const link = new MemoryNode(this.#budget, 'symlink', 0o777, Buffer.from(target));
    return this.#add(name, link).found();
  }

  async link(name: Buffer, node: VolumeNode): Promise<VolumeFound> {
    this.#requireFree(name);
    if (!(node instanceof MemoryNode) || node.#budget !== this.#budget) {
      throw new VolumeError('EXDEV');
    }
    if (node.#type === 'directory') throw new VolumeError('EPERM');
    if (node.#names === 0) throw new VolumeError('ENOENT');
    return this.#add(name, node).found();
  }

  async unlink(name: Buffer): Promise<void> {
    const node = this.child(name);
    if (node.#type === 'directory') throw new VolumeError('EISDIR');
    this.#drop(name, node);
  }

  async removeDirectory(name: Buffer): Promise<void> {
    const node = this.child(name);
    if (node.#type !== 'directory') throw new VolumeError('ENOTDIR');
    if (node.#children.size > 0) throw new VolumeError('ENOTEMPTY');
    this.#drop(name, node);
  }

  async rename(
    name: Buffer,
    target: VolumeNode,
    targetName: Buffer,
    { noReplace, exchange }: VolumeRenameFlags,
  ): Promise<void> {
    if (!(target instanceof MemoryNode) || target.#budget !== this.#budget) {
      throw new VolumeError('EXDEV');
    }
    const moved = this.child(name);
    const there = target.#requireDirectory().get(key(targetName));
    if (target.#isBelow(moved)) throw new VolumeError('EINVAL');
    if (there !== undefined && noReplace) throw new VolumeError('EEXIST');
    if (exchange) {
      if (there === undefined) throw new VolumeError('ENOENT');
      if (this.#isBelow(there)) throw new VolumeError('EINVAL');
      this.#put(name, there);
      target.#put(targetName, moved);
      return;
    }
    // Two names of one file: nothing happens.
    if (there === moved) return;
    if (there !== undefined) {
      moved.#requireReplaces(there);
      target.#drop(targetName, there);
    }
    this.#take(name);
    target.#put(targetName, moved);
    moved.#ctimeNs = nowNs();
  }

  // Files and links.

  async open(flags: VolumeOpenFlags): Promise<VolumeFile> {
    if (this.#type === 'directory') throw new VolumeError('EISDIR');
    this.#requireType('file');
    if (flags.truncate) await this.change({ size: 0 });
    this.#opened++;
    return this.#file();
  }

  async readlink(): Promise<Buffer> {
    this.#requireType('symlink');
    return this.#target;
  }

  // Extended attributes.

  async getAttribute(name: string): Promise<Buffer | null> {
    return this.#attributes.get(name) ?? null;
  }

  async setAttribute(name: string, value: Buffer, flags: VolumeAttributeFlags): Promise<void> {
    const there = this.#attributes.get(name);
    if (there !== undefined && flags.create) throw new VolumeError('EEXIST');
    if (there === undefined && flags.replace) throw new VolumeError('ENODATA');
    this.#budget.take(attributeBytes(name, value));
    if (there !== undefined) this.#budget.give(attributeBytes(name, there));
    this.#attributes.set(name, Buffer.from(value));
    this.#ctimeNs = nowNs();
  }

  async listAttributes(): Promise<readonly string[]> {
    return [...this.#attributes.keys()];
  }

  async removeAttribute(name: string): Promise<void> {
    const there = this.#attributes.get(name);
    if (there === undefined) throw new VolumeError('ENODATA');
    this.#budget.give(attributeBytes(name, there));
    this.#attributes.delete(name);
    this.#ctimeNs = nowNs();
  }

  // For the program.

  child(name: Buffer): MemoryNode {
    const child = this.#requireDirectory().get(key(name));
    if (child === undefined) throw new VolumeError('ENOENT');
    return child;
  }

  directoryAt(name: Buffer): MemoryNode {
    const there = this.#requireDirectory().get(key(name));
    return there ?? this.#add(name, new MemoryNode(this.#budget, 'directory', 0o755));
  }

  fileAt(name: Buffer): MemoryNode {
    const there = this.#requireDirectory().get(key(name));
    if (there?.type === 'directory') throw new VolumeError('EISDIR');
    return there ?? this.#add(name, new MemoryNode(this.#budget, 'file', 0o644));
  }

  setContent(bytes: Uint8Array): void {
    this.#requireType('file');
    this.#content.resize(0);
    this.#content.write(bytes, 0);
    this.#mtimeNs = this.#ctimeNs = nowNs();
  }

  content(): Buffer {
    if (this.#type === 'directory') throw new VolumeError('EISDIR');
    this.#requireType('file');
    const { size } = this.#content;
    // Of that size there is nothing but holes, which a box may make as large as it likes.
    if (size > this.#budget.limit) throw new VolumeError('EFBIG');
    return this.#content.read(size, 0);
  }

  // How it is done.

  #file(): VolumeFile {
    let open = true;
    return {
      read: async (length, position) => this.#content.read(length, position),
      write: async (bytes, position) => {
        this.#content.write(bytes, position);
        this.#mtimeNs = this.#ctimeNs = nowNs();
      },
      stat: () => this.stat(),
      change: (changes) => this.change(changes),
      allocate: async (mode, position, length) => {
        this.#content.allocate(mode, position, length);
        this.#mtimeNs = this.#ctimeNs = nowNs();
      },
      seek: async (what, position) => this.#content.seek(what, position),
      copy: async (position, target, at, length) => {
        const piece = this.#content.read(Math.min(length, COPY_BYTES), position);
        await target.write?.(piece, at);
        return piece.length;
      },
      close: async () => {
        if (open) this.#opened--;
        open = false;
        this.#freeIfGone();
      },
    };
  }

  #stat(): VolumeStat {
    const size = this.#type === 'symlink' ? this.#target.length : this.#content.size;
    return {
      type: this.#type,
      mode: this.#mode,
      size: this.#type === 'directory' ? BLOCK_BYTES : size,
      links: this.#type === 'directory' ? 2 + this.#directories : this.#names,
      blocks: Math.ceil(this.#content.allocated / 512),
      atimeNs: this.#atimeNs,
      mtimeNs: this.#mtimeNs,
      ctimeNs: this.#ctimeNs,
    };
  }

  get type(): VolumeFileType {
    return this.#type;
  }

  #add(name: Buffer, node: MemoryNode): MemoryNode {
    if (!isName(name)) throw new VolumeError('EINVAL');
    if (node.#names > 0) this.#budget.take(NODE_BYTES);
    node.#names++;
    this.#put(name, node);
    node.#ctimeNs = nowNs();
    return node;
  }

  /** Gives a node a name, in place of what has it. */
  #put(name: Buffer, node: MemoryNode): void {
    this.#take(name);
    this.#children.set(key(name), node);
    if (node.#type === 'directory') this.#directories++;
    node.#parent = this;
  }

  /** Takes a name away. */
  #take(name: Buffer): void {
    if (this.#children.get(key(name))?.type === 'directory') this.#directories--;
    this.#children.delete(key(name));
    this.#touch();
  }

  #drop(name: Buffer, node: MemoryNode): void {
    this.#take(name);
    node.#names--;
    if (node.#names > 0) this.#budget.give(NODE_BYTES);
    node.#ctimeNs = nowNs();
    node.#freeIfGone();
  }

  #freeIfGone(): void {
    if (this.#names > 0 || this.#opened > 0) return;
    this.#content.resize(0);
    this.#budget.give(NODE_BYTES + this.#target.length);
    for (const [name, value] of this.#attributes) this.#budget.give(attributeBytes(name, value));
    this.#attributes.clear();
  }

  #touch(): void {
    this.#mtimeNs = this.#ctimeNs = nowNs();
  }

  #isBelow(node: MemoryNode): boolean {
    for (let at: MemoryNode | null = this; at !== null; at = at.#parent) {
      if (at === node) return true;
    }
    return false;
  }

  #requireReplaces(there: MemoryNode): void {
    const isDirectory = this.#type === 'directory';
    if (there.#type === 'directory' && !isDirectory) throw new VolumeError('EISDIR');
    if (there.#type !== 'directory' && isDirectory) throw new VolumeError('ENOTDIR');
    if (there.#children.size > 0) throw new VolumeError('ENOTEMPTY');
  }

  #requireFree(name: Buffer): void {
    if (this.#requireDirectory().has(key(name))) throw new VolumeError('EEXIST');
  }

  /** What is in it. One that has been removed takes nothing any more. */
  #requireDirectory(): Map<string, MemoryNode> {
    this.#requireType('directory');
    if (this.#names === 0 && this.#parent !== null) throw new VolumeError('ENOENT');
    return this.#children;
  }

  #requireType(type: VolumeFileType): void {
    if (this.#type === type) return;
    throw new VolumeError(type === 'directory' ? 'ENOTDIR' : 'EINVAL');
  }
}

const NO_TARGET = Buffer.alloc(0);

function attributeBytes(name: string, value: Buffer): number {
  return ATTRIBUTE_BYTES + name.length + value.length;
}

/** Copied at a time, so that the program goes on in between. */
const COPY_BYTES = 1024 * 1024;

function key(name: Buffer): string {
  return name.toString('latin1');
}

function namesIn(path: string): Buffer[] {
  return path
    .split('/')
    .filter((name) => name !== '')
    .map((name) => Buffer.from(name));
}

function nowNs(): bigint {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}
