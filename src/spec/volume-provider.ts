// pure
/**
 * File systems that a program makes itself, for boxes to see as volumes.
 *
 * A provider is a tree of nodes. What a node leaves out it cannot do, and the box is told so: a directory needs `stat`,
 * `lookup` and `list`, a file that can only be read `stat` and `open`. Names are bytes, as Linux has them.
 *
 * An error with a `code` such as `ENOENT` or `EACCES`, as those of `node:fs` have, arrives in the box as that; every
 * other one as `EIO`.
 */

/** What kind of file a node is. */
export type VolumeFileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'character'
  | 'block';

/** What stat() in the box tells of a node; whom it belongs to is not the provider's to say. */
export interface VolumeStat {
  readonly type: VolumeFileType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** In bytes. Default: 0. */
  readonly size?: number;
  /** Names the node has. Default: 1. */
  readonly links?: number;
  /** Tells the nodes of a volume apart. Default: a number of the server's own. */
  readonly inode?: bigint;
  /** Space it takes, in units of 512 bytes. Default: what its size needs. */
  readonly blocks?: number;
  /** In ns since 1970. Default: 0. */
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
  readonly ctimeNs?: bigint;
}

/** What is to be changed; what is not there stays. */
export interface VolumeChanges {
  readonly mode?: number;
  readonly size?: number;
  /** In ns since 1970. */
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
}

/** A node, and what it is at this moment. */
export interface VolumeFound {
  readonly node: VolumeNode;
  readonly stat: VolumeStat;
}

/** A name in a directory. */
export interface VolumeEntry {
  readonly name: Buffer;
  readonly type: VolumeFileType;
  /** Default: 1, which means nothing. */
  readonly inode?: bigint;
}

/** How a file is opened. */
export interface VolumeOpenFlags {
  readonly read: boolean;
  readonly write: boolean;
  /** Cut it to nothing first. */
  readonly truncate: boolean;
}

/** How a file is made. */
export interface VolumeCreateFlags extends VolumeOpenFlags {
  readonly mode: number;
  /** `EEXIST` if the name is taken. */
  readonly exclusive: boolean;
}

/** What rename() in the box may ask for besides. */
export interface VolumeRenameFlags {
  /** `EEXIST` if the new name is taken. */
  readonly noReplace: boolean;
  /** Each takes the other's name. */
  readonly exchange: boolean;
}

/** A file or a directory. The same file must be the same object for as long as the box knows it. */
export interface VolumeNode {
  /** Names the file for good, where its object may be another one later. Default: the object. */
  readonly identity?: string;
  stat(): Promise<VolumeStat>;
  change?(changes: VolumeChanges): Promise<void>;
  /** The box knows it no longer, until it is looked up again. */
  forgotten?(): void;

  // Directories.

  /** Null if there is no such name. */
  lookup?(name: Buffer): Promise<VolumeFound | null>;
  /** Everything in it but `.` and `..`. */
  list?(): Promise<readonly VolumeEntry[]>;
  create?(name: Buffer, flags: VolumeCreateFlags): Promise<VolumeFound & { file: VolumeFile }>;
  makeDirectory?(name: Buffer, mode: number): Promise<VolumeFound>;
  makeSymlink?(name: Buffer, target: Buffer): Promise<VolumeFound>;
  /** Gives `node` another name here. */
  link?(name: Buffer, node: VolumeNode): Promise<VolumeFound>;
  unlink?(name: Buffer): Promise<void>;
  removeDirectory?(name: Buffer): Promise<void>;
  rename?(
    name: Buffer,
    target: VolumeNode,
    targetName: Buffer,
    flags: VolumeRenameFlags,
  ): Promise<void>;

  // Files and links.

  open?(flags: VolumeOpenFlags): Promise<VolumeFile>;
  readlink?(): Promise<Buffer>;

  // Extended attributes. A node that has none of these has none.

  /** Null if there is no such attribute. */
  getAttribute?(name: string): Promise<Buffer | null>;
  setAttribute?(name: string, value: Buffer, flags: VolumeAttributeFlags): Promise<void>;
  listAttributes?(): Promise<readonly string[]>;
  removeAttribute?(name: string): Promise<void>;
}

/** What setxattr() in the box may ask for. */
export interface VolumeAttributeFlags {
  /** `EEXIST` if it is there. */
  readonly create: boolean;
  /** `ENODATA` if it is not. */
  readonly replace: boolean;
}

/** An open file, also when it has no name any more. */
export interface VolumeFile {
  /** Up to `length` bytes; fewer only at the end of the file. `into` has room for them, if they need memory. */
  read?(length: number, position: number, into: Uint8Array): Promise<Uint8Array>;
  /** Writes all of it. The bytes are the caller's again afterwards. */
  write?(bytes: Uint8Array, position: number): Promise<void>;
  stat?(): Promise<VolumeStat>;
  change?(changes: VolumeChanges): Promise<void>;
  /** What the box has closed is to be where others find it; called at every close() in the box. */
  flush?(): Promise<void>;
  /** What was written is to survive a crash of the host; without the times of the file if `dataOnly`. */
  sync?(dataOnly: boolean): Promise<void>;
  /** fallocate(2), with its mode bits. */
  allocate?(mode: number, position: number, length: number): Promise<void>;
  /** The next data or hole at or behind a position; `ENXIO` if there is none. */
  seek?(what: 'data' | 'hole', position: number): Promise<number>;
  /** Copies within the provider. Returns the bytes copied, fewer at the end of the file. */
  copy?(position: number, target: VolumeFile, at: number, length: number): Promise<number>;
  close(): Promise<void>;
}

/** What statfs() in the box tells. In blocks. */
export interface VolumeSpace {
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** A file system of a program's own. */
export interface VolumeProvider {
  /** Whether its files have a `flush` that does something; otherwise the box does not ask. Default: false. */
  readonly flushes?: boolean;
  /** What the box sees at the volume's path: a directory, or a file. Called at every start of the box. */
  root(): Promise<VolumeFound>;
  /**
   * Called once, behind `root`: tells of nodes that have changed, or whose name has, by something else than the box. What nobody
   * tells of the box sees within a second.
   */
  watch?(changed: (node: VolumeNode) => void): void;
  /** Default: no room. */
  space?(): Promise<VolumeSpace>;
  /** Called when the box has stopped. */
  close?(): Promise<void>;
}
