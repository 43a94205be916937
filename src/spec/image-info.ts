/** An image that is on this host, ready to boot. */
export interface ImageInfo {
  /** Its complete name: `docker.io/library/alpine:latest`. */
  readonly reference: string;
  /** What the name stood for when it was pulled: the digest of an index or of a manifest. */
  readonly digest: string;
  /** The digest of its configuration, which container tools call the image's id. */
  readonly configDigest: string;
  /** Of its layers, as they are stored. */
  readonly sizeBytes: number;
  /** Of the disk made from them. */
  readonly diskBytes: number;
  /** When it was pulled or imported. */
  readonly createdAt: Date;
}

/** An image as it is recorded: what it consists of, and what it says about itself. */
export interface ImageRecord extends ImageInfo {
  readonly manifestDigest: string;
  /** Digests of everything of it in the blob store, its manifest and configuration included. */
  readonly blobs: readonly string[];
  /** Its configuration, as JSON. */
  readonly config: string;
  /** Name of its disk in the folder of disks. */
  readonly disk: string;
}

/** Where images are recorded. */
export interface ImageRecords {
  /** Records an image, over one of the same name. */
  put(record: ImageRecord): void;
  get(reference: string): ImageRecord | null;
  /** All of them, the newest first. */
  list(): ImageRecord[];
  /** Forgets an image. False if there was none. */
  remove(reference: string): boolean;
  /** Names of boxes whose root file system is this disk. */
  usersOf(disk: string): string[];
}
